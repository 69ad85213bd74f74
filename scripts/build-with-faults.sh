#!/usr/bin/env bash
# Builds the module that panics where a test wants it to:
# build/injected-faults/ngx_http_upstream_etcd_module.so. With the argument `demo` in the profile of
# that name, as `make test` does. FAULTS_DIRECTORY names another directory.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

target_folder=${CARGO_TARGET_DIR:-$project/target}
directory=${FAULTS_DIRECTORY:-build/injected-faults}
module=$directory/ngx_http_upstream_etcd_module.so
# What it was built with, beside the sources.
stamp=$directory/built-with
what=(-p ngx-http-upstream-etcd-module) folder=debug
if [ "${1:-}" = demo ]; then
    # As scripts/build-demo.sh builds all else that is tested.
    what=(--profile demo --workspace --lib --bins --tests) folder=demo
fi

# Both modules have one place in cargo's directory: it would compile both in each run.
sources=(Cargo.toml Cargo.lock build.rs src crates)
for nginx in "${NGINX_BUILD_DIR:-}" "${NGINX_SOURCE_DIR:-}"; do
    [ -z "$nginx" ] || sources+=("$nginx")
done
with=$(rustc -vV && printf '%s\n' "${what[*]}" "${sources[*]}" "${RUSTFLAGS:-}")
if [ -e "$module" ] && [ "$with" = "$(cat "$stamp" 2>/dev/null)" ] &&
    [ -z "$(find "${sources[@]}" -newer "$stamp" -print -quit)" ]; then
    say "$module is up to date"
    exit
fi

begun=$(mktemp)
trap 'rm -f "$begun"' EXIT
cargo build --locked "${what[@]}" --features ngx-http-upstream-etcd-module/injected-faults
built=$target_folder/$folder/libngx_http_upstream_etcd_module.so
install -D -m 644 "$built" "$module"
# Whoever looks for the module there expects the one without.
rm "$built"
say "$with" >"$stamp"
# What is changed while it is built is newer.
touch -r "$begun" "$stamp"
