#!/usr/bin/env bash
# nginx 1.22.1-9+deb12u11 (Debian 12): `proxy_read_timeout` is documented as the time between two
# reads from the proxied server. On an upgraded connection (WebSocket) data from the client renews
# it too. A session whose server never says a word stays open for as long as the client talks. A
# good guess is that it is closed when the timeout has passed, so that the timeout finds servers
# that hang. For upgraded connections it only finds sessions that are silent in both directions.
#
# Expected, with proxy_read_timeout 2s: a silent session is closed after 2 s; one whose client
# sends a byte every half second, and whose server sends nothing, is open after 6 s.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq nginx=1.22.1-9+deb12u11 2>/dev/null
dpkg -x nginx_*.deb .
# Its libraries are those of the system.
if ldd usr/sbin/nginx | grep 'not found' >/dev/null; then
    echo "libraries of nginx are missing: apt-get install libpcre2-8-0 libssl3 zlib1g" >&2
    exit 1
fi
usr/sbin/nginx -v

python3 - <<'END'
import os, socket, subprocess, threading, time

folder = os.getcwd()
received = 0

def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)

def node(connection):
    """Accepts the upgrade and then only reads."""
    global received
    read_head(connection)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                       b"Upgrade: websocket\r\n\r\n")
    while data := connection.recv(4096):
        received += len(data)

def accept(listener):
    while True:
        threading.Thread(target=node, args=(listener.accept()[0],), daemon=True).start()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as unused:
    port = unused.getsockname()[1]

with open("nginx.conf", "w") as file:
    file.write(f"""{"user root;" if os.getuid() == 0 else ""}
daemon off; pid nginx.pid; error_log error.log; worker_processes 1; events {{}}
http {{
    access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
    uwsgi_temp_path t; scgi_temp_path t;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{listener.getsockname()[1]};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 2s;
        }}
    }}
}}""")

def lives(talks):
    """For how many seconds a session is open, at most 6."""
    with socket.create_connection(("127.0.0.1", port)) as session:
        session.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                        b"Upgrade: websocket\r\n\r\n")
        read_head(session)
        began = time.monotonic()
        session.settimeout(0.5)
        while time.monotonic() < began + 6:
            try:
                if session.recv(1) == b"":
                    break
            except TimeoutError:
                pass
            if talks:
                session.sendall(b"x")
        return time.monotonic() - began

nginx = subprocess.Popen(["usr/sbin/nginx", "-p", folder + "/", "-c", folder + "/nginx.conf",
                          "-e", "error.log"])
try:
    for attempt in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    silent, talking = lives(False), lives(True)
    print(f"silent: closed after {silent:.1f} s; the client talks, the server does not: "
          f"{'open' if talking >= 6 else 'closed'} after {talking:.1f} s, {received} bytes read")
    assert 1.5 < silent < 4, "a silent session is not closed"
    assert talking >= 6 and received > 0, "only the server's data counts now"
finally:
    nginx.terminate()
    nginx.wait()
END
