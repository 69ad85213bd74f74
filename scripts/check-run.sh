#!/usr/bin/env bash
# Tests `make run` as a newcomer meets it: every command that it prints works, what they are said to
# do happens, a taken port is named, and Ctrl-C leaves no process, port or directory behind. And
# docs/images/make-run.svg shows what it prints.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/run-picture.sh
. scripts/run-picture.sh

# A first `make run` builds.
ready_seconds=1800
end_seconds=30
folder=$(mktemp -d "${TMPDIR:-/tmp}/check-run.XXXXXX")
output=$folder/output
started=
sockets=()

passed=0
ok() {
    passed=$((passed + 1))
    say "ok - $1"
}

clean_up() {
    [ ${#sockets[@]} -eq 0 ] || kill -KILL "${sockets[@]}" 2>/dev/null || true
    # The whole group: make and the script that it runs, which ends its own children.
    if [ -n "$started" ] && is_alive "$started"; then
        kill -TERM -- "-$started" || true
        wait_until "$end_seconds" is_gone "$started" || kill -KILL -- "-$started" || true
    fi
    rm -rf "$folder"
}
trap clean_up EXIT

fail_with_output() {
    say "--- what 'make run' printed:"
    cat "$output"
    fail "$1"
}

# Below the range that the kernel gives to outgoing connections, so that nobody takes one by chance.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! port_is_taken "$port"; then
            say "$port"
            return
        fi
    done
    fail "no free port was found"
}

# Ids of all processes below this one.
descendants() {
    local status parent child
    for status in /proc/[0-9]*/status; do
        parent=$(sed -n 's/^PPid:[[:space:]]*//p' "$status" 2>/dev/null) || continue
        if [ "$parent" = "$1" ]; then
            child=${status//[^0-9]/}
            say "$child"
            descendants "$child"
        fi
    done
}

port=$(free_port) etcd_port=$(free_port)
until [ "$etcd_port" != "$port" ]; do etcd_port=$(free_port); done

# A script's background jobs ignore SIGINT, unlike what a terminal starts; and a group of its own,
# as a terminal gives.
env --default-signal=INT setsid make --no-print-directory run PORT="$port" ETCD_PORT="$etcd_port" \
    >"$output" 2>&1 </dev/null &
started=$!
is_ready_or_gone() { grep -q "Ctrl-C ends" "$output" || is_gone "$started"; }
wait_until "$ready_seconds" is_ready_or_gone ||
    fail_with_output "it was not ready within $ready_seconds s"
grep -q "Ctrl-C ends" "$output" || fail_with_output "it ended by itself"
ok "make run gets ready with the ports that it is given"

# The printed command that contains these words.
command_with() {
    sed -n 's/^    \(\(curl\|etcdctl\) .*\)/\1/p' "$output" | grep -m 1 -F -- "$1" ||
        fail_with_output "it prints no command with '$1'"
}
printed() { bash -c "$(command_with "$1")" 2>"$folder/errors"; }

nodes_that_answer() {
    for _ in $(seq 8); do
        printed /hello | tr -d '\r' | sed -n 's/^x-node: //Ip'
    done | sort -u | tr '\n' ' '
}
answering() { [ "$(nodes_that_answer)" = "$1" ]; }
expect_nodes() {
    wait_until 10 answering "$1" ||
        fail_with_output "answers: $(nodes_that_answer)instead of $1"
}
logged() { grep -q "$1" "$output"; }

expect_nodes "node-1 node-2 node-3 "
ok "each of the three nodes answers"

printed "put /firehose/upstream/node-4" >/dev/null
wait_until 10 logged '4 peers (+1 -0 ~0)' || fail_with_output "the added node is not printed"
expect_nodes "node-1 node-2 node-3 "
printed "del /firehose/upstream/node-4" >/dev/null
wait_until 10 logged '3 peers (+0 -1 ~0)' || fail_with_output "the removed node is not printed"
expect_nodes "node-1 node-2 node-3 "
ok "a node is added and removed"

# One at each node, as somebody who wants to see one stay would have to open some.
websocket_command=$(command_with /ws)
for number in 1 2 3; do
    setsid bash -c "exec $websocket_command" >"$folder/websocket-$number" 2>&1 </dev/null &
    sockets+=($!)
    # bash would tell of their end.
    disown "$!"
    # The next one goes to a node that has none.
    wait_until 10 grep -aqs 'node-[123]' "$folder/websocket-$number" ||
        fail_with_output "the WebSocket says no node's name"
done
names_said() { grep -aoh 'node-[123]' "$folder"/websocket-* | sort | uniq -c; }
[ "$(names_said | wc -l)" -eq 3 ] ||
    fail_with_output "the WebSockets are not at three nodes: $(names_said)"
grep -aq '101 Switching Protocols' "$folder/websocket-1" ||
    fail_with_output "no WebSocket was opened"
ok "WebSockets open and name their nodes"

printed "del /firehose/upstream/node-3" >/dev/null
expect_nodes "node-1 node-2 "
wait_until 10 logged '2 peers (+0 -1 ~0)' || fail_with_output "the change is not printed"
said_by_the_third() { names_said | awk '/node-3/ { print $1 }'; }
before=$(said_by_the_third)
said_more() { [ "$(said_by_the_third)" -gt "$((before + 1))" ]; }
wait_until 30 said_more || fail_with_output "the WebSocket at the deleted node is gone"
for socket in "${sockets[@]}"; do
    is_alive "$socket" || fail_with_output "a WebSocket was closed"
done
kill "${sockets[@]}"
sockets=()
ok "a deleted node answers no more, its WebSocket stays, and the change is printed"

printed "weight=5" >/dev/null
wait_until 10 logged '3 peers (+1 -0 ~0)' ||
    fail_with_output "the node that is put back is not printed"
expect_nodes "node-1 node-2 node-3 "
ok "a node that is put back answers again"

status_names() { printed /etcd | grep "$1" >/dev/null; }
is_deleted() { ! status_names not-a-peer; }
printed "put /firehose/upstream/not-a-peer" >/dev/null
wait_until 10 logged 'not-a-peer" rejected: ' ||
    fail_with_output "the refused value is not printed"
expect_nodes "node-1 node-2 node-3 "
ok "a value that is no peer is refused and changes nothing"

wait_until 10 status_names not-a-peer ||
    fail_with_output "the status does not name the rejected key"
wait_until 10 status_names '"rejected_total" *: *1' ||
    fail_with_output "the status does not count the refused value"
ok "the status answers"

printed "del /firehose/upstream/not-a-peer" >/dev/null
wait_until 10 is_deleted || fail_with_output "the status still names the deleted key"
ok "the key of the rejected value is deleted"

# Ports, times and numbers of peers are others; what is logged is in another order.
text_of_picture | numberless >"$folder/picture"
sed -n '/^== starting etcd/,$p' "$output" | shown_of_run | sed '/^$/d' | numberless >"$folder/text"
is_logged='^0:0:0 [a-z]* etcd: '
printed_first() { grep -v "$is_logged" "$folder/$1"; }
difference=$(diff <(printed_first picture) <(printed_first text)) ||
    fail "$picture differs from what make run prints: run scripts/record-run.sh" "$difference"
grep "$is_logged" "$folder/picture" | sort -u >"$folder/logged"
[ -s "$folder/logged" ] || fail "$picture shows no change of the peers"
while IFS= read -r line; do
    grep -qxF -e "$line" "$folder/text" ||
        fail "$picture shows what make run does not print: run scripts/record-run.sh" "$line"
done <"$folder/logged"
ok "the picture shows what it prints"

for variable in PORT ETCD_PORT; do
    taken=$port
    [ "$variable" = PORT ] || taken=$etcd_port
    if make --no-print-directory run \
        PORT="$(free_port)" ETCD_PORT="$(free_port)" "$variable=$taken" \
        >"$folder/refused" 2>&1 </dev/null; then
        fail "a second one started on the taken port $taken"
    fi
    other=PORT
    [ "$variable" = ETCD_PORT ] || other=ETCD_PORT
    for words in "port $taken, .* is taken" "make run $variable=[0-9]* $other=[0-9]"; do
        grep -q "$words" "$folder/refused" ||
            fail "a taken port is not named: $(cat "$folder/refused")"
    done
done
ok "a taken port is named, with the variable to set, and the other one kept"

mapfile -t processes < <(descendants "$started")
[ "${#processes[@]}" -ge 8 ] ||
    fail_with_output "etcd, three nodes, nginx and its workers are not all there"
kept=$(sed -n 's/^Logs and configuration are in \([^ ]*\)\. .*/\1/p' "$output")
[ -d "$kept" ] || fail_with_output "it names no directory"
kill -INT -- "-$started"
wait_until "$end_seconds" is_gone "$started" ||
    fail_with_output "it does not end within $end_seconds s of Ctrl-C"
for process in "${processes[@]}"; do
    wait_until 5 is_gone "$process" ||
        fail_with_output "still there: $(tr '\0' ' ' <"/proc/$process/cmdline" || say "$process")"
done
started=
[ ! -e "$kept" ] || fail_with_output "$kept is still there"
! port_is_taken "$port" || fail_with_output "port $port is still taken"
! port_is_taken "$etcd_port" || fail_with_output "port $etcd_port is still taken"
ok "Ctrl-C leaves no process, port or directory behind"

say "$passed passed, 0 failed"
