#!/usr/bin/env bash
# How the weight of a server grows in the slow start of HAProxy and Envoy: a second server of equal
# weight comes, with 20 s of slow start, and the weight is what it gets of the requests for each
# that the first one gets, in each tenth of these 20 s and in the one after them. nginx rejects the
# parameter, which is one of its commercial edition.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need nginx haproxy envoy

python3 - <<'END'
from proxies import *

versions("NGINX", "HAPROXY", "ENVOY")
nodes = Nodes(["127.0.1.1", "127.0.1.2"])
first, second = nodes.addresses()
window = 20

try:
    with Nginx(f"server {first}; server {second} slow_start={window}s;"):
        raise SystemExit("nginx has a slow start now")
except AssertionError as error:
    said = re.search('invalid parameter "slow_start=20s"', str(error)).group()
    print(f"nginx: {said}")

def curve(name, proxy):
    client, began = Client(proxy.port), time.monotonic()
    counts = [[0, 0] for _ in range(11)]
    while (part := int((time.monotonic() - began) * 10 / window)) < len(counts):
        counts[part][int(client.get())] += 1
    weights = [one / max(zero, 1) for zero, one in counts]
    print(f"{name}: {' '.join(f'{weight:.2f}' for weight in weights)}")
    # Straight, and complete at the end.
    for part in range(2, 10):
        assert abs(weights[part] - (part + 0.5) / 10) < 0.13, (part, weights)
    assert weights[10] > 0.9, weights
    return weights

servers = [f"s0 {first} weight 100", f"s1 {second} weight 100 slowstart {window}s disabled"]
with Haproxy(["balance roundrobin"], servers) as haproxy:
    haproxy.command("enable server b/s1")
    weights = curve("HAProxy, slowstart", haproxy)
slow = {"round_robin_lb_config": {"slow_start_config": {"slow_start_window": f"{window}s"}}}
with Envoy({"lb_policy": "ROUND_ROBIN", **slow}, [first]) as envoy:
    # The first endpoint has its slow start as well.
    time.sleep(window + 1)
    envoy.set_endpoints([first, second])
    client = Client(envoy.port)
    wait_until(lambda: client.get() == "1")
    curve("Envoy, slow_start_config", envoy)
END
