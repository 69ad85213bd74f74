#!/usr/bin/env bash
# Builds what the demonstration runs (argument `run`) in Cargo.toml's profile "demo" into
# build/demo: the module, and the node; or what the tests run (`test`): both, the program, and the
# tests; or of the tests only those from end to end (`end-to-end`). What tests ask for of a crate,
# such as a clock that can be stopped, is then in all of them, so that nothing is compiled twice.
# DEMO_DIRECTORY names another directory than build/demo.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# For a `make run` that is a test: with other features its module would push the one of the tests
# out of cargo's directory, and both would be compiled anew each time.
[ "${1:-}" != run ] || [ -z "${RUN_AS_TESTED:-}" ] || set -- test

case ${1:-} in
run)
    what=(-p ngx-http-upstream-etcd-module -p firehose-router -p demo-node --lib --bin demo-node)
    ;;
test) what=(--workspace --lib --bins --tests) ;;
end-to-end) what=(--workspace --lib --bins --test end_to_end) ;;
*) fail "usage: $0 run|test|end-to-end" ;;
esac
built=${CARGO_TARGET_DIR:-$project/target}/demo
demo=${DEMO_DIRECTORY:-build/demo}

cargo build --locked --profile demo "${what[@]}"
# What runs has the old file mapped: a new one takes its place.
install -D -m 644 "$built/libngx_http_upstream_etcd_module.so" \
    "$demo/ngx_http_upstream_etcd_module.so"
install -D -m 755 "$built/demo-node" "$demo/demo-node"
[ "$1" = run ] || install -D -m 755 "$built/firehose-router" "$demo/firehose-router"
