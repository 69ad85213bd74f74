#!/usr/bin/env bash
# Runs the tests of the shared memory under AddressSanitizer, ThreadSanitizer and, where it is to be
# had, Miri.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Sanitizers are flags that only a nightly compiler knows; this makes the stable one take them.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=build/sanitizers
# With a target named, the flags are not for build scripts and macros.
target="$(rustc -vV | sed -n 's/^host: //p')"
packages=(-p peer-zone)
# As the profile `demo` has it for these crates: most of the time goes by in their loops.
export CARGO_PROFILE_DEV_OPT_LEVEL=1
# A sanitizer makes each step several times as long; the random tests find as much in fewer cases.
export PROPTEST_CASES="${PROPTEST_CASES:-50}"

# test_under SANITIZER ARGUMENTS: cargo test under it.
test_under() {
    if ! has_sanitizer "$1"; then
        say "skipped: this Rust toolchain has no $1-sanitizer runtime (rustup's has)"
        return
    fi
    # The standard library is not built with the sanitizer, which the compiler wants to be told is
    # meant.
    RUSTFLAGS="-Zsanitizer=$1 -Cunsafe-allow-abi-mismatch=sanitizer" \
        cargo test --locked --target "$target" "${packages[@]}" "${@:2}"
}

echo "== AddressSanitizer"
# Of ten thousand peers it would learn no more than of ten.
test_under address --lib --test zone -- --skip ten_thousand

echo "== ThreadSanitizer"
export TSAN_OPTIONS="suppressions=$project/scripts/thread-sanitizer.supp"
# Only where there are threads there is something to see.
test_under thread --test zone -- stress:: limits:: health::each_departure

echo "== Miri"
if cargo miri --version >/dev/null 2>&1; then
    CARGO_TARGET_DIR=build/miri MIRIFLAGS="-Zmiri-disable-isolation" \
        cargo miri test --locked "${packages[@]}" --lib
else
    echo "skipped: this toolchain has no Miri"
fi
