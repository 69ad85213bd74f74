#!/usr/bin/env bash
# Records `make run` and two changes of the peers as a picture, docs/images/make-run.svg. What is
# built must be there already; PORT and ETCD_PORT are those of `make run`.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/run-picture.sh
. scripts/run-picture.sh

port=${PORT:-8080} etcd_port=${ETCD_PORT:-2379}
folder=$(mktemp -d "${TMPDIR:-/tmp}/record-run.XXXXXX")
output=$folder/output
started=

clean_up() {
    if [ -n "$started" ] && is_alive "$started"; then
        kill -TERM "$started"
        wait_until 30 is_gone "$started" || kill -KILL "$started"
    fi
    rm -rf "$folder"
}
trap clean_up EXIT

PORT=$port ETCD_PORT=$etcd_port scripts/run.sh >"$output" 2>&1 </dev/null &
started=$!
is_ready() { grep -q "Ctrl-C ends" "$output"; }
wait_until 60 is_ready || fail "make run is not ready" "$(cat "$output")"

# Changes of the peers, as its text suggests.
change() { etcdctl --endpoints="http://127.0.0.1:$etcd_port" "$@" >/dev/null; }
address=$(sed -n "s/.*node-3 '\([^ ]*\) weight=5'$/\1/p" "$output")
[ -n "$address" ] || fail "make run names no address of node-3"
logs() { [ "$(grep -c 'etcd: upstream' "$output")" -ge "$1" ]; }
change del /firehose/upstream/node-3
wait_until 10 logs 1 || fail "nginx does not log the removed node"
change put /firehose/upstream/node-3 "$address weight=5"
wait_until 10 logs 2 || fail "nginx does not log the node that is back"

# A terminal of as many columns as the longest line shown.
{
    say "\$ make run"
    shown_of_run <"$output"
} | fold -s -w 104 | awk '
    function escaped(text) {
        gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
        return text
    }
    { line[NR] = escaped($0) }
    END {
        height = 20 * NR + 40
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 %d\"", height
        print " role=\"img\" aria-label=\"make run in a terminal\">"
        printf "<rect width=\"900\" height=\"%d\" rx=\"8\" fill=\"#1d2229\"/>\n", height
        print "<g font-family=\"monospace\" font-size=\"14\" fill=\"#d5dbe3\"" \
            " xml:space=\"preserve\">"
        for (at = 1; at <= NR; at++) {
            color = line[at] ~ /^(\$ |==)/ ? " fill=\"#8fd18f\"" : ""
            if (line[at] ~ / notice | warn | error /) color = " fill=\"#7fb5e6\""
            if (line[at] != "")
                printf "<text x=\"20\" y=\"%d\"%s>%s</text>\n", 20 * at + 16, color, line[at]
        }
        print "</g>"
        print "</svg>"
    }' >"$folder/picture"
install -D -m 644 "$folder/picture" "$picture"
say "== recorded $picture"
