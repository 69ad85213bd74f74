#!/usr/bin/env bash
# Builds the module that panics where a test wants it to:
# build/injected-faults/ngx_http_upstream_etcd_module.so. With the argument `demo` in the profile of
# that name, as `make test` does.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target_folder=${CARGO_TARGET_DIR:-$project/target}
what=(-p ngx-http-upstream-etcd-module) folder=debug
if [ "${1:-}" = demo ]; then
    # As scripts/build-demo.sh builds all else that is tested.
    what=(--profile demo --workspace --lib --bins --tests) folder=demo
fi
cargo build --locked "${what[@]}" --features ngx-http-upstream-etcd-module/injected-faults
built=$target_folder/$folder/libngx_http_upstream_etcd_module.so
install -D -m 644 "$built" build/injected-faults/ngx_http_upstream_etcd_module.so
# Whoever looks for the module there expects the one without.
rm "$built"
