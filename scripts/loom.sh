#!/usr/bin/env bash
# Checks the protocols over shared memory in every interleaving that loom finds within a bound on
# preemptions.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# With 3 of them the checks end within seconds; the faults that such protocols are known for need
# one or two.
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom"
# Other flags, other results: they would push those of every other build out of the common
# directory.
export CARGO_TARGET_DIR=build/loom
# loom needs optimization to be quick, but not the module's.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

echo "== loom, up to $LOOM_MAX_PREEMPTIONS preemptions"
cargo test --locked --release -p peer-zone -p live-value -p change-history -p live-map --test loom
