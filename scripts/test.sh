#!/usr/bin/env bash
# Runs tests, each step under a heading; the first failure ends it. What is needed must be installed
# already: the Makefile sees to that.
#
#     scripts/test.sh quick                those that need no build
#     scripts/test.sh built                all others, but for the slow ones
#     scripts/test.sh unit [NAME]          unit and property tests, or those with such a name
#     scripts/test.sh end-to-end [NAME]    the same of end-to-end tests: one, or a module of them
#     scripts/test.sh slow                 more of the same, for hours
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# step HEADING COMMAND...
step() {
    local began=$SECONDS
    say "" "== $1"
    shift
    "$@"
    say "== took $((SECONDS - began)) s"
}

# side_by_side COMMAND...: each is one word, and uses one processor for most of its time. What it
# says is shown as a whole when it has ended.
side_by_side() {
    local command folder failed=() pids=()
    folder=$(mktemp -d)
    for command in "$@"; do
        "$command" >"$folder/$(basename "$command")" 2>&1 &
        pids+=($!)
    done
    for command in "$@"; do
        wait "${pids[0]}" || failed+=("$command")
        pids=("${pids[@]:1}")
        say "-- $command"
        cat "$folder/$(basename "$command")"
    done
    rm -rf "$folder"
    [ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}"
}

# By cargo-nextest where that is installed, else by cargo's own runner. Those that take long wait
# for most of their time, for an etcd or a name server: nextest runs as many side by side as of
# the end-to-end tests.
unit_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --cargo-profile demo --workspace --exclude harness \
            --test-threads "$(test_threads)" "$@"
    else
        cargo test --locked --profile demo --workspace --exclude harness "$@"
    fi
}

# Those that reach into nginx's memory and the shared one in most ways; with the argument `all`
# every test, but for what says nothing there: those of memory and time, and of a binary that nginx
# starts itself, without the sanitizer's runtime in its environment.
address_sanitizer() {
    if ! has_sanitizer address; then
        say "skipped: this Rust toolchain has no AddressSanitizer (rustup's has)"
        return
    fi
    if [ "${1:-}" = all ] || [ -n "${ASAN_ALL:-}" ]; then
        scripts/address-sanitizer.sh
    else
        scripts/address-sanitizer.sh drain:: etcd_variable:: expiry_guard:: hold:: \
            keepalive::withdrawn panics:: privileged_files:: reload:: sticky:: takeover:: \
            values:: variables:: websockets:: \
            --skip great_fleet
    fi
}

# Those that need no build.
quick() {
    step "formatting" cargo fmt --all --check
    step "shell scripts" shellcheck -x scripts/*.sh scripts/neighbours/*.sh scripts/tutorials/*.sh \
        findings/*.sh .ci/run config config.make
    step "lines within 100 columns" scripts/check-width.sh
    step "select! and what it drops" scripts/check-selects.sh
    step "pipes that a reader ends" scripts/check-pipes.sh
    step "systemd units" scripts/check-units.sh
    step "alert rules and the dashboard" scripts/check-contrib.sh
    step "commands, and the packages that bring them" scripts/check-commands.sh
    say "" "== every quick test has passed"
}

built() {
    # The other one comes last: it is the one that cargo has as it was.
    step "the module with injected faults" scripts/build-with-faults.sh demo
    step "what is tested, and the tests" scripts/build-demo.sh test
    # With the injected faults, which are more than what stands in their places.
    step "clippy, warnings as errors" \
        cargo clippy --locked --profile demo --workspace --all-targets \
        --features ngx-http-upstream-etcd-module/injected-faults -- -D warnings
    step "unit and property tests" unit_tests
    step "instructions of a request and of a change" scripts/bench-gate.sh
    step "what make install installs" scripts/check-install.sh
    step "the documentation as a site" \
        cargo run --locked --profile demo -p book
    step "make run, as its printed text says" env RUN_AS_TESTED=1 scripts/check-run.sh
    step "end to end: nginx, etcd, HTTP and WebSocket" scripts/end-to-end.sh
    step "the page of etcd_status in Chromium" scripts/test-page.sh
    step "the same under AddressSanitizer, in part" address_sanitizer
    step "shared memory under sanitizers, protocols in every order (loom), and fuzzing" \
        side_by_side scripts/sanitizers.sh scripts/loom.sh scripts/fuzz.sh
    say "" "== every test has passed, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

unit() {
    scripts/build-demo.sh test
    unit_tests "$@"
}

end_to_end() {
    # Few tests need that module.
    if [ $# -eq 0 ] || [ ! -e build/injected-faults/ngx_http_upstream_etcd_module.so ]; then
        scripts/build-with-faults.sh demo
    fi
    scripts/build-demo.sh end-to-end
    scripts/end-to-end.sh "$@"
}

# More of what `make test` has a little of.
slow() {
    local -x SOAK_SECONDS=${SOAK_SECONDS:-1800}
    local -x PROPTEST_CASES=${PROPTEST_CASES:-2000}
    local -x FUZZ_SECONDS=${FUZZ_SECONDS:-600}
    step "the module with injected faults" scripts/build-with-faults.sh demo
    step "what is tested, and the tests" scripts/build-demo.sh test
    step "random faults for $SOAK_SECONDS s" scripts/end-to-end.sh soak::
    step "every end-to-end test under AddressSanitizer" address_sanitizer all
    step "property tests, $PROPTEST_CASES cases each" unit_tests
    ! has_sanitizer address || local -x SANITIZER=address
    step "fuzzing, each target for $FUZZ_SECONDS s" env FUZZ_SEED="${FUZZ_SEED:-0}" scripts/fuzz.sh
    say "" "== every slow test has passed, in $((SECONDS / 60)) min $((SECONDS % 60)) s"
}

case ${1:-} in
quick | built | slow) "$1" ;;
unit) unit "${@:2}" ;;
end-to-end) end_to_end "${@:2}" ;;
*) fail "usage: $0 quick|built|slow|unit [NAME]|end-to-end [NAME]" ;;
esac
