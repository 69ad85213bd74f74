#!/usr/bin/env bash
# Checks that no line of what git tracks has more than 100 columns: characters, not bytes. Data is
# not looked at: Cargo.lock, the fuzzer's inputs, lists of messages, completions, manual pages,
# pictures, and JSON.
#
# Three kinds of lines may be longer. A row of a Markdown table has to be one line. A fenced line of
# Markdown is an example, and may be what a program prints. What is one word cannot be broken, such
# as a URL; marks before it (of a comment, a list or a quotation) do not count.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

most=100
too_long="^.{$((most + 1)),}$"
# In any other locale a character could be several columns.
export LC_ALL=C.UTF-8

# Lines of Markdown that are neither fenced nor of a table; others are empty in their place.
prose() { awk '/^ *```/ { fenced = !fenced } { print (fenced || /^ *\|/ ? "" : $0) }' "$1"; }

# Where nothing is tracked nothing would be found.
git ls-files --error-unmatch Makefile >/dev/null || fail "git does not track the files here"
wrong=0
while IFS= read -r -d '' file; do
    case $file in
    Cargo.lock | */Cargo.lock | fuzz/corpus/* | tests/*/messages.txt) continue ;;
    completions/* | man/* | *.png | *.svg | *.json) continue ;;
    *.md) text=$(prose "$file") ;;
    *) text=$(<"$file") ;;
    esac
    while IFS= read -r found; do
        line=${found#*:}
        say "$file:${found%%:*}: ${#line} columns" >&2
        wrong=$((wrong + 1))
    done < <(grep -nE "$too_long" <<<"$text" |
        grep -vE '^[0-9]+:[[:space:]]*([^[:alnum:][:space:]]+[[:space:]]+)*[^[:space:]]+$')
done < <(git ls-files -z | xargs -0 grep -lZE "$too_long")
[ "$wrong" -eq 0 ] ||
    fail "$wrong lines have more than $most columns" "break them as their language allows"
say "no line has more than $most columns"
