#!/usr/bin/env bash
# etcd-server 3.4.23-4+b4 (Debian 12): in a transaction no comparison of the `value` of a missing
# key succeeds: not `=`, not `!=`, not `<`, not `>`, whatever it is compared with, also the empty
# string. So "write unless the value is already X" (`value("k") != "X"`) does nothing for a key
# that does not exist. `mod`, `create`, `version` and `lease` of a missing key are 0 and compare
# like any number. Over a range without keys every comparison of `value` fails as well. A good
# guess is that either `=` or `!=` succeeds.
#
# Expected: for the missing key all four comparisons of `value` fail, with "X" and with "";
# `mod != 5` succeeds. For a key that has the value "X", `= "X"` and `!= ""` succeed.
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

url=http://127.0.0.1:$((20000 + RANDOM % 10000))
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

def succeeds(key, target, operator, **to):
    compare = {"key": text(key), "target": target, "result": operator, **to}
    return call("kv/txn", {"compare": [compare]}).get("succeeded", False)

for attempt in range(100):
    try:
        call("kv/put", {"key": text("there"), "value": text("X")})
        break
    except OSError:
        time.sleep(0.1)

signs = {"EQUAL": "=", "NOT_EQUAL": "!=", "LESS": "<", "GREATER": ">"}
true = {}
for key in "there", "missing":
    for value in "X", "":
        true[key, value] = [sign for operator, sign in signs.items()
                            if succeeds(key, "VALUE", operator, value=text(value))]
        print(f'value("{key}") against "{value}": true are {true[key, value]}')
number = succeeds("missing", "MOD", "NOT_EQUAL", mod_revision="5")
print(f'mod("missing") != 5: {number}')
assert true["there", "X"] == ["="] and true["there", ""] == ["!=", ">"], true
assert number, "a number of a missing key is compared otherwise"
assert true["missing", "X"] == [] and true["missing", ""] == [], "a missing value compares now"
END
