#!/usr/bin/env bash
# Builds the module that panics where a test wants it to: build/injected-faults/ngx_http_upstream_etcd_module.so.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target_folder=${CARGO_TARGET_DIR:-$project/target}
cargo build --locked -p ngx-http-upstream-etcd-module --features injected-faults
built=$target_folder/debug/libngx_http_upstream_etcd_module.so
install -D -m 644 "$built" build/injected-faults/ngx_http_upstream_etcd_module.so
# Whoever looks for the module there expects the one without.
rm "$built"
