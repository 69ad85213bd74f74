#!/usr/bin/env bash
# etcd-server 3.4.23-4+b4 (Debian 12): the answer to a progress request has a revision in its
# header, and says that the watch has delivered everything up to it. etcd gives this answer at once
# also to a watch that is still reading old revisions: the revision is the present one, and events
# of 3 000 older revisions follow. A client that stores the revision of the answer and resumes
# behind it loses them. A good guess is that the answer takes its place among the events. etcd
# 3.5.1 does the same; 3.5.16 (Debian 13) does not answer while the watch is behind.
#
# The header of each message with events is misleading in the same way: it has the present
# revision, and not that of the last event in the message.
#
# Expected: the watch is created; then the answer with the present revision; then the first 1000
# events, the last of which is 2000 revisions older than the answer and than their own header.
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
import base64, http.client, json, sys, time

def text(value):
    return base64.b64encode(value.encode()).decode()

def connect():
    return http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)

for attempt in range(100):
    try:
        connection = connect()
        connection.connect()
        break
    except OSError:
        time.sleep(0.1)
put = json.dumps({"key": text("/p/k"), "value": text("v")})
for _ in range(3000):
    connection.request("POST", "/v3/kv/put", put)
    present = int(json.load(connection.getresponse())["header"]["revision"])

connection = connect()
create = {"key": text("/p/"), "range_end": text("/p0"), "start_revision": "1"}
connection.request("POST", "/v3/watch",
                   json.dumps({"create_request": create}) + json.dumps({"progress_request": {}}))
answer = connection.getresponse()
messages = []
while sum(events for _, events, _ in messages) < 3000:
    result = json.loads(answer.readline())["result"]
    events = result.get("events", [])
    header = int(result["header"]["revision"])
    last = int(events[-1]["kv"]["mod_revision"]) if events else None
    messages.append((header, len(events), last))
    what = "created" if result.get("created") else f"{len(events)} events, the last of {last}"
    print(f"header {header}: {what if events or result.get('created') else 'progress'}")
assert messages[0] == (present, 0, None), "not created first"
assert messages[1] == (present, 0, None), "progress is not answered at once now"
assert messages[2] == (present, 1000, present - 2000), "events come otherwise"
END
