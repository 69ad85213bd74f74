#!/usr/bin/env bash
# Makes Debian packages and tests them on a bare Debian (scripts/check-packages.sh). On Debian 12,
# PREBUILT=DIRECTORY takes the module and the program from there. Otherwise, and for BARE_DEBIAN=13,
# they are built there, hardly optimized. What is tested is HEAD.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

older=0.0.9
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1
archive=$(mktemp "${TMPDIR:-/tmp}/test-packages.XXXXXX")
trap 'rm -rf "$archive"' EXIT

# shellcheck disable=SC2016  # the shell there expands it
pack='scripts/build-deb.sh && mkdir -p build/older && mv build/packages build/newer &&
    VERSION=$OLDER scripts/build-deb.sh && rm -rf build/older && mv build/packages build/older &&
    mv build/newer build/packages'
if [ -n "${PREBUILT:-}" ]; then
    rm -rf build/packages build/newer build/older
    make --no-print-directory licenses sbom
    [ "$PREBUILT" -ef build ] || cp build/third-party.txt build/sbom.cdx.json "$PREBUILT/"
    OLDER=$older bash -c "$pack"
    tar -C build -c packages older >"$archive"
else
    scripts/bare.sh env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 OLDER="$older" \
        DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1 \
        bash -c "{ make deb && rm -rf build/packages && $pack; } >&2 &&
            tar -C build -c packages older" >"$archive"
fi
scripts/bare.sh scripts/check-packages.sh <"$archive"
