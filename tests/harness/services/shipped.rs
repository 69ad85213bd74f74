//! The configurations of `nginx-conf/stream/` as they stand.

use std::collections::BTreeMap;

use crate::configuration::module;
use crate::stream::load_stream;
use crate::{Configuration, Etcd, Nginx, Result, SOON, Upstream, ensure, eventually, free_port};

/// The port of the status, which `Nginx` replaces by its own.
const STATUS: &str = "8080";
const LOAD_STREAM: &str = "load_module modules/ngx_stream_module.so;\n";

/// nginx with a file of `nginx-conf/stream/`, in which ports and paths are others and nothing else
/// is.
#[derive(Debug)]
pub struct ShippedStream {
    /// The nginx.
    pub nginx: Nginx,
    /// The port that it listens on, by the port in the file.
    ports: BTreeMap<u16, u16>,
}

impl ShippedStream {
    /// Starts nginx with this file, and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, lacks what is to be replaced, or nginx refuses it.
    pub async fn start(name: &str, etcd: &Etcd) -> Result<Self> {
        let mut text = Configuration::shipped_text(&format!("stream/{name}"))?;
        for (from, to) in [
            ("http://127.0.0.1:2379", etcd.url()),
            ("modules/ngx_http_upstream_etcd_module.so", module()?.display().to_string()),
            (LOAD_STREAM, load_stream()?),
            ("/run/nginx.pid", "logs/nginx.pid".to_owned()),
            ("/var/log/nginx/", "logs/".to_owned()),
        ] {
            ensure!(text.contains(from), "no {from} in {name}");
            text = text.replace(from, &to);
        }
        ensure!(text.contains("worker_processes 2;"), "no worker_processes 2 in {name}");
        ensure!(text.contains(&format!("listen {STATUS};")), "no status in {name}");
        let mut ports = BTreeMap::new();
        let listens: Vec<_> = text.split("listen ").skip(1).map(str::to_owned).collect();
        for listen in listens {
            let port = listen.split([' ', ';']).next().unwrap_or_default();
            if port == STATUS {
                continue;
            }
            let own = match ports.get(&port.parse()?) {
                Some(&own) => own,
                None => free_port()?,
            };
            ports.insert(port.parse()?, own);
            for end in [" ", ";"] {
                let own = format!("listen 127.0.0.1:{own}{end}");
                text = text.replace(&format!("listen {port}{end}"), &own);
            }
        }
        ensure!(!ports.is_empty(), "{name} listens nowhere");
        let text = format!("daemon off;\n{text}");
        let nginx = Nginx::start(Configuration::whole(&text)).await?;
        Ok(Self { nginx, ports })
    }

    /// `HOST:PORT` of a port that the file names.
    ///
    /// # Panics
    ///
    /// When the file does not name it.
    pub fn address(&self, port: u16) -> String {
        format!("127.0.0.1:{}", self.ports[&port])
    }

    /// Waits until the peers in service of an upstream are these, in this order.
    ///
    /// # Errors
    ///
    /// When they do not soon come to be.
    pub async fn wait_for_peers(&self, upstream: &str, keys: &[&str]) -> Result<Upstream> {
        eventually(SOON, &format!("the peers of {upstream} are {keys:?}"), async || {
            let mut status = self.nginx.status().await?;
            let upstream = status.upstreams.remove(upstream).ok_or("no such upstream")?;
            let up = upstream.peers.iter().filter(|peer| peer.state == "up");
            let up: Vec<_> = up.filter_map(|peer| peer.key.as_deref()).collect();
            ensure!(up == keys, "{up:?} of {:?}", upstream.peers);
            Ok(upstream)
        })
        .await
    }
}
