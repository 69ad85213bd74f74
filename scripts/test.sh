#!/usr/bin/env bash
# Runs every test, each step under a heading; the first failure ends it. What is needed must be built and installed
# already: `make test` sees to that.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target_folder=${CARGO_TARGET_DIR:-$project/target}
# How long the fuzzer looks for a value that breaks the parser.
fuzz_seconds=${FUZZ_SECONDS:-20}

# step HEADING COMMAND...
step() {
    local began=$SECONDS
    say "" "== $1"
    shift
    "$@"
    say "== took $((SECONDS - began)) s"
}

fuzz() {
    if ! cargo fuzz --version >/dev/null 2>&1 && [ ! -x build/tools/bin/cargo-fuzz ]; then
        CARGO_TARGET_DIR=$target_folder/tools cargo install --locked --quiet --root build/tools cargo-fuzz
    fi
    local sanitizer=none
    ! has_sanitizer address || sanitizer=address
    # What the fuzzer finds goes to the first folder; the second one's files are the project's.
    mkdir -p build/fuzz-corpus
    PATH=$PATH:$project/build/tools/bin RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target_folder/fuzz \
        cargo fuzz run --sanitizer "$sanitizer" values build/fuzz-corpus fuzz/corpus/values \
        -- -max_total_time="$fuzz_seconds" -verbosity=0
}

step "formatting" cargo fmt --all --check
step "clippy, warnings as errors" cargo clippy --locked --workspace --all-targets -- -D warnings
step "unit and property tests" cargo test --locked --workspace --exclude end-to-end
step "shared memory under sanitizers" scripts/sanitizers.sh
step "shared memory: protocols in every order (loom)" scripts/loom.sh
step "fuzzing of values for $fuzz_seconds s" fuzz
step "make run, as its printed text says" scripts/check-run.sh
step "end to end: nginx, etcd, HTTP and WebSocket" cargo test --locked -p end-to-end -- --test-threads=2
say "" "== every test has passed, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
