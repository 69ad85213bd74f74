#!/usr/bin/env bash
# Runs the tests that need no build (argument `quick`), or all others (`built`), each step under a
# heading; the first failure ends it. What is needed must be installed already: `make test` sees to
# that.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target_folder=${CARGO_TARGET_DIR:-$project/target}
# How long the fuzzer looks for an input that breaks something, for each target.
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
        CARGO_TARGET_DIR=$target_folder/tools \
            cargo install --locked --quiet --root build/tools cargo-fuzz
    fi
    local sanitizer=none file name
    ! has_sanitizer address || sanitizer=address
    local -x PATH=$PATH:$project/build/tools/bin
    local -x RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target_folder/fuzz
    cargo fuzz build --sanitizer "$sanitizer"
    for file in fuzz/fuzz_targets/*.rs; do
        name=$(basename "$file" .rs)
        say "-- $name"
        # What the fuzzer finds goes to the first folder; the second one's files are the project's.
        mkdir -p "build/fuzz-corpus/$name"
        cargo fuzz run --sanitizer "$sanitizer" "$name" \
            "build/fuzz-corpus/$name" "fuzz/corpus/$name" \
            -- -max_total_time="$fuzz_seconds" -verbosity=0
    done
}

# Those that reach into nginx's memory and the shared one in most ways; with ASAN_ALL=1 every test,
# but for what says nothing there: those of memory and time, and of a binary that nginx starts
# itself, without the sanitizer's runtime in its environment.
address_sanitizer() {
    if ! has_sanitizer address; then
        say "skipped: this Rust toolchain has no AddressSanitizer (rustup's has)"
        return
    fi
    if [ -n "${ASAN_ALL:-}" ]; then
        scripts/address-sanitizer.sh
    else
        scripts/address-sanitizer.sh drain:: etcd_variable:: expiry_guard:: hold:: \
            keepalive::departures panics:: privileged_files:: reload:: sticky:: takeover:: \
            values:: variables:: websockets:: \
            --skip a_great_fleet
    fi
}

# Those that need no build.
quick() {
    step "formatting" cargo fmt --all --check
    step "shell scripts" shellcheck -x scripts/*.sh .ci/run
    step "lines within 100 columns" scripts/check-width.sh
    step "select! and what it drops" scripts/check-selects.sh
    step "systemd units" scripts/check-units.sh
    step "commands, and the packages that bring them" scripts/check-commands.sh
    say "" "== every quick test has passed"
}

built() {
    step "what is tested, and the tests" scripts/build-demo.sh test
    step "clippy, warnings as errors" \
        cargo clippy --locked --profile demo --workspace --all-targets -- -D warnings
    step "clippy of the injected faults" \
        cargo clippy --locked --profile demo -p ngx-http-upstream-etcd-module \
        --features injected-faults -- -D warnings
    step "unit and property tests" \
        cargo test --locked --profile demo --workspace --exclude end-to-end
    step "make run, as its printed text says" scripts/check-run.sh
    step "the module with injected faults" scripts/build-with-faults.sh demo
    step "end to end: nginx, etcd, HTTP and WebSocket" \
        cargo test --locked --profile demo --workspace --test end_to_end -- --test-threads=2
    step "the same under AddressSanitizer, in part" address_sanitizer
    step "shared memory under sanitizers" scripts/sanitizers.sh
    step "shared memory: protocols in every order (loom)" scripts/loom.sh
    step "fuzzing, each target for $fuzz_seconds s" fuzz
    say "" "== every test has passed, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

# What the end-to-end tests run, where nobody names another one.
export ETCD_MODULE=${ETCD_MODULE:-$project/build/demo/ngx_http_upstream_etcd_module.so}
export FIREHOSE_ROUTER=${FIREHOSE_ROUTER:-$project/build/demo/firehose-router}
export DEMO_NODE=${DEMO_NODE:-$project/build/demo/demo-node}

case ${1:-} in
quick | built) "$1" ;;
*) fail "usage: $0 quick|built" ;;
esac
