#!/usr/bin/env bash
# Makes Debian packages in build/packages of what is in build/ (PREBUILT names another directory):
# the module, the program, the licenses of others and the SBOM. Their version is VERSION
# (default: that of Cargo.toml) with the version of this Debian: 0.1.0+deb12.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

prebuilt=$(realpath "${PREBUILT:-build}")
packages=build/packages
version=${VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
# shellcheck source=/dev/null
version+=+deb$(. /etc/os-release && say "${VERSION_ID:?}")
for file in ngx_http_upstream_etcd_module.so firehose-router third-party.txt sbom.cdx.json; do
    [ -e "$prebuilt/$file" ] ||
        fail "$prebuilt/$file is not there" "'make release licenses sbom' builds it"
done

# A copy, so that the packages are beside it and nothing is left in this directory.
folder=$(mktemp -d "${TMPDIR:-/tmp}/build-deb.XXXXXX")
trap 'rm -rf "$folder"' EXIT
tree=$folder/firehose-router
mkdir "$tree"
cp -R CHANGELOG.md LICENSE Makefile README.md completions contrib debian man nginx-conf scripts \
    systemd "$tree/"
# The runbook of the alerts.
install -D -m 644 docs/how-to/monitoring.md "$tree/docs/how-to/monitoring.md"
sed -i "1s/(.*)/($version)/" "$tree/debian/changelog"
log=$folder/log
# Rust may be that of rustup, which is no package: so the build dependencies are not checked.
(cd "$tree" && PREBUILT=$prebuilt dpkg-buildpackage --build=binary --no-sign --no-check-builddeps) \
    >"$log" 2>&1 || {
    cat "$log" >&2
    fail "the packages cannot be built"
}
# Those of other versions would be installed with them.
rm -rf "$packages"
mkdir -p "$packages"
for package in "$folder"/*.deb; do
    mv "$package" "$packages/"
    say "== made $packages/${package##*/}"
done
