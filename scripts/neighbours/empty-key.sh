#!/usr/bin/env bash
# Where nginx, HAProxy, Envoy and Caddy send requests whose key for consistent hashing is missing
# or empty: three nodes, twelve requests each.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need nginx haproxy envoy caddy

python3 - <<'END'
from proxies import *

versions("NGINX", "HAPROXY", "ENVOY", "CADDY")
nodes = Nodes(["127.0.1.1", "127.0.1.2", "127.0.1.3"])
results = {}

def by_argument(client, key):
    return client.get("/" if key is None else f"/?k={key}")

def by_header(client, key):
    return client.get() if key is None else client.get(x_key=key)

def ask(name, proxy, how):
    with proxy:
        client = Client(proxy.port)
        missing, empty, some = ["".join(how(client, key) for _ in range(12))
                                for key in (None, "", "a")]
    print(f"{name}: missing {missing}, empty {empty}, some key {some}")
    assert len(set(some)) == 1, "no hash"
    results[name] = len(set(missing)) > 1, len(set(empty)) > 1

def haproxy(balance):
    servers = [f"s{number} {address}" for number, address in enumerate(nodes.addresses())]
    return Haproxy([balance, "hash-type consistent"], servers)

upstream = "".join(f"server {address};" for address in nodes.addresses())
ask("nginx, hash $arg_k consistent", Nginx("hash $arg_k consistent;" + upstream), by_argument)
ask("HAProxy, balance url_param k", haproxy("balance url_param k"), by_argument)
ask("HAProxy, balance hdr(x-key)", haproxy("balance hdr(x-key)"), by_header)
ask("HAProxy, balance hash req.hdr(x-key)", haproxy("balance hash req.hdr(x-key)"), by_header)
ask("Envoy, RING_HASH by header",
    Envoy({"lb_policy": "RING_HASH"}, nodes.addresses(), Envoy.KEY), by_header)
ask("Caddy, header", Caddy(nodes.addresses(), {"policy": "header", "field": "X-Key"}), by_header)
ask("Caddy, query", Caddy(nodes.addresses(), {"policy": "query", "key": "k"}), by_argument)
# Whether requests without a key, and with an empty one, are spread.
assert results == {
    "nginx, hash $arg_k consistent": (True, True),
    "HAProxy, balance url_param k": (True, False),
    "HAProxy, balance hdr(x-key)": (True, True),
    "HAProxy, balance hash req.hdr(x-key)": (True, False),
    "Envoy, RING_HASH by header": (True, False),
    "Caddy, header": (True, True),
    "Caddy, query": (True, True),
}, results
END
