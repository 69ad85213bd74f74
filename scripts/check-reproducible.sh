#!/usr/bin/env bash
# Builds the module and the program of HEAD twice, in two directories, and compares them: the same
# commit, compilers and nginx have to make the same files bit by bit. Environment variables such as
# CARGO_PROFILE_RELEASE_OPT_LEVEL apply to both builds.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder=$(mktemp -d "${TMPDIR:-/tmp}/reproducible.XXXXXX")
trap 'rm -rf "$folder"' EXIT
commit=$(git rev-parse --short HEAD)
files=(ngx_http_upstream_etcd_module.so firehose-router)

for copy in one another-directory; do
    mkdir "$folder/$copy"
    git archive "$commit" | tar -x -C "$folder/$copy"
    say "== building $commit in $folder/$copy"
    (cd "$folder/$copy" && CARGO_TARGET_DIR=$folder/$copy/target \
        make --no-print-directory release >"$folder/log" 2>&1) ||
        fail "the build failed" "$(tail -n 5 "$folder/log")"
    mkdir "$folder/$copy.built"
    for file in "${files[@]}"; do
        mv "$folder/$copy/build/$file" "$folder/$copy.built/"
    done
    rm -rf "${folder:?}/$copy"
done
for file in "${files[@]}"; do
    sha256sum "$folder"/*.built/"$file" | sed "s,$folder/,,"
    cmp "$folder/one.built/$file" "$folder/another-directory.built/$file" ||
        fail "$file is not the same in both builds"
done
say "== both builds are the same bit by bit"
