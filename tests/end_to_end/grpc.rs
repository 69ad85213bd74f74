//! `grpc_pass` before peers from etcd: a real gRPC server as node, and a real client.

mod calls;
mod changes;
mod drains;
mod idle;
mod limits;
mod through_etcd;

use harness::*;

/// nginx with a port for gRPC, before nodes that are registered as `n0`, `n1`, …
struct Setting {
    nginx: Nginx,
    nodes: Vec<GrpcNode>,
    etcd: Etcd,
    /// Where it takes gRPC.
    address: String,
}

/// A server that takes HTTP/2 without TLS on a port, and passes gRPC to the usual upstream. Its
/// errors are answers in gRPC: `UNAVAILABLE`.
fn server(port: u16, location: &str) -> Result<String> {
    // `http2` of `listen` is deprecated where there is the directive.
    let is_directive = nginx_version()? >= [1, 25, 1];
    let (parameter, directive) = if is_directive { ("", "http2 on;") } else { ("http2", "") };
    Ok(format!(
        "server {{ listen 127.0.0.1:{port} {parameter} reuseport; {directive}
            location / {{ grpc_pass grpc://{UPSTREAM}; {location} }}
            error_page 502 503 504 = @unavailable;
            location @unavailable {{
                internal;
                add_header Content-Type application/grpc;
                add_header grpc-status 14;
                return 204;
            }} }}"
    ))
}

impl Setting {
    async fn start(nodes: usize, upstream: &str, location: &str) -> Result<Self> {
        let (etcd, port) = (Etcd::start().await?, free_port()?);
        let configuration = Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&harness::upstream("zone=1m", upstream))
            .http(&server(port, location)?);
        let nginx = Nginx::start(configuration).await?;
        let address = format!("127.0.0.1:{port}");
        let mut setting = Self { nginx, nodes: Vec::new(), etcd, address };
        for number in 0..nodes {
            setting.nodes.push(GrpcNode::start(&format!("n{number}")).await?);
            setting.put(number, "").await?;
        }
        Ok(setting)
    }

    /// Writes the key of a node, with parameters.
    async fn put(&self, number: usize, parameters: &str) -> Result<()> {
        let node = &self.nodes[number];
        let value = format!("{} {parameters}", node.address());
        self.nginx.applied(self.etcd.put(key(node.name()), value).await?).await?;
        Ok(())
    }

    /// Removes the key of a node.
    async fn remove(&self, number: usize) -> Result<()> {
        let revision = self.etcd.delete(&key(self.nodes[number].name())).await?;
        self.nginx.applied(revision).await?;
        Ok(())
    }

    async fn client(&self) -> Result<GrpcClient> {
        GrpcClient::connect(&self.address).await
    }

    /// Waits until as many calls are open at a node.
    async fn open_at(&self, number: usize, count: u64) -> Result<()> {
        let node = &self.nodes[number];
        eventually(SOON, &format!("{count} calls are open at {}", node.name()), async || {
            ensure!(node.open() == count, "{}", node.open());
            Ok(())
        })
        .await
    }

    /// Waits until nginx counts as many connections to a peer.
    async fn counted(&self, number: usize, count: u64) -> Result<()> {
        let name = self.nodes[number].name();
        eventually(SOON, &format!("{count} connections to {name} are counted"), async || {
            let upstream = self.nginx.upstream().await?;
            let connections = upstream.peer(name).ok_or("no such peer")?.connections;
            ensure!(connections == count, "{connections}");
            Ok(())
        })
        .await
    }
}
