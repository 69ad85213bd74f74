#!/usr/bin/env bash
# What routers cost etcd: starts one with ROUTERS (20) of `firehose-router serve`, each with one
# worker, and prints the share of a processor that etcd takes while nothing changes, and while
# CHANGES (200) nodes change, one after the other. All of it on the loopback interface.
# `make release` comes first.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

routers=${ROUTERS:-20} changes=${CHANGES:-200} seconds=${SECONDS_IDLE:-20}
etcd_port=${ETCD_PORT:-23790} first_port=${FIRST_PORT:-18100}
program=$project/build/firehose-router module=$project/build/ngx_http_upstream_etcd_module.so
for file in "$program" "$module"; do
    [ -e "$file" ] || fail "$file is not there yet" "'make release' builds it"
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/firehose-router-measure.XXXXXX")
chmod 755 "$folder"
pids=()
end() {
    kill "${pids[@]}" 2>/dev/null || :
    wait 2>/dev/null || :
    rm -rf "$folder"
}
trap end EXIT
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=http://127.0.0.1:$etcd_port

etcd --data-dir "$folder/etcd" --listen-client-urls "$ETCDCTL_ENDPOINTS" \
    --advertise-client-urls "$ETCDCTL_ENDPOINTS" \
    --listen-peer-urls "http://127.0.0.1:$((etcd_port + 1))" >"$folder/etcd.log" 2>&1 &
etcd_pid=$!
pids+=("$etcd_pid")
wait_until 30 etcdctl endpoint health >/dev/null 2>&1
etcdctl put /firehose/nginx/worker_processes 1 >/dev/null

# Ticks of a hundredth of a second that etcd has had.
ticks() { awk '{print $14 + $15}' "/proc/$etcd_pid/stat"; }
share() {
    awk -v ticks="$1" -v seconds="$2" 'BEGIN { printf "%.1f %% of a processor", ticks / seconds }'
}
idle() {
    local before
    before=$(ticks)
    sleep "$seconds"
    share $(($(ticks) - before)) "$seconds"
}

say "no router:   etcd takes $(idle) while nothing changes"
for ((number = 0; number < routers; number++)); do
    ETCD_ENDPOINTS=$ETCDCTL_ENDPOINTS "$program" serve \
        --listen "127.0.0.1:$((first_port + number))" --module "$module" \
        --run-dir "$folder/run-$number" --state-dir "$folder/state-$number" \
        --access-log off >"$folder/$number.log" 2>&1 &
    pids+=("$!")
done
for ((number = 0; number < routers; number++)); do
    wait_until 60 curl -sf -o /dev/null \
        "http://127.0.0.1:$((first_port + number))/nginx-healthcheck"
done
say "$routers routers:  etcd takes $(idle) while nothing changes;" \
    "$(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$etcd_pid/status") MB"
before=$(ticks) began=$(date +%s.%N)
for ((number = 0; number < changes; number++)); do
    etcdctl put "/firehose/upstream/node-$((number % 10))" \
        "127.0.0.1:$((20000 + number))" >/dev/null
done
took=$(awk -v began="$began" -v now="$(date +%s.%N)" 'BEGIN { print now - began }')
say "$routers routers:  etcd takes $(share $(($(ticks) - before)) "$took")" \
    "while $changes nodes change in $took s"
