#!/usr/bin/env bash
# Shows what the module does: an etcd of its own, three nodes and nginx with two workers, all on the
# loopback interface, until Ctrl-C. PORT (8080) is nginx's port, ETCD_PORT (2379) etcd's; the nodes
# take free ones. What is built must be there already: `make run` sees to that.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

port=${PORT:-8080} etcd_port=${ETCD_PORT:-2379}
nginx=${NGINX:-nginx}
module=$project/build/demo/ngx_http_upstream_etcd_module.so node=build/demo/demo-node
etcd_url=http://127.0.0.1:$etcd_port
url=http://127.0.0.1:$port
prefix=/firehose/upstream/
# Far more than each start takes on a slow machine.
start_seconds=30
# What a process has, once told to end, before it is killed.
stop_seconds=5

scripts/check-ports.sh
for file in "$module" "$node"; do
    [ -e "$file" ] || fail "$file does not exist" "'make run' builds it and runs this script"
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/firehose-router.XXXXXX")
# nginx's workers are another user where its master is root, and keep request bodies below this
# directory.
chmod 755 "$folder"
mkdir "$folder/logs"

names=() # in the order of their start
declare -A pid_of log_of
follower= # the process that prints what the module logs

# start NAME COMMAND...: in a session of its own, so that Ctrl-C reaches this script alone and it
# ends the others in their order; told to end by the kernel should this script be killed.
start() {
    local name=$1
    shift
    names+=("$name")
    log_of[$name]=$folder/logs/$name.log
    setsid setpriv --pdeathsig TERM -- "$@" >"${log_of[$name]}" 2>&1 </dev/null &
    pid_of[$name]=$!
    # bash would announce an end that is told of below.
    disown "$!"
}

