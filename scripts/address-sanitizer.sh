#!/usr/bin/env bash
# Runs the end-to-end tests with the module built for AddressSanitizer, in the stock nginx.
# Arguments choose tests, as for scripts/end-to-end.sh; without any these are all that do not
# measure what AddressSanitizer itself costs. Whatever the sanitizer has to say is a failure.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# nginx itself is not built for it, so the runtime has to be there before nginx is: gcc's, which
# fits the compiler's (both have version 8 of its interface).
runtime=$(gcc -print-file-name=libasan.so)
[ -f "$runtime" ] || fail "there is no libasan.so" "it comes with gcc (Debian: libgcc-12-dev)"
runtime=$(realpath "$runtime")

folder=$project/build/address-sanitizer
mkdir -p "$folder"
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# Workers write there, too, who are another user.
chmod 777 "$reports"

target=$(rustc -vV | sed -n 's/^host: //p')
target_folder=${CARGO_TARGET_DIR:-$project/target}/address-sanitizer
# A sanitizer is a flag that only a nightly compiler knows; RUSTC_BOOTSTRAP makes the stable one
# take it. With a target named, the flags are not for build scripts and macros.
RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target_folder \
    RUSTFLAGS="-Zsanitizer=address -Zexternal-clangrt -Cunsafe-allow-abi-mismatch=sanitizer" \
    cargo build --locked --target "$target" -p ngx-http-upstream-etcd-module \
    --features injected-faults
module=$target_folder/$target/debug/libngx_http_upstream_etcd_module.so

# All of it would pass with a module that nobody looks into.
nm -D --undefined-only "$module" | grep __asan_report_load8 >/dev/null ||
    fail "the module was not built for AddressSanitizer"

# nginx frees little as it ends, which is no fault: no leaks are looked for.
cat >"$folder/nginx" <<EOF
#!/bin/sh
export LD_PRELOAD=$runtime
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:handle_segv=1:log_path=$reports/report
exec ${NGINX:-$(command -v nginx)} "\$@"
EOF
chmod 755 "$folder/nginx"

if [ $# -eq 0 ]; then
    # Memory, and the time of an event loop. A binary that replaces another one starts without the
    # runtime: nginx keeps no variables of the environment for it.
    set -- --skip memory:: --skip many:: --skip hundred_thousand:: --skip another_binary
fi

status=0
NGINX=$folder/nginx ETCD_MODULE=$module ETCD_MODULE_WITH_FAULTS=$module \
    scripts/end-to-end.sh "$@" || status=$?
for report in "$reports"/*; do
    [ -e "$report" ] || continue
    cat "$report"
    status=1
done
[ "$status" -eq 0 ] || fail "a test has failed, or AddressSanitizer has found something: see above"
