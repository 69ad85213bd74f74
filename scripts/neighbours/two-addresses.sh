#!/usr/bin/env bash
# What consistent hashing of nginx, HAProxy, Envoy and Caddy makes of a host name with two
# addresses beside a server with one: 60 keys, six requests each. nginx and HAProxy ask the C
# library, which gets the addresses from nss_wrapper; Envoy and Caddy ask a name server.
set -euo pipefail
# shellcheck source=scripts/neighbours/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need nginx haproxy envoy caddy nss-wrapper

python3 - <<'END'
from proxies import *

versions("NGINX", "HAPROXY", "ENVOY", "CADDY")
nodes = Nodes(["127.0.1.1", "127.0.1.2", "127.0.1.3"])
name, single = f"two.example:{nodes.port}", nodes.addresses()[2]
server = NameServer(nodes.hosts[:2])
with open("hosts", "w") as hosts:
    hosts.write("".join(f"{address} two.example\n" for address in nodes.hosts[:2]))
wrapped = {**os.environ, "LD_PRELOAD": os.environ["NSS_WRAPPER"],
           "NSS_WRAPPER_HOSTS": os.path.abspath("hosts")}

def ask(label, proxy):
    """For each key the nodes that its requests reach, as a set."""
    with proxy:
        client = Client(proxy.port)
        reached = [frozenset(client.get(x_key=f"key-{key}") for _ in range(6))
                   for key in range(60)]
    seen = collections.Counter("+".join(sorted(some)) for some in reached)
    print(f"{label}: keys by the nodes that their requests reach: {dict(sorted(seen.items()))}")
    return set(seen)

result = ask("nginx", Nginx(f"hash $http_x_key consistent; server {name}; server {single};",
                            env=wrapped))
assert result == {"0+1", "2"}, result
result = ask("HAProxy", Haproxy(["balance hdr(x-key)", "hash-type consistent"],
                                [f"s0 {name}", f"s1 {single}"], env=wrapped))
assert len(result) == 2 and "2" in result and result < {"0", "1", "2"}, result
cares = {"@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3."
                  "CaresDnsResolverConfig",
         "resolvers": [envoy_address(f"127.0.0.1:{server.port}")]}
result = ask("Envoy", Envoy({
    "lb_policy": "RING_HASH", "type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY",
    "typed_dns_resolver_config": {"name": "cares", "typed_config": cares},
    "load_assignment": envoy_assignment([name, single])}, None, Envoy.KEY))
assert result == {"0", "1", "2"}, result
result = ask("Caddy", Caddy([name, single], {"policy": "header", "field": "X-Key"}, {"transport": {
    "protocol": "http", "resolver": {"addresses": [f"udp/127.0.0.1:{server.port}"]}}}))
assert result == {"0", "2"}, result
END
