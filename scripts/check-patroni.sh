#!/usr/bin/env bash
# Two members of Patroni's with their PostgreSQL, an etcd, and nginx, whose peers are the members
# with the role primary: after a switchover, the other one is the only peer within two seconds of
# Patroni's write. It installs packages: run it in scripts/bare.sh, with the module as its standard
# input.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Until everything runs, and until a role changes.
start_seconds=120
switch_seconds=90
# From Patroni's write to the status.
most_milliseconds=2000

folder=$(mktemp -d)
started=()

clean_up() {
    local pid
    for pid in "${started[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait_until 30 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap clean_up EXIT

cat >"$folder/module.so"
say "== installing Patroni, PostgreSQL, etcd and nginx"
printf '#!/bin/sh\nexit 101\n' | sudo tee /usr/sbin/policy-rc.d >/dev/null
sudo chmod 755 /usr/sbin/policy-rc.d
sudo apt-get update -qq
# Postgres makes a cluster of its own otherwise.
sudo mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' | sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    curl etcd-client etcd-server jq nginx patroni postgresql >/dev/null
programs=$(dirname "$(find /usr/lib/postgresql -name initdb)")
export ETCDCTL_API=3

# A port that nothing listens on just now.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)) && port_is_taken "$port"; do :; done
    echo "$port"
}

etcd=$(free_port) nginx=$(free_port)
declare -A postgres=([pg1]=$(free_port) [pg2]=$(free_port))
declare -A api=([pg1]=$(free_port) [pg2]=$(free_port))
etcd --data-dir "$folder/etcd" --listen-client-urls "http://127.0.0.1:$etcd" \
    --advertise-client-urls "http://127.0.0.1:$etcd" \
    --listen-peer-urls "http://127.0.0.1:$(free_port)" >"$folder/etcd.log" 2>&1 &
started+=($!)

start_member() {
    cat >"$folder/$1.yml" <<END
scope: demo
name: $1
restapi: { listen: "127.0.0.1:${api[$1]}", connect_address: "127.0.0.1:${api[$1]}" }
etcd3: { host: "127.0.0.1:$etcd" }
bootstrap:
  dcs: { ttl: 20, loop_wait: 2, retry_timeout: 5 }
  initdb: [ { encoding: UTF8 }, data-checksums ]
postgresql:
  listen: 127.0.0.1:${postgres[$1]}
  connect_address: 127.0.0.1:${postgres[$1]}
  data_dir: $folder/$1
  bin_dir: $programs
  parameters: { unix_socket_directories: "$folder" }
  pg_hba: [ "host all all 127.0.0.1/32 md5", "host replication all 127.0.0.1/32 md5" ]
  authentication:
    superuser: { username: postgres, password: of-this-test }
    replication: { username: replicator, password: of-this-test }
END
    patroni "$folder/$1.yml" >"$folder/$1.log" 2>&1 &
    started+=($!)
}

cat >"$folder/nginx.conf" <<END
load_module $folder/module.so;
daemon off;
pid $folder/nginx.pid;
error_log $folder/nginx.log notice;
events {}
http {
    access_log off;
    client_body_temp_path $folder/t; proxy_temp_path $folder/t; fastcgi_temp_path $folder/t;
    uwsgi_temp_path $folder/t; scgi_temp_path $folder/t;
    etcd_cluster main { endpoint http://127.0.0.1:$etcd; }
    upstream primary { etcd main /service/demo/members/; etcd_select role=primary; }
    upstream replicas { etcd main /service/demo/members/; etcd_select role=replica; }
    server {
        listen 127.0.0.1:$nginx;
        location / { proxy_pass http://primary; }
        location /replicas { proxy_pass http://replicas; }
        location = /etcd { etcd_status; }
    }
}
END
nginx -e "$folder/nginx.log" -c "$folder/nginx.conf" >"$folder/nginx.out" 2>&1 &
started+=($!)

# The names of the peers in service of an upstream.
peers() {
    curl -s -m 5 "http://127.0.0.1:$nginx/etcd" |
        jq -r ".upstreams.$1.peers[] | select(.state == \"up\") | .key" | paste -sd ' '
}
peers_are() { [ "$(peers primary)" = "$1" ] && [ "$(peers replicas)" = "$2" ]; }
# Whether Patroni has written that this member is the primary.
is_written_primary() {
    etcdctl --endpoints "http://127.0.0.1:$etcd" get --print-value-only \
        "/service/demo/members/$1" 2>/dev/null | jq -e '.role == "primary" or .role == "master"' \
        >/dev/null
}
milliseconds() { date +%s%3N; }

say "== starting two members"
start_member pg1
wait_until "$start_seconds" peers_are pg1 '' ||
    fail "the first member is not the primary" "$(tail -n 5 "$folder"/*.log)"
start_member pg2
wait_until "$start_seconds" peers_are pg1 pg2 ||
    fail "the second member is no replica" "$(tail -n 5 "$folder"/*.log)"

say "== switching over"
patronictl -c "$folder/pg1.yml" switchover --leader pg1 --candidate pg2 --force \
    >"$folder/switchover.log" 2>&1 &
started+=($!)
wait_until "$switch_seconds" is_written_primary pg2 ||
    fail "Patroni has not switched over" "$(tail -n 5 "$folder"/*.log)"
written=$(milliseconds)
is_primary_pg2() { [ "$(peers primary)" = pg2 ]; }
wait_until "$switch_seconds" is_primary_pg2 ||
    fail "the peer is $(peers primary)" "$(tail -n 5 "$folder/nginx.log")"
took=$(($(milliseconds) - written))
[ "$took" -le "$most_milliseconds" ] ||
    fail "the peer changed $took ms after Patroni's write, and not within $most_milliseconds ms"
wait_until "$switch_seconds" peers_are pg2 pg1 ||
    fail "the peers are $(peers primary) and $(peers replicas)"
grep -oE 'etcd: upstream "(primary|replicas)": .*revision [0-9]+' "$folder/nginx.log"
say "== the peers have followed the switchover, at most $took ms after Patroni's write"
