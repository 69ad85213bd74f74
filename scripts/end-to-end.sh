#!/usr/bin/env bash
# Runs the end-to-end tests: all, or those whose names have one of the arguments in them; with
# `--skip NAME` those are left out.
#
#     scripts/end-to-end.sh drain:: cookie --skip drain::rate
#
# By cargo-nextest where that is installed, and else by cargo's own runner: as many side by side
# either way, and those few that measure what the machine has no time for otherwise fewer. Which
# these are stands in .config/nextest.toml alone.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

threads=$(test_threads)
what=(--locked --workspace --test end_to_end)

# What they run, where nobody names another one.
export ETCD_MODULE=${ETCD_MODULE:-$project/build/demo/ngx_http_upstream_etcd_module.so}
export FIREHOSE_ROUTER=${FIREHOSE_ROUTER:-$project/build/demo/firehose-router}
export DEMO_NODE=${DEMO_NODE:-$project/build/demo/demo-node}

# A program of these tests that is built already, where there is no cargo: TESTS.
if [ -z "${TESTS:-}" ] && cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --cargo-profile demo "${what[@]}" --test-threads "$threads" -- "$@"
fi

heavy=$(sed -n 's|.*test(/\(\^[a-z_:]*\)/).*|\1|p' .config/nextest.toml)
[ -n "$heavy" ] || fail ".config/nextest.toml does not name the tests that need more of the machine"
names=() skipped=()
while [ $# -gt 0 ]; do
    case $1 in
    --skip)
        skipped+=(--skip "$2")
        shift
        ;;
    *) names+=("$1") ;;
    esac
    shift
done

# cargo_test THREADS ARGUMENTS...
cargo_test() {
    if [ -n "${TESTS:-}" ]; then
        (cd tests && "$TESTS" --test-threads "$@")
    else
        cargo test --profile demo "${what[@]}" -- --test-threads "$@"
    fi
}

listed=$(cargo_test 1 --list "${names[@]}" "${skipped[@]}" | sed -n 's/: test$//p')
[ -n "$listed" ] || fail "no end-to-end test has such a name: ${names[*]}"
mapfile -t light < <(grep -v "$heavy" <<<"$listed" || true)
mapfile -t heavy < <(grep "$heavy" <<<"$listed" || true)
status=0
[ ${#light[@]} -eq 0 ] || cargo_test "$threads" --exact "${light[@]}" || status=$?
[ ${#heavy[@]} -eq 0 ] || cargo_test $((threads / 3)) --exact "${heavy[@]}" || status=$?
exit "$status"
