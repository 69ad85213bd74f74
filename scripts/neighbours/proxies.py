"""Nodes, proxies before them and clients, for the scripts beside this file.

Everything listens on the loopback interface, and every process that is started here is ended by
its own id.
"""

import collections
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return unused.getsockname()[1]


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def versions(*programs):
    options = {"CADDY": "version", "ENVOY": "--version"}
    for program in programs:
        said = subprocess.run([os.environ[program], options.get(program, "-v")],
                              capture_output=True, text=True)
        print(program, re.search(r"\d+\.\d+\.\d+[^/\s]*", said.stdout + said.stderr).group())


class Nodes:
    """HTTP servers at addresses of 127.0.0.0/8 that answer with their number, echo what they get
    after an upgrade, and count their open upgraded connections."""

    def __init__(self, hosts, port=None):
        self.hosts, self.port = hosts, port or free_port()
        self.upgraded, self.lock = collections.Counter(), threading.Lock()
        for number, host in enumerate(hosts):
            listener = socket.create_server((host, self.port), backlog=128)
            threading.Thread(target=self._accept, args=(number, listener), daemon=True).start()

    def addresses(self, numbers=None):
        numbers = range(len(self.hosts)) if numbers is None else numbers
        return [f"{self.hosts[number]}:{self.port}" for number in numbers]

    def _accept(self, number, listener):
        while True:
            connection = listener.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number, connection):
        pending = b""
        try:
            while True:
                while b"\r\n\r\n" not in pending:
                    data = connection.recv(65536)
                    if not data:
                        return
                    pending += data
                head, pending = pending.split(b"\r\n\r\n", 1)
                if b"\r\nupgrade: websocket" in head.lower():
                    self._echo(number, connection)
                    return
                body = b"%d" % number
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(body), body))
        except OSError:
            pass
        finally:
            connection.close()

    def _echo(self, number, connection):
        with self.lock:
            self.upgraded[number] += 1
        try:
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                               b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
            while data := connection.recv(4096):
                connection.sendall(data)
        finally:
            with self.lock:
                self.upgraded[number] -= 1


class NameServer:
    """Answers every question for IPv4 addresses with these."""

    def __init__(self, addresses):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port, self.addresses = self.socket.getsockname()[1], addresses
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            question, client = self.socket.recvfrom(2048)
            end = 12
            while question[end]:
                end += question[end] + 1
            end += 5
            asked, = struct.unpack(">H", question[end - 4:end - 2])
            addresses = self.addresses if asked == 1 else []
            answer = question[:2] + b"\x81\x80" + struct.pack(">4H", 1, len(addresses), 0, 0)
            answer += question[12:end]
            for address in addresses:
                answer += b"\xc0\x0c\0\x01\0\x01" + struct.pack(">IH", 60, 4)
                answer += socket.inet_aton(address)
            self.socket.sendto(answer, client)


class Client:
    """One kept connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def get(self, path="/", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()
        return self.answer.read().decode()


class Session:
    """An upgraded connection through a proxy."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(10)
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Key: bmVpZ2hib3VycyBiZWhhdg==\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.socket.recv(4096)
            if not data:
                break
            head += data
        self.status = int(head[9:12] or 0)

    def lives(self):
        try:
            self.socket.sendall(b"echo")
            return self.socket.recv(100) == b"echo"
        except OSError:
            return False

    def rest(self):
        """All that comes until the connection is closed."""
        received = b""
        try:
            while data := self.socket.recv(4096):
                received += data
        except ConnectionResetError:
            pass
        return received


def alive(sessions):
    return f"{sum(session.lives() for session in sessions)} of {len(sessions)} open"


