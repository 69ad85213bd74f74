#!/usr/bin/env bash
# `COMMAND | grep -q WORD` fails by chance with pipefail: grep ends at the first line that it finds,
# and what COMMAND writes after that ends COMMAND with SIGPIPE. No script has such a pipe.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# shellcheck disable=SC2016 # $0 is awk's
found=$(git ls-files -z '*.sh' .ci/run config | xargs -0 awk '
    FNR == 1 { piped = 0 }
    /^[[:space:]]*#/ { next }
    /(^|[^|])\|[[:space:]]*grep[[:space:]]+(-[^[:space:]]+[[:space:]]+)*-[a-zA-Z]*q/ ||
        (piped && /^[[:space:]]*grep[[:space:]]+(-[^[:space:]]+[[:space:]]+)*-[a-zA-Z]*q/) {
        print FILENAME ":" FNR ": " $0
    }
    { piped = /(^|[^|])\|[[:space:]]*\\?$/ }
')
if [ -n "$found" ]; then
    say "$found" >&2
    fail "a pipe into grep -q fails by chance" "write: | grep WORD >/dev/null"
fi
say "no pipe ends in grep -q"
