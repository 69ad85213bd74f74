#!/usr/bin/env bash
# Checks `./configure --add-dynamic-module=` with the sources of nginx that the crate nginx-src has
# in the version of Cargo.lock: configures, builds and installs nginx and the module in a temporary
# directory, and lets this nginx load it. A static module has to be an error.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/nginx-src.sh
. scripts/nginx-src.sh

folder=$(mktemp -d "${TMPDIR:-/tmp}/check-configure.XXXXXX")
trap 'rm -rf "$folder"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$project/target}

find_nginx_src
cp -R "$nginx_src" "$folder/nginx"
cd "$folder/nginx"
configure=./configure
[ -x "$configure" ] || configure=auto/configure

# fails HOW TEXT
fails() {
    if "$configure" --without-pcre "$1" >"$folder/said" 2>&1 || ! grep -q "$2" "$folder/said"; then
        fail "configure does not say \"$2\" to $1" "$(tail -n 3 "$folder/said")"
    fi
}
fails "--add-module=$project" "use --add-dynamic-module"

say "== configure --add-dynamic-module=$project"
"$configure" --with-compat --with-threads --with-http_ssl_module --with-cc-opt=-O0 \
    --prefix="$folder/prefix" --add-dynamic-module="$project" >"$folder/said" 2>&1 ||
    fail "configure failed" "$(tail -n 5 "$folder/said")"
for target in modules install; do
    make -j "$(nproc)" "$target" NGX_CARGO_PROFILE=demo >"$folder/said" 2>&1 ||
        fail "make $target failed" "$(tail -n 20 "$folder/said")"
done
# What is built is not built again.
make modules NGX_CARGO_PROFILE=demo CARGO=false >/dev/null 2>&1 ||
    fail "make modules builds the module again"

cat >"$folder/prefix/conf/nginx.conf" <<'END'
load_module modules/ngx_http_upstream_etcd_module.so;
events {}
http {
    etcd_cluster main { endpoint http://127.0.0.1:2379; }
    upstream app { etcd main /app/upstream/; }
    server { listen 127.0.0.1:18080; location / { proxy_pass http://app; } }
}
END
"$folder/prefix/sbin/nginx" -t 2>"$folder/said" ||
    fail "nginx does not accept the module" "$(cat "$folder/said")"
say "== nginx $nginx_src_version has built, installed and accepted the module"
