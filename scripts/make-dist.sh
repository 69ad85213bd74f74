#!/usr/bin/env bash
# Makes an archive of HEAD with the sources of all crates in build/, which builds without a network:
# firehose-router-VERSION.tar.gz. The same commit makes the same archive.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=${VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
name=firehose-router-$version
archive=$project/build/$name.tar.gz
folder=$(mktemp -d "${TMPDIR:-/tmp}/make-dist.XXXXXX")
trap 'rm -rf "$folder"' EXIT

git archive --prefix="$name/" HEAD | tar -x -C "$folder"
cd "$folder/$name"
mkdir .cargo
# It prints what cargo has to be told of the directory; with --quiet it does not.
cargo vendor --locked vendor >.cargo/config.toml 2>"$folder/log" ||
    fail "cargo vendor failed" "$(tail -n 5 "$folder/log")"
grep -q '^directory = "vendor"' .cargo/config.toml ||
    fail "cargo vendor does not say how to use the directory"
cd "$folder"
mkdir -p "${archive%/*}"
tar --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
    --mtime="@$(git -C "$project" log -1 --format=%ct)" -c "$name" | gzip -n >"$archive.new"
mv "$archive.new" "$archive"
say "== made ${archive#"$project/"}"
