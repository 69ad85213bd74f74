#!/usr/bin/env bash
# Builds the module and the program from the archive of `make dist`, hardly optimized: without a
# network, and without any crate that cargo has here.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

archive=$(find "$project/build" -maxdepth 1 -name 'firehose-router-*.tar.gz' | head -n 1)
[ -n "$archive" ] || fail "there is no archive in build/" "'make dist' makes it"
folder=$(mktemp -d "${TMPDIR:-/tmp}/check-dist.XXXXXX")
trap 'rm -rf "$folder"' EXIT
tar -xzf "$archive" -C "$folder"
cd "$folder"/firehose-router-*

# rustup has its toolchains by their own variable.
export RUSTUP_HOME=${RUSTUP_HOME:-${HOME:-/root}/.rustup}
export CARGO_HOME=$folder/cargo-home CARGO_TARGET_DIR=$folder/target CARGO_NET_OFFLINE=true
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
without_network=()
[ "$(id -u)" -ne 0 ] || without_network=(unshare --net)
"${without_network[@]}" make --no-print-directory release licenses sbom
for file in ngx_http_upstream_etcd_module.so firehose-router third-party.txt sbom.cdx.json; do
    [ -s "build/$file" ] || fail "build/$file is not there"
done
say "== ${archive##*/} builds without a network"
