#!/usr/bin/env bash
# Lets the fuzzer look for inputs that break something, for FUZZ_SECONDS (20) with each target in
# fuzz/fuzz_targets, or with those named. SANITIZER=address has AddressSanitizer look as well, and
# takes twice as long to build.
#
#     scripts/fuzz.sh [TARGET...]
#
# By cargo alone, with the flags of cargo-fuzz: to install that takes as long as to build the
# targets. What is found is written to fuzz/artifacts/TARGET.
#
# FUZZ_SEED (1) is what its random numbers begin with, so that one run looks where the last one did:
# what is found is found by who has changed something. 0: other ones each time.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(basename -s .rs -a fuzz/fuzz_targets/*.rs)
for name in "${names[@]}"; do
    [ -e "fuzz/fuzz_targets/$name.rs" ] || fail "no such target: $name" "usage: $0 [TARGET...]"
done

target=$(rustc -vV | sed -n 's/^host: //p')
# The instrumentation that libFuzzer reads: counters of edges, and what is compared.
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
case ${SANITIZER:-none} in
none) ;;
address)
    has_sanitizer address || fail "this Rust toolchain has no AddressSanitizer (rustup's has)"
    flags+=" -Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer"
    ;;
*) fail "SANITIZER is $SANITIZER: it can be address or none" ;;
esac

# RUSTC_BOOTSTRAP: a sanitizer is a flag that only a nightly compiler knows. With a target named,
# the flags are not for build scripts and macros.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$project/target}/fuzz
RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags \
    cargo build --locked --release --manifest-path fuzz/Cargo.toml --target "$target" --bins

for name in "${names[@]}"; do
    say "-- $name"
    # What the fuzzer finds goes to the first directory; the second one's files are the project's.
    mkdir -p "build/fuzz-corpus/$name" "fuzz/artifacts/$name"
    "$CARGO_TARGET_DIR/$target/release/$name" "-artifact_prefix=fuzz/artifacts/$name/" \
        "-max_total_time=${FUZZ_SECONDS:-20}" "-seed=${FUZZ_SEED:-1}" -verbosity=0 \
        "build/fuzz-corpus/$name" "fuzz/corpus/$name"
done
