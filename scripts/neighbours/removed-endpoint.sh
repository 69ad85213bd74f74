#!/usr/bin/env bash
# What nginx, HAProxy, Envoy and Caddy do with the open sessions of an endpoint that is removed.
# Two sessions are open to each of two nodes when the first node is removed.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need nginx haproxy envoy caddy

python3 - <<'END'
from proxies import *

versions("NGINX", "HAPROXY", "ENVOY", "CADDY")
nodes = Nodes(["127.0.1.1", "127.0.1.2"])
first, second = nodes.addresses()

def open_sessions(proxy):
    sessions = [Session(proxy.port) for _ in range(4)]
    assert all(session.status == 101 for session in sessions)
    assert nodes.upgraded[0] == nodes.upgraded[1] == 2, nodes.upgraded
    return sessions

def close(sessions):
    for session in sessions:
        session.socket.close()
    wait_until(lambda: not any(nodes.upgraded.values()))

with Nginx(f"server {first}; server {second};") as nginx:
    sessions, old = open_sessions(nginx), nginx.workers()
    nginx.write(f"server {second};")
    nginx.reload()
    print(f"nginx, reload: {alive(sessions)}")
    assert all(session.lives() for session in sessions)
    assert set(old) < set(nginx.workers()), "the old worker has ended"
    close(sessions)
    wait_until(lambda: not set(old) & set(nginx.workers()))
    print("nginx: the old worker ends with its last session")

servers = [f"s0 {first}", f"s1 {second}"]
with Haproxy(["balance roundrobin"], servers) as haproxy:
    sessions = open_sessions(haproxy)
    for command in ("del server b/s0", "set server b/s0 state maint", "del server b/s0"):
        print(f"HAProxy, {command}: {haproxy.command(command) or 'done'}; {alive(sessions)}")
    assert all(session.lives() for session in sessions)
    assert "still has connections" in haproxy.command("del server b/s0")
    haproxy.command("shutdown sessions server b/s0")
    wait_until(lambda: nodes.upgraded[0] == 0)
    print(f"HAProxy, shutdown sessions server b/s0: {alive(sessions)}")
    assert sum(session.lives() for session in sessions) == 2
    print(f"HAProxy, del server b/s0: {haproxy.command('del server b/s0')}")
    close(sessions)
with Haproxy(["balance roundrobin"], servers) as haproxy:
    sessions = open_sessions(haproxy)
    haproxy.write(["balance roundrobin"], servers[1:])
    haproxy.reload()
    print(f"HAProxy, reload (-sf): {alive(sessions)}")
    assert all(session.lives() for session in sessions) and haproxy.old.poll() is None
    close(sessions)

with Envoy({"lb_policy": "ROUND_ROBIN"}, [first, second]) as envoy:
    sessions = open_sessions(envoy)
    envoy.set_endpoints([second])
    client = Client(envoy.port)
    wait_until(lambda: {client.get() for _ in range(10)} == {"1"})
    time.sleep(10)
    print(f"Envoy, 10 s after the endpoint is gone: {alive(sessions)}")
    assert all(session.lives() for session in sessions)
    close(sessions)

with Caddy([first, second], {"policy": "round_robin"}) as caddy:
    sessions = open_sessions(caddy)
    caddy.load([second])
    # Caddy says it to the node as well, which may send it back.
    closed = sum(b"\x88\x02\x03\xe9" in session.rest() for session in sessions)
    print(f"Caddy, new configuration: {alive(sessions)}; {closed} got close frame 1001")
    assert closed == 4
    close(sessions)
with Caddy([first, second], {"policy": "round_robin"}, {"stream_close_delay": "4s"}) as caddy:
    sessions = open_sessions(caddy)
    caddy.load([second])
    time.sleep(2)
    print(f"Caddy, stream_close_delay 4s, after 2 s: {alive(sessions)}")
    assert all(session.lives() for session in sessions)
    time.sleep(4)
    print(f"Caddy, stream_close_delay 4s, after 6 s: {alive(sessions)}")
    assert not any(session.lives() for session in sessions)
END