stop_all() {
    local index name pid
    trap '' INT TERM HUP
    trap - EXIT
    for ((index = ${#names[@]} - 1; index >= 0; index--)); do
        name=${names[index]} pid=${pid_of[${names[index]}]}
        is_alive "$pid" || continue
        kill -TERM "$pid" 2>/dev/null || continue
        if ! wait_until "$stop_seconds" is_gone "$pid"; then
            say "$name did not stop within $stop_seconds s: killed"
            kill -KILL "$pid" 2>/dev/null || continue
        fi
    done
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || true
    rm -rf "$folder"
}

finish() {
    say ""
    say "== stopping nginx, the nodes and etcd"
    stop_all
    say "== stopped, and removed $folder"
    exit 0
}

# What went wrong in NAME, with the end of its log; then the end of everything.
give_up() {
    local name=$1 what=$2
    {
        printf 'error: %s %s; the last lines of its log:\n' "$name" "$what"
        tail -n 15 "${log_of[$name]}" | sed 's/^/    /'
    } >&2
    exit 1
}

trap stop_all EXIT
trap finish INT TERM HUP

# wait_for NAME WHAT COMMAND...: until the command succeeds, for as long as NAME lives.
wait_for() {
    local name=$1 what=$2
    shift 2
    local deadline=$((SECONDS + start_seconds))
    until "$@"; do
        is_alive "${pid_of[$name]}" || give_up "$name" "exited"
        [ "$SECONDS" -lt "$deadline" ] || give_up "$name" "$what within $start_seconds s"
        sleep 0.1
    done
}

websocket="-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13'"
websocket+=" -H 'Sec-WebSocket-Key: ZmlyZWhvc2Utcm91dGVyIQ=='"

answers() { curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$1"; }
node_address() { grep -m 1 -oE '127\.0\.0\.1:[0-9]+' "${log_of[$1]}" 2>/dev/null; }
has_address() { node_address "$1" >/dev/null; }
# jq is not on every machine, and the status has one "state" per peer.
peers_up() {
    curl --silent --noproxy '*' --max-time 2 "$url/etcd" | grep -oE '"state" *: *"up"' | wc -l
}
three_peers_are_up() { [ "$(peers_up)" -eq 3 ]; }

say "== starting etcd on port $etcd_port"
# Port 0 takes a free one: etcd insists on a URL for other members, and has none.
start etcd etcd --name demo --data-dir "$folder/etcd" \
    --listen-client-urls "$etcd_url" --advertise-client-urls "$etcd_url" \
    --listen-peer-urls http://127.0.0.1:0 --initial-advertise-peer-urls http://127.0.0.1:0 \
    --initial-cluster demo=http://127.0.0.1:0
wait_for etcd "does not answer" answers "$etcd_url/health"

say "== starting three nodes"
for name in node-1 node-2 node-3; do
    start "$name" "$node" --listen 127.0.0.1:0 --name "$name" --repeat 5
done
for name in node-1 node-2 node-3; do
    wait_for "$name" "does not print its address" has_address "$name"
done

say "== starting nginx on port $port, with nginx-conf/firehose.conf except for ports, directories" \
    "and workers"
sed -e "s|^load_module .*|load_module \"$module\";|" \
    -e "s|^worker_processes .*|worker_processes 2;|" \
    -e "s|^pid .*|pid $folder/nginx.pid;|" \
    -e "s|/var/log/nginx/|$folder/logs/|" \
    -e "s|listen 8080;|listen 127.0.0.1:$port;|" \
    -e "s|endpoint .*;|endpoint $etcd_url;|" \
    -e "/^http {/r /dev/stdin" \
    nginx-conf/firehose.conf >"$folder/nginx.conf" <<END
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
END
# Only root can be another user; nginx would say so at each start.
[ "$(id -u)" -eq 0 ] || sed -i '/^user /d' "$folder/nginx.conf"
touch "$folder/logs/error.log"
start nginx env -u NGINX "$nginx" -p "$folder/" -c "$folder/nginx.conf" \
    -e "$folder/logs/error.log" -g 'daemon off;'
log_of[nginx]=$folder/logs/error.log
wait_for nginx "does not answer" answers "$url/nginx-healthcheck"

say "== registering the nodes: one key for each below $prefix"
for name in node-1 node-2 node-3; do
    etcdctl --endpoints="$etcd_url" put "$prefix$name" "$(node_address "$name")" >/dev/null
done
wait_for nginx "does not serve the three nodes" three_peers_are_up

cat <<END

nginx at $url takes its peers from etcd at $etcd_url. Commands to try in another terminal:

  Send a request. Repeat it: the nodes answer in turn (header X-Node):
    curl -i $url/hello

  Add a node. The new key node-4 has the address of node-1, so node-1 answers for both:
    etcdctl --endpoints=$etcd_url put ${prefix}node-4 $(node_address node-1)

  Remove node-4:
    etcdctl --endpoints=$etcd_url del ${prefix}node-4

  Open a WebSocket, in a third terminal. The node sends its name at once, and then every 5 s, \
until you press Ctrl-C there:
    curl -isN --http1.1 --max-time 3600 $websocket $url/ws

  Remove node-3. It gets no more requests, but WebSockets that are open to it stay open:
    etcdctl --endpoints=$etcd_url del ${prefix}node-3

  Put node-3 back, with five times the weight of the others (without weight=5, it is as before):
    etcdctl --endpoints=$etcd_url put ${prefix}node-3 '$(node_address node-3) weight=5'

  Write a value without an address. nginx logs and rejects it, and the other nodes stay:
    etcdctl --endpoints=$etcd_url put ${prefix}not-a-peer 'no address'

  Delete this key:
    etcdctl --endpoints=$etcd_url del ${prefix}not-a-peer

  Show the status of the peers:
    curl -s $url/etcd

Logs and configuration are in $folder. Messages of the module follow here. Ctrl-C ends everything.

END

# What the module says of each change. tail ends with this script, and sed with tail.
tail --pid=$$ -n 0 -F "$folder/logs/error.log" 2>/dev/null \
    > >(sed -unE 's/^[^ ]+ ([^ ]+) \[([a-z]+)\] .*(etcd: .*)/\1 \2 \3/p') &
follower=$!

# make does not pass SIGINT on: sent to make alone, it is seen only by make's handler being gone
# afterwards.
catches_interrupt() { (((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status") & 0x2) != 0)); }
starter=$PPID
starter_is_make=false
if [ "$(cat "/proc/$starter/comm")" = make ] && catches_interrupt "$starter"; then
    starter_is_make=true
fi
while :; do
    sleep 0.5 &
    wait $! || true
    for name in "${names[@]}"; do
        is_alive "${pid_of[$name]}" || give_up "$name" "exited unexpectedly"
    done
    if $starter_is_make && ! { [ -e "/proc/$starter" ] && catches_interrupt "$starter"; }; then
        finish
    fi
done
