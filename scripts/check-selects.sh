#!/usr/bin/env bash
# A `select!` drops what its other branches had under way. Each says in a comment, beginning with
# "Cancel safe:", why it may: one that says nothing is an error.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Some have a line of their own before the comment, such as "biased;".
files=$(find benches crates fuzz src tests -name target -prune -o -name '*.rs' -print)
# shellcheck disable=SC2086 # no file of ours has a space in its name
silent=$(awk '
    FNR == 1 && at { print where; at = 0 }
    /^[[:space:]]*\/\// { if (at && /Cancel safe:/) at = 0; next }
    at && FNR - at > 4 { print where; at = 0 }
    /select![[:space:]]*[{(]/ { if (at) print where; at = FNR; where = FILENAME ":" FNR }
    END { if (at) print where }
' $files)
if [ -n "$silent" ]; then
    say "$silent" >&2
    fail "a select! does not say why its branches may be dropped" \
        'write it in its first lines: // Cancel safe: ...'
fi
say "each select! says why its branches may be dropped"
