//! What the other proxies are configured with: one worker or thread, round robin, connections that
//! are kept, and upgrades.

use std::path::Path;

use harness::Result;
use serde_json::{Value, json};

/// More than Envoy ever has of anything.
const ENVOY_LIMIT: u32 = 1_000_000;

/// nginx with static servers.
pub fn nginx(port: u16, addresses: &[String]) -> String {
    let servers: String = addresses.iter().map(|address| format!("server {address};\n")).collect();
    format!(
        "daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
        worker_rlimit_nofile 32768; events {{ worker_connections 30000; }}
        http {{
            access_log off; keepalive_requests 1000000000; client_body_temp_path t;
            proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
            proxy_read_timeout 1h; proxy_http_version 1.1;
            upstream u {{ {servers} keepalive 64; }}
            server {{
                listen 127.0.0.1:{port} backlog=4096;
                location / {{ proxy_pass http://u; proxy_set_header Connection ''; }}
                location /ws {{
                    proxy_pass http://u; proxy_set_header Upgrade websocket;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}"
    )
}

/// HAProxy, with its runtime API at `socket`, and `most` connections of clients.
pub fn haproxy(port: u16, socket: &Path, most: usize, addresses: &[String]) -> String {
    let servers: String = addresses
        .iter()
        .enumerate()
        .map(|(number, address)| format!(" server s{number} {address}\n"))
        .collect();
    format!(
        "global\n stats socket {} level admin\n nbthread 1\n maxconn {most}\n\
         defaults\n mode http\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n \
         timeout tunnel 1h\nfrontend f\n bind 127.0.0.1:{port} backlog 4096\n default_backend b\n\
         backend b\n balance roundrobin\n{servers}",
        socket.display()
    )
}

/// An address as Envoy has it.
pub fn envoy_address(address: &str) -> Result<Value> {
    let (host, port) = address.rsplit_once(':').ok_or("no port")?;
    let port: u16 = port.parse()?;
    Ok(json!({ "socket_address": { "address": host, "port_value": port } }))
}

/// Envoy, which reads its endpoints from the file `endpoints`.
pub fn envoy(port: u16, endpoints: &Path) -> Result<Value> {
    let filters = "type.googleapis.com/envoy.extensions.filters";
    let manager = json!({
        "@type": format!(
            "{filters}.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "h",
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "http_filters": [{
            "name": "router",
            "typed_config": { "@type": format!("{filters}.http.router.v3.Router") },
        }],
        "route_config": { "virtual_hosts": [{
            "name": "v",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "c" } }],
        }] },
    });
    let limits = json!([{
        "max_connections": ENVOY_LIMIT,
        "max_pending_requests": ENVOY_LIMIT,
        "max_requests": ENVOY_LIMIT,
    }]);
    Ok(json!({
        "node": { "id": "n", "cluster": "n" },
        "static_resources": {
            "listeners": [{
                "name": "l",
                "address": envoy_address(&format!("127.0.0.1:{port}"))?,
                "filter_chains": [{
                    "filters": [{ "name": "m", "typed_config": manager }],
                }],
            }],
            "clusters": [{
                "name": "c",
                "type": "EDS",
                "connect_timeout": "5s",
                "lb_policy": "ROUND_ROBIN",
                "circuit_breakers": { "thresholds": limits },
                "eds_cluster_config": {
                    "service_name": "c",
                    "eds_config": { "path_config_source": { "path": endpoints } },
                },
            }],
        },
    }))
}

/// Envoy's endpoints, in their `version`.
pub fn envoy_endpoints(version: usize, addresses: &[String]) -> Result<Value> {
    let endpoints = addresses
        .iter()
        .map(|address| Ok(json!({ "endpoint": { "address": envoy_address(address)? } })))
        .collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "version_info": version.to_string(),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": "c",
            "endpoints": [{ "lb_endpoints": endpoints }],
        }],
    }))
}

/// Caddy, with its admin API on the port `admin`.
pub fn caddy(port: u16, admin: u16, addresses: &[String]) -> Value {
    let upstreams: Vec<_> = addresses.iter().map(|address| json!({ "dial": address })).collect();
    json!({
        "admin": { "listen": format!("127.0.0.1:{admin}"), "config": { "persist": false } },
        "logging": { "logs": { "default": { "level": "ERROR" } } },
        "apps": { "http": { "servers": { "s": {
            "listen": [format!("127.0.0.1:{port}")],
            "automatic_https": { "disable": true },
            "routes": [{ "handle": [{
                "handler": "reverse_proxy",
                "load_balancing": { "selection_policy": { "policy": "round_robin" } },
                "upstreams": upstreams,
            }] }],
        } } } },
    })
}

#[cfg(test)]
mod tests {
    use super::{envoy_endpoints, haproxy};

    #[test]
    fn endpoints_have_numbers_and_ports() {
        let addresses = ["127.1.0.1:80".to_owned(), "127.1.0.2:80".to_owned()];
        let text = haproxy(1, std::path::Path::new("/s"), 100, &addresses);
        assert!(text.ends_with("\n server s0 127.1.0.1:80\n server s1 127.1.0.2:80\n"), "{text}");
        let endpoints = envoy_endpoints(3, &addresses).expect("addresses");
        let second = &endpoints["resources"][0]["endpoints"][0]["lb_endpoints"][1];
        assert_eq!(second["endpoint"]["address"]["socket_address"]["port_value"], 80);
        assert!(envoy_endpoints(3, &["nowhere".to_owned()]).is_err());
    }
}
