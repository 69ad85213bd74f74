#!/usr/bin/env bash
# Measures the module beside nginx with reloads, HAProxy, Envoy and Caddy, and prints a table in
# Markdown; with QUICK=1 for less long. What cannot be installed is skipped, and the table says so.
# `make bench-peers` builds what this runs.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

project=$(cd "$neighbours/../.." && pwd)
benchmarks=${BENCHMARKS:-${CARGO_TARGET_DIR:-$project/target}/release/benchmarks}
# Debian keeps nginx in a directory that is not in an ordinary user's PATH. The module needs the
# nginx that it was built for.
PATH=$PATH:/usr/local/sbin:/usr/sbin
NGINX=${NGINX:-$(command -v nginx)}
export NGINX

for program in haproxy envoy caddy; do
    variable=${program^^}
    need "$program" || :
    [ -x "${!variable}" ] || export "$variable="
done
PARTS=neighbours "$benchmarks"
