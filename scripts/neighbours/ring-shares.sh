#!/usr/bin/env bash
# How evenly consistent hashing of nginx, HAProxy, Envoy and Caddy spreads KEYS (4000) keys over
# NODES (4) nodes of equal weight: the largest share divided by the smallest, for SETS (7) sets of
# addresses. The rings go by the addresses (HAProxy's by the position instead), so each set has a
# result of its own, which is the same in each run if PORT is free.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need nginx haproxy envoy caddy
export KEYS=${KEYS:-4000} NODES=${NODES:-4} SETS=${SETS:-7} PORT=${PORT:-18080}

python3 - <<'END'
import statistics
from proxies import *

versions("NGINX", "HAPROXY", "ENVOY", "CADDY")
keys, number, sets, port = [int(os.environ[name]) for name in ("KEYS", "NODES", "SETS", "PORT")]

def haproxy(addresses):
    servers = [f"s{number} {address}" for number, address in enumerate(addresses)]
    return Haproxy(["balance hdr(x-key)", "hash-type consistent"], servers)

def heavy_haproxy(addresses):
    servers = [f"s{number} {address} weight 100" for number, address in enumerate(addresses)]
    return Haproxy(["balance hdr(x-key)", "hash-type consistent"], servers)

proxies = {
    "nginx, hash consistent": lambda addresses: Nginx(
        "hash $http_x_key consistent;" + "".join(f"server {one};" for one in addresses)),
    "HAProxy, hash-type consistent": haproxy,
    "HAProxy, the same, weight 100 each": heavy_haproxy,
    "Envoy, RING_HASH": lambda addresses: Envoy({"lb_policy": "RING_HASH"}, addresses, Envoy.KEY),
    "Envoy, MAGLEV": lambda addresses: Envoy({"lb_policy": "MAGLEV"}, addresses, Envoy.KEY),
    "Caddy, header": lambda addresses: Caddy(addresses, {"policy": "header", "field": "X-Key"}),
}
ratios = {name: [] for name in proxies}
for one in range(1, sets + 1):
    nodes = Nodes([f"127.0.{one}.{last}" for last in range(1, number + 1)], port)
    for name, start in proxies.items():
        # HAProxy's ring is the same in each set.
        if name.startswith("HAProxy") and ratios[name]:
            continue
        with start(nodes.addresses()) as proxy:
            client = Client(proxy.port)
            shares = collections.Counter(client.get(x_key=f"key-{key}") for key in range(keys))
        assert len(shares) == number, shares
        ratios[name].append(max(shares.values()) / min(shares.values()))
print(f"{keys} keys, {number} nodes: largest share / smallest share")
for name, some in ratios.items():
    print(f"{name:36} {statistics.median(some):.2f} ({min(some):.2f} to {max(some):.2f})")
END
