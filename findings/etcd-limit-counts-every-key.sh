#!/usr/bin/env bash
# etcd-server 3.4.23-4+b4 (Debian 12): a range read with `limit=1` costs as much as a read of the
# number of all keys in the range, for its answer carries that number (`count`) unasked. So a list
# in pages of `limit` keys walks the rest of the range once for each page: pages make the cost of
# a list quadratic. A good guess is that `limit` bounds the work.
#
# Measured: the shortest of 15 reads with limit=1, with 200 and with 60000 keys in the range, in
# one etcd. Expected: the second takes at least four times as long (seen: 8 to 28 times), and
# `count` is the number of all keys in both.
set -euo pipefail

folder=$(mktemp -d)
etcd=
end() {
    [ -z "$etcd" ] || { kill "$etcd" 2>/dev/null && wait "$etcd" 2>/dev/null; } || true
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"
chmod 755 .
apt-get download -qq etcd-server=3.4.23-4+b4 2>/dev/null
dpkg -x etcd-server_*.deb .

port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port
usr/bin/etcd --data-dir data --unsafe-no-fsync --listen-client-urls "$url" \
    --advertise-client-urls "$url" --listen-peer-urls http://127.0.0.1:0 \
    --initial-advertise-peer-urls http://127.0.0.1:0 \
    --initial-cluster default=http://127.0.0.1:0 >log 2>&1 &
etcd=$!

python3 - "$url" <<'END'
import base64, json, sys, time, urllib.request

def call(method, request):
    request = urllib.request.Request(f"{sys.argv[1]}/v3/{method}", json.dumps(request).encode())
    return json.load(urllib.request.urlopen(request, timeout=20))

def text(value):
    return base64.b64encode(value.encode()).decode()

for attempt in range(100):
    try:
        call("kv/range", {"key": text("x")})
        break
    except OSError:
        time.sleep(0.1)

written = 0
def fill(number):
    global written
    while written < number:
        some = range(written, min(written + 128, number))
        puts = [{"requestPut": {"key": text(f"/p/{i:08}"), "value": text("v")}} for i in some]
        call("kv/txn", {"success": puts})
        written = some.stop

def first_key():
    """The shortest time of a read of one key of the range, and the number that comes with it."""
    shortest = None
    for _ in range(15):
        began = time.perf_counter()
        answer = call("kv/range", {"key": text("/p/"), "range_end": text("/p0"), "limit": "1"})
        took = time.perf_counter() - began
        shortest = took if shortest is None else min(shortest, took)
    assert len(answer["kvs"]) == 1 and answer["more"], answer
    return shortest, int(answer["count"])

fill(200)
few, few_counted = first_key()
fill(60000)
many, many_counted = first_key()
print(f"limit=1: {few * 1e3:.2f} ms of 200 keys, {many * 1e3:.2f} ms of 60000; "
      f"ratio {many / few:.1f}")
assert (few_counted, many_counted) == (200, 60000), (few_counted, many_counted)
assert many > 4 * few, "a limit bounds the work now"
END
