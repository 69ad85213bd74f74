#!/usr/bin/env bash
# etcd-server 3.4.23-4+b4 (Debian 12): the least TTL of a lease is one and a half election timeouts,
# and a shorter one is raised to it without a word. With etcd's default timeout that is 2 s, which
# few notice; with the longest one that etcd takes (50 s, for members far apart) a lease of 60 s
# lives for 75 s. So a TTL that a program chooses as "gone within a minute" depends on a flag of
# the server, and only the TTL in the answer tells.
#
# Expected, TTL granted for TTL asked:
#   --election-timeout  1000   1 -> 2    60 -> 60
#   --election-timeout 50000   1 -> 75   60 -> 75
set -euo pipefail

folder=$(mktemp -d)
etcd=
end_etcd() {
    [ -z "$etcd" ] || { kill "$etcd" 2>/dev/null && wait "$etcd" 2>/dev/null; } || true
    etcd=
}
trap 'end_etcd; rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq etcd-server=3.4.23-4+b4 etcd-client=3.4.23-4+b4 2>/dev/null
for package in *.deb; do dpkg -x "$package" .; done

# granted TTL: the TTL that etcd grants.
granted() {
    usr/bin/etcdctl --endpoints="$url" lease grant "$1" | sed -n 's/.*TTL(\([0-9]*\)s).*/\1/p'
}

seen=
for timeout in 1000 50000; do
    url=http://127.0.0.1:$((20000 + RANDOM % 10000))
    # A single member elects itself when the timeout has passed, or at once where it is told to.
    usr/bin/etcd --data-dir "data-$timeout" --unsafe-no-fsync --listen-client-urls "$url" \
        --advertise-client-urls "$url" --listen-peer-urls http://127.0.0.1:0 \
        --initial-advertise-peer-urls http://127.0.0.1:0 \
        --initial-cluster default=http://127.0.0.1:0 \
        --heartbeat-interval $((timeout / 10)) --election-timeout "$timeout" >"log-$timeout" 2>&1 &
    etcd=$!
    for attempt in $(seq 150); do
        usr/bin/etcdctl --endpoints="$url" --command-timeout=1s get x >/dev/null 2>&1 && break
        [ "$attempt" -lt 150 ] || { echo "etcd does not answer" >&2; exit 1; }
        sleep 0.2
    done
    seen+="$timeout: 1 -> $(granted 1), 60 -> $(granted 60)"$'\n'
    end_etcd
done
printf '%s' "$seen"
[ "$seen" = "1000: 1 -> 2, 60 -> 60
50000: 1 -> 75, 60 -> 75
" ] || { echo "etcd grants other times now" >&2; exit 1; }
