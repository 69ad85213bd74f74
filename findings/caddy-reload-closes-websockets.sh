#!/usr/bin/env bash
# caddy 2.6.2-5 (Debian 12): a reload of the configuration is called graceful, and is for requests;
# an open WebSocket through `reverse_proxy` is closed by it at once (close frame, code 1001), even
# if what changes is another server that has nothing to do with it. Loading the very same
# configuration again closes nothing, so that a test which reloads without a change sees no fault.
# A fleet that is put into the configuration therefore loses all WebSockets at each change.
#
# Expected: the session echoes; it lives after the same configuration is loaded; after one that
# adds an unrelated listener it gets the frame 88 02 03 e9.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq caddy=2.6.2-5 2>/dev/null
dpkg -x caddy_*.deb .

HOME=$folder XDG_CONFIG_HOME=$folder XDG_DATA_HOME=$folder python3 - <<'END'
import json, socket, subprocess, threading, time, urllib.request

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]

def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    return head

def node(listener):
    """Takes any upgrade, and sends back what it gets."""
    while True:
        connection, _ = listener.accept()
        read_head(connection)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                           b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
        def echo():
            while data := connection.recv(4096):
                connection.sendall(data)
        threading.Thread(target=echo, daemon=True).start()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=node, args=(listener,), daemon=True).start()
port, other, admin = free_port(), free_port(), free_port()

def configuration(*more):
    proxy = {"handler": "reverse_proxy",
             "upstreams": [{"dial": "127.0.0.1:%d" % listener.getsockname()[1]}]}
    servers = {str(at): {"listen": ["127.0.0.1:%d" % at], "automatic_https": {"disable": True},
                         "routes": [{"handle": [proxy if at == port else
                                                {"handler": "static_response", "body": "other"}]}]}
               for at in (port, *more)}
    return {"admin": {"listen": "127.0.0.1:%d" % admin}, "apps": {"http": {"servers": servers}}}

def load(what):
    request = urllib.request.Request("http://127.0.0.1:%d/load" % admin, json.dumps(what).encode(),
                                     {"Content-Type": "application/json"})
    assert urllib.request.urlopen(request, timeout=10).status == 200

with open("caddy.json", "w") as file:
    json.dump(configuration(), file)
caddy = subprocess.Popen(["usr/bin/caddy", "run", "--config", "caddy.json"],
                         stdout=open("log", "w"), stderr=subprocess.STDOUT)
try:
    for attempt in range(100):
        try:
            session = socket.create_connection(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.1)
    session.settimeout(5)
    session.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Key: ZmluZGluZ3NmaW5kaW5nc2E=\r\n"
                    b"Sec-WebSocket-Version: 13\r\n\r\n")
    assert read_head(session).startswith(b"HTTP/1.1 101 ")
    session.sendall(b"one")
    assert session.recv(100) == b"one"
    load(configuration())
    session.sendall(b"two")
    assert session.recv(100) == b"two"
    print("the same configuration: the session lives")
    load(configuration(other))
    # caddy sends a frame to the node as well, which sends it back: it may come first.
    rest = b""
    try:
        while data := session.recv(100):
            rest += data
    except (TimeoutError, ConnectionResetError):
        pass
    print("an unrelated listener more:", rest.hex(" "))
    assert b"\x88\x02\x03\xe9" in rest, "caddy leaves it open now"
finally:
    caddy.terminate()
    caddy.wait()
END
