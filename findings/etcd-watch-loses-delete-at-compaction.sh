#!/usr/bin/env bash
# etcd-server 3.4.23-4+b4 (Debian 12): a watch may start at the very revision up to which etcd has
# compacted. It is not canceled, but if that revision deleted a key, the event does not come:
# compaction removed the mark of the deletion and the watch does not say so. A client that lists at
# revision 4 and then watches from 5 keeps a key for ever that was deleted at 5, if somebody
# compacts at 5 in between. A good guess is that a watch either gets every event from its start or
# is canceled with `compact_revision`. etcd 3.5.16 (Debian 13) does send the event.
#
# Expected: at the compacted revision a put is delivered, a delete is not, and the watch stays
# open; one revision earlier the watch is canceled with `compact_revision`.
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
usr/bin/etcd --version | grep '^etcd'

port=$((20000 + RANDOM % 10000)) url=http://127.0.0.1:$port
usr/bin/etcd --data-dir data --unsafe-no-fsync --listen-client-urls "$url" \
    --advertise-client-urls "$url" --listen-peer-urls http://127.0.0.1:0 \
    --initial-advertise-peer-urls http://127.0.0.1:0 \
    --initial-cluster default=http://127.0.0.1:0 >log 2>&1 &
etcd=$!

python3 - "$port" <<'END'
import base64, http.client, json, sys, time, urllib.request

def call(method, request):
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/v3/{method}",
                                     json.dumps(request).encode())
    return json.load(urllib.request.urlopen(request, timeout=20))

def text(value):
    return base64.b64encode(value.encode()).decode()

def revision(answer):
    return int(answer["header"]["revision"])

def put(key):
    return revision(call("kv/put", {"key": text(key), "value": text("v")}))

def compact(to):
    call("kv/compaction", {"revision": str(to), "physical": True})

def watch(start):
    """What a watch of all keys from this revision says until a key is put that ends it."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    create = {"key": text("/"), "range_end": text("0"), "start_revision": str(start)}
    connection.request("POST", "/v3/watch", json.dumps({"create_request": create}))
    answer, seen = connection.getresponse(), []
    assert json.loads(answer.readline())["result"]["created"]
    last = put("/last")
    while True:
        result = json.loads(answer.readline())["result"]
        if result.get("canceled"):
            seen.append(f"canceled, compact_revision {result['compact_revision']}")
            break
        seen += [f"{event.get('type', 'PUT')} at {event['kv']['mod_revision']}"
                 for event in result["events"]]
        if seen[-1] == f"PUT at {last}":
            seen.pop()
            break
    connection.close()
    return seen

for attempt in range(100):
    try:
        put("/a")
        break
    except OSError:
        time.sleep(0.1)

written = put("/b")
compact(written)
at_put = watch(written)
print(f"put at {written}, compacted at {written}, watched from {written}: {at_put}")
deleted = revision(call("kv/deleterange", {"key": text("/a")}))
compact(deleted)
at_delete, before = watch(deleted), watch(deleted - 1)
print(f"delete at {deleted}, compacted at {deleted}, watched from {deleted}: {at_delete}")
print(f"watched from {deleted - 1}: {before}")
assert at_put == [f"PUT at {written}"], "the put is lost as well"
assert before == [f"canceled, compact_revision {deleted}"], "it is not canceled"
assert at_delete == [], "the delete is delivered now"
END
