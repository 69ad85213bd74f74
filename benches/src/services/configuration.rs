//! What the programs are configured with: one worker or thread, round robin, a host for each
//! service, and a new connection to a node for each request.

use std::fmt::Write;
use std::path::Path;

use harness::{Configuration, Etcd, Mode, Result, UPSTREAM, cluster, upstream};
use nix::unistd::geteuid;
use serde_json::{Value, json};

use super::platform::{Platform, ROUTES};
use crate::neighbours::envoy_address;

/// Connections of clients, and as many to nodes.
const CONNECTIONS: usize = 4_096;
/// Zone for each node while one table takes the place of another, and for a route.
const ZONE_PER_NODE: usize = 1 << 10;
/// Mebibytes besides.
const ZONE_AT_LEAST: usize = 8;

/// The zone of an upstream with as many nodes.
pub fn zone(nodes: usize) -> String {
    format!("zone={}m", ZONE_AT_LEAST + ((nodes * ZONE_PER_NODE) >> 20))
}

/// nginx with the module, for as many nodes; its server listens on `port`.
pub fn ours(etcd: &Etcd, nodes: usize, port: u16) -> Configuration {
    Configuration::new()
        .mode(Mode::Foreground)
        .workers(1)
        .connections(2 * CONNECTIONS)
        .http(&cluster("main", &etcd.url()))
        .http(&format!("etcd_map $host $service main {ROUTES} hostnames {};", zone(nodes / 10)))
        .http(&upstream(&zone(nodes), "etcd_group $service;"))
        .http(&server(port, UPSTREAM))
}

/// The server that passes to `upstream`.
pub fn server(port: u16, upstream: &str) -> String {
    format!(
        "server {{
            listen 127.0.0.1:{port} reuseport backlog=4096;
            location / {{ proxy_pass http://{upstream}; }}
            location = /worker {{ return 200 $pid; }}
        }}"
    )
}

/// nginx without the module: an `upstream` for each service, and a `map`. `main` and `http` are the
/// directives of these contexts beside.
pub fn nginx(platform: &Platform, port: u16, [main, http]: [&str; 2]) -> Result<String> {
    let (mut upstreams, mut map) = (String::new(), String::new());
    for service in platform.services() {
        write!(upstreams, "upstream {} {{", service.name)?;
        for node in &service.nodes {
            write!(upstreams, " server {node};")?;
        }
        upstreams += " }\n";
        writeln!(map, "{} {};", service.host, service.name)?;
    }
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let connections = 2 * CONNECTIONS;
    Ok(format!(
        "{user} daemon off; pid nginx.pid; error_log error.log; worker_processes 1; {main}
        events {{ worker_connections {connections}; }}
        http {{
            access_log off; keepalive_requests 1000000000; {http}
            map_hash_max_size 131072;
            map $host $service {{ hostnames;\n{map} }}
            {upstreams}
            {}
        }}",
        server(port, "$service")
    ))
}

/// HAProxy, which finds the backend of a host in the file `map`.
pub fn haproxy(platform: &Platform, port: u16, map: &Path) -> Result<String> {
    let mut text = format!(
        "global\n nbthread 1\n maxconn {CONNECTIONS}\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n \
         option http-server-close\n balance roundrobin\n\
         frontend f\n bind 127.0.0.1:{port} backlog 4096\n \
         use_backend %[req.hdr(host),map({})]\n",
        map.display()
    );
    for service in platform.services() {
        writeln!(text, "backend {}", service.name)?;
        for (number, node) in service.nodes.iter().enumerate() {
            writeln!(text, " server n{number} {node}")?;
        }
    }
    Ok(text)
}

/// HAProxy's map of hosts.
pub fn haproxy_map(platform: &Platform) -> String {
    let line = |service: &super::platform::Service| format!("{} {}\n", service.host, service.name);
    platform.services().iter().map(line).collect()
}

