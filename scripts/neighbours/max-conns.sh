#!/usr/bin/env bash
# What a reload and a killed worker do to a limit of connections to a server: max_conns with a zone
# in nginx, maxconn in HAProxy. The limit is 1.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need nginx haproxy

python3 - <<'END'
from proxies import *

versions("NGINX", "HAPROXY")
nodes = Nodes(["127.0.1.1"])
address, = nodes.addresses()

def try_one(proxy, what, expected):
    session = Session(proxy.port)
    print(f"{what}: {session.status}, {nodes.upgraded[0]} open at the server")
    assert session.status == expected
    return session

with Nginx(f"zone u 64k; server {address} max_conns=1;") as nginx:
    first = try_one(nginx, "nginx, first session", 101)
    try_one(nginx, "nginx, second session", 502)
    old = nginx.workers()
    nginx.reload()
    assert first.lives()
    second = try_one(nginx, "nginx, after a reload, beside the first", 101)
    try_one(nginx, "nginx, one more", 502)
    first.socket.close()
    wait_until(lambda: not set(old) & set(nginx.workers()))
    worker, = nginx.workers()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: nodes.upgraded[0] == 0 and worker not in nginx.workers()
               and nginx.workers())
    time.sleep(30)
    try_one(nginx, "nginx, 30 s after its worker was killed", 502)
    nginx.reload()
    try_one(nginx, "nginx, after one more reload", 101)

with Haproxy(["balance roundrobin"], [f"s0 {address} maxconn 1"]) as haproxy:
    wait_until(lambda: nodes.upgraded[0] == 0)
    first = try_one(haproxy, "HAProxy, first session", 101)
    try_one(haproxy, "HAProxy, second session", 503)
    haproxy.reload()
    assert first.lives()
    second = try_one(haproxy, "HAProxy, after a reload (-sf), beside the first", 101)
    try_one(haproxy, "HAProxy, one more", 503)
END
