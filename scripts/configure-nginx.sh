#!/usr/bin/env bash
# Configures the sources of the installed nginx in build/nginx, for their headers; nginx itself is
# not made. Does so again only when another version of nginx-dev has been installed.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sources=/usr/share/nginx/src
copy=build/nginx
stamp=$copy/configured-from

if [ ! -x "$sources/configure" ]; then
    fail "nginx's headers are missing: $sources is not there" \
        "'make deps' installs them (Debian's nginx-dev)" \
        "for another nginx set NGINX_BUILD_DIR, see docs/how-to/build.md"
fi
version=$(dpkg-query --show --showformat='${Package} ${Version}' nginx-dev)
installed=$("${NGINX:-nginx}" -v 2>&1 | sed -n 's|^nginx version: nginx/||p')
case "$version" in
"nginx-dev $installed-"*) ;;
*)
    refused="nginx would refuse the module"
    fail "nginx is ${installed:-missing}, but the headers are $version: $refused" \
        "for an nginx that is not Debian's set NGINX_BUILD_DIR, see docs/how-to/build.md"
    ;;
esac
if [ "$(cat "$stamp" 2>/dev/null)" = "$version" ]; then
    exit 0
fi

say "== configuring $version in $copy"
rm -rf "$copy"
mkdir -p "$copy"
# configure writes into the directory that it is started in.
cp -R "$sources/." "$copy/"
(
    cd "$copy"
    # shellcheck source=/dev/null
    . ./conf_flags
    ./configure "${NGX_CONF_FLAGS[@]}" >configure.log 2>&1
) || fail "nginx's configure failed:" "$(tail -n 5 "$copy/configure.log")"
printf '%s\n' "$version" >"$stamp"