/// Envoy, which reads its clusters and its routes from these files.
pub fn envoy(port: u16, clusters: &Path, routes: &Path) -> Result<Value> {
    let filters = "type.googleapis.com/envoy.extensions.filters";
    let file = |path: &Path| {
        let source = json!({ "path": path });
        json!({ "path_config_source": source, "resource_api_version": "V3" })
    };
    let manager = json!({
        "@type": format!(
            "{filters}.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "h",
        "http_filters": [{
            "name": "router",
            "typed_config": { "@type": format!("{filters}.http.router.v3.Router") },
        }],
        "rds": { "route_config_name": "r", "config_source": file(routes) },
    });
    Ok(json!({
        "node": { "id": "n", "cluster": "n" },
        "dynamic_resources": { "cds_config": file(clusters) },
        "static_resources": {
            "listeners": [{
                "name": "l",
                "address": envoy_address(&format!("127.0.0.1:{port}"))?,
                "filter_chains": [{ "filters": [{ "name": "m", "typed_config": manager }] }],
            }],
        },
    }))
}

/// Envoy's clusters, in their `version`.
pub fn envoy_clusters(platform: &Platform, version: usize) -> Result<Value> {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    // Envoy's way of not keeping a connection.
    let protocol = json!({ options: {
        "@type": format!("type.googleapis.com/{options}"),
        "common_http_protocol_options": { "max_requests_per_connection": 1 },
        "explicit_http_config": { "http_protocol_options": {} },
    } });
    let mut clusters = Vec::new();
    for service in platform.services() {
        let nodes = service
            .nodes
            .iter()
            .map(|node| Ok(json!({ "endpoint": { "address": envoy_address(node)? } })))
            .collect::<Result<Vec<_>>>()?;
        clusters.push(json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": service.name,
            "type": "STATIC",
            "connect_timeout": "5s",
            "lb_policy": "ROUND_ROBIN",
            "typed_extension_protocol_options": protocol,
            "load_assignment": {
                "cluster_name": service.name,
                "endpoints": [{ "lb_endpoints": nodes }],
            },
        }));
    }
    Ok(json!({ "version_info": version.to_string(), "resources": clusters }))
}

/// Envoy's routes, in their `version`.
pub fn envoy_routes(platform: &Platform, version: usize) -> Value {
    let host = |service: &super::platform::Service| {
        json!({
            "name": service.name,
            "domains": [service.host],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": service.name } }],
        })
    };
    let hosts: Vec<_> = platform.services().iter().map(host).collect();
    json!({
        "version_info": version.to_string(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "name": "r",
            "virtual_hosts": hosts,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::{Platform, envoy_clusters, envoy_routes, haproxy, haproxy_map, nginx};

    #[test]
    fn each_service_has_a_host_and_nodes() {
        let platform = Platform::of(2, 2, 80);
        let text = nginx(&platform, 1, ["", ""]).expect("a text");
        let line = "upstream service-00001 { server 127.1.0.3:80; server 127.1.0.4:80; }\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("service-00001.example service-00001;\n"), "{text}");
        let text = haproxy(&platform, 1, std::path::Path::new("/m")).expect("a text");
        let end = "backend service-00001\n server n0 127.1.0.3:80\n server n1 127.1.0.4:80\n";
        assert!(text.ends_with(end), "{text}");
        let map = haproxy_map(&platform);
        assert!(map.ends_with("service-00001.example service-00001\n"), "{map}");
        let clusters = envoy_clusters(&platform, 3).expect("addresses");
        let node = &clusters["resources"][1]["load_assignment"]["endpoints"][0]["lb_endpoints"][1];
        assert_eq!(node["endpoint"]["address"]["socket_address"]["address"], "127.1.0.4");
        let routes = envoy_routes(&platform, 3);
        let host = &routes["resources"][0]["virtual_hosts"][1];
        assert_eq!(host["routes"][0]["route"]["cluster"], "service-00001");
    }
}
