#!/usr/bin/env bash
# Tests the page of etcd_status in Debian's Chromium: all, or the tests whose names have an argument
# in them. With WRITE_SCREENSHOT=1 the picture in docs/images is written.
#
# axe-core, which looks for what keeps people from using a page, is in no package of Debian: it
# comes from npm's registry, in one version, and is checked before it is used.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=4.14.1
# Of the archive; npm's registry has the same in base64.
sum=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73\
4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
url=https://registry.npmjs.org/axe-core/-/axe-core-$version.tgz
archive=build/axe-core/axe-core-$version.tgz

is_right() { [ -f "$1" ] && sha512sum --check --status <<<"$sum  $1"; }

# It is 8 MB, and kept.
if ! is_right "$archive"; then
    mkdir -p "$(dirname "$archive")"
    say "== downloading $url"
    curl --fail --silent --show-error --location --retry 3 --max-time 120 \
        --output "$archive.part" "$url" ||
        fail "axe-core cannot be downloaded, and without it nobody knows whether the page is" \
            "usable for everybody: put $url at $archive and run this again"
    is_right "$archive.part" ||
        fail "what $url is now has another checksum: it must not be used"
    mv "$archive.part" "$archive"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xzf "$archive" -C "$folder" package/axe.min.js

export AXE=$folder/package/axe.min.js
export ETCD_MODULE=${ETCD_MODULE:-$project/build/demo/ngx_http_upstream_etcd_module.so}
export DEMO_NODE=${DEMO_NODE:-$project/build/demo/demo-node}

# Each test has a browser of its own, which takes more than one processor while a page loads.
threads=$(nproc)
# Of the workspace, as scripts/build-demo.sh builds it: so that nothing is compiled twice.
what=(--locked --workspace --test status_page)
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --cargo-profile demo "${what[@]}" --test-threads "$threads" -- "$@"
else
    cargo test --profile demo "${what[@]}" -- --test-threads "$threads" "$@"
fi
