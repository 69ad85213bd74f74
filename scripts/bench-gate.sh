#!/usr/bin/env bash
# Counts the module's own instructions for a request and for a change, with the module of
# build/demo, and fails if a figure of a request is more than 1.01 of benches/baseline.json, one of
# a change more than 1.03, or one of a method that draws more than 1.05. With WRITE_BASELINE=1 what
# is counted becomes the baseline.
# `scripts/build-demo.sh test` comes first.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

demo=$project/build/demo/ngx_http_upstream_etcd_module.so
if [ "${ETCD_MODULE:-$demo}" != "$demo" ]; then
    say "skipped: the baseline is of $demo, not of $ETCD_MODULE"
    exit
fi
ETCD_MODULE=$demo PARTS=gate exec "${CARGO_TARGET_DIR:-$project/target}/demo/benchmarks"
