#!/usr/bin/env bash
# Lists each link of the documentation to another site, with the status that the site answers and
# the places of the link. Fails if an answer is not 200, or a page has no such anchor. It needs the
# Internet, and is no part of `make test`.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# How long a site may take, in all.
answer_seconds=30
folder=$(mktemp -d "${TMPDIR:-/tmp}/check-links.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# Each link with its place: "https://nginx.org/ docs/README.md:12". Examples in blocks are none.
awk '
    FNR == 1 { is_fenced = 0 }
    /^ *```/ { is_fenced = !is_fenced }
    is_fenced { next }
    {
        rest = $0
        while (match(rest, /(\]\(|\]: *|<)https?:\/\/[^)> ]*/)) {
            link = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            sub(/^[^h]*/, "", link)
            print link, FILENAME ":" FNR
        }
    }
' ./*.md docs/*.md docs/*/*.md | sed 's| \./| |' | sort -u >"$folder/places"
cut -d' ' -f1 "$folder/places" | sort -u >"$folder/links"
[ -s "$folder/links" ] || fail "no link to another site was found"

# ask LINK: its status, "anchor" if the page lacks the link's anchor, or 000 if nobody answers.
ask() {
    local link=$1 page status anchor
    page=$(mktemp "$folder/page.XXXXXX")
    status=$(curl --silent --location --retry 2 --max-time "$answer_seconds" --output "$page" \
        --write-out '%{http_code}' -- "${link%%#*}") || true
    anchor=${link#"${link%%#*}"}
    if [ "$status" = 200 ] && [ -n "$anchor" ] &&
        ! grep -qE "(id|name)=[\"']?(user-content-)?${anchor#\#}[\"' >]" "$page"; then
        status=anchor
    fi
    rm -f "$page"
    say "$status $link"
}
export -f ask say
export folder answer_seconds
# shellcheck disable=SC2016  # of the other shell
xargs -P 8 -I '{}' bash -c 'ask "$1"' bash '{}' <"$folder/links" | sort -k2 >"$folder/answers"

wrong=0
while read -r status link; do
    [ "$status" = 200 ] || wrong=$((wrong + 1))
    say "$status $link"
    awk -v link="$link" '$1 == link { print "       " $2 }' "$folder/places"
done <"$folder/answers"
count=$(wc -l <"$folder/answers")
[ "$wrong" -eq 0 ] || fail "$wrong of $count links are not answered with status 200"
say "== all $count links to other sites are answered"