class Process:
    """A process that listens on `port`; its end is waited for."""

    def __init__(self, arguments, **more):
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, **more)
        wait_until(self._listens)

    def _listens(self):
        assert self.process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def log(self):
        with open(os.path.join(self.folder, "log")) as log:
            return log.read()

    def signal(self, number):
        self.process.send_signal(number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def new_folder():
    folder = tempfile.mkdtemp(dir=".")
    os.chmod(folder, 0o755)
    return os.path.abspath(folder)


class Nginx(Process):
    def __init__(self, upstream, **more):
        self.folder, self.port = new_folder(), free_port()
        self.write(upstream)
        super().__init__([os.environ["NGINX"], "-p", self.folder + "/", "-c",
                          self.folder + "/nginx.conf", "-e", "error.log"], **more)

    def write(self, upstream):
        with open(self.folder + "/nginx.conf", "w") as file:
            file.write(f"""{"user root;" if os.getuid() == 0 else ""}
daemon off; pid nginx.pid; error_log error.log; worker_processes 1; events {{}}
http {{
    access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t;
    uwsgi_temp_path t; scgi_temp_path t; keepalive_requests 100000;
    upstream u {{ {upstream} }}
    server {{
        listen 127.0.0.1:{self.port};
        location / {{
            proxy_pass http://u;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
    }}
}}""")

    def reload(self):
        before = self.workers()
        self.signal(signal.SIGHUP)
        wait_until(lambda: set(self.workers()) - set(before))
        # The new workers serve, the old ones have been told to end.
        time.sleep(1)

    def workers(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return [int(worker) for worker in children.read().split()]


class Haproxy(Process):
    def __init__(self, backend, servers, **more):
        self.folder, self.port, self.more = new_folder(), free_port(), more
        self.write(backend, servers)
        self._start()

    def _start(self, *arguments):
        super().__init__([os.environ["HAPROXY"], "-f", self.folder + "/haproxy.cfg", *arguments],
                         **self.more)

    def write(self, backend, servers):
        with open(self.folder + "/haproxy.cfg", "w") as file:
            file.write("\n".join([
                "global", f" stats socket {self.folder}/socket level admin", "defaults",
                " mode http", " timeout connect 2s", " timeout client 60s",
                " timeout server 60s", " timeout queue 500ms", "frontend f",
                f" bind 127.0.0.1:{self.port}", " default_backend b", "backend b",
                *[f" {line}" for line in backend], *[f" server {line}" for line in servers], ""]))

    def command(self, words):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.folder + "/socket")
            connection.sendall(words.encode() + b"\n")
            answer = b""
            while data := connection.recv(4096):
                answer += data
        return answer.decode().strip()

    def reload(self):
        """A new process takes over, the old one ends with its last connection."""
        self.old = self.process
        self._start("-sf", str(self.old.pid))
        time.sleep(1)

    def __exit__(self, *_):
        super().__exit__()
        if hasattr(self, "old"):
            self.old.terminate()
            self.old.wait()


def envoy_address(address):
    host, port = address.rsplit(":", 1)
    return {"socket_address": {"address": host, "port_value": int(port)}}


def envoy_assignment(addresses):
    endpoints = [{"endpoint": {"address": envoy_address(address)}} for address in addresses]
    return {"cluster_name": "c", "endpoints": [{"lb_endpoints": endpoints}]}


class Envoy(Process):
    """`cluster` are fields of the cluster. Its endpoints come from a file, unless it has some."""

    KEY = {"hash_policy": [{"header": {"header_name": "x-key"}}]}

    def __init__(self, cluster, addresses=None, route=None):
        self.folder, self.port, self.sent = new_folder(), free_port(), 0
        cluster = {"name": "c", "connect_timeout": "1s", **cluster}
        if addresses is not None:
            self.set_endpoints(addresses)
            cluster["type"] = "EDS"
            source = {"path_config_source": {"path": self.folder + "/endpoints.json"}}
            cluster["eds_cluster_config"] = {"service_name": "c", "eds_config": source}
        filters = "type.googleapis.com/envoy.extensions.filters."
        router = {"@type": filters + "http.router.v3.Router"}
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "c", **(route or {})}}]
        manager = {"@type": filters + "network.http_connection_manager.v3.HttpConnectionManager",
                   "stat_prefix": "h", "upgrade_configs": [{"upgrade_type": "websocket"}],
                   "http_filters": [{"name": "router", "typed_config": router}],
                   "route_config": {"virtual_hosts": [
                       {"name": "v", "domains": ["*"], "routes": routes}]}}
        listener = {"name": "l", "address": envoy_address(f"127.0.0.1:{self.port}"),
                    "filter_chains": [{"filters": [{"name": "m", "typed_config": manager}]}]}
        with open(self.folder + "/envoy.json", "w") as file:
            json.dump({"node": {"id": "n", "cluster": "n"}, "static_resources": {
                "listeners": [listener], "clusters": [cluster]}}, file)
        super().__init__([os.environ["ENVOY"], "-c", self.folder + "/envoy.json", "--concurrency",
                          "1", "-l", "error", "--use-dynamic-base-id"])

    def set_endpoints(self, addresses):
        self.sent += 1
        resource = {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                    **envoy_assignment(addresses)}
        with open(self.folder + "/next.json", "w") as file:
            json.dump({"version_info": str(self.sent), "resources": [resource]}, file)
        # Envoy notices that a file is moved to this place.
        os.rename(self.folder + "/next.json", self.folder + "/endpoints.json")


class Caddy(Process):
    def __init__(self, addresses, policy=None, proxy=None):
        self.folder, self.port, self.admin = new_folder(), free_port(), free_port()
        self.policy, self.proxy = policy, proxy or {}
        with open(self.folder + "/caddy.json", "w") as file:
            json.dump(self._configuration(addresses), file)
        super().__init__([os.environ["CADDY"], "run", "--config", self.folder + "/caddy.json"],
                         env={**os.environ, "HOME": self.folder, "XDG_DATA_HOME": self.folder,
                              "XDG_CONFIG_HOME": self.folder})

    def _configuration(self, addresses):
        proxy = {"handler": "reverse_proxy", **self.proxy,
                 "upstreams": [{"dial": address} for address in addresses]}
        if self.policy:
            proxy["load_balancing"] = {"selection_policy": self.policy}
        server = {"listen": [f"127.0.0.1:{self.port}"], "automatic_https": {"disable": True},
                  "routes": [{"handle": [proxy]}]}
        return {"admin": {"listen": f"127.0.0.1:{self.admin}"},
                "apps": {"http": {"servers": {"s": server}}}}

    def load(self, addresses):
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}/load",
                                         json.dumps(self._configuration(addresses)).encode(),
                                         {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(request, timeout=10).status == 200
