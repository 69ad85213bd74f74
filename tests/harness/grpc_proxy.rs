//! etcd's grpc-proxy.

use std::process::{Command, Stdio};

use tokio::net::TcpStream;

use crate::process::Process;
use crate::{Etcd, Result, SOON, eventually, free_port};

/// One before an etcd.
pub struct GrpcProxy {
    _process: Process,
    port: u16,
}

impl GrpcProxy {
    /// Starts one, and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn start(etcd: &Etcd) -> Result<Self> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new("etcd");
        command
            .args([
                "grpc-proxy",
                "start",
                "--endpoints",
                &etcd.address(),
                "--listen-addr",
                &address,
                // Newer ones end if they cannot reach themselves there.
                "--advertise-client-url",
                &address,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Process::spawn(&mut command)?;
        eventually(SOON, "the proxy listens", async || Ok(TcpStream::connect(&address).await?))
            .await?;
        Ok(Self { _process: process, port })
    }

    /// What the directive `endpoint` takes.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
