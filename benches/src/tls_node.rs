//! A peer that speaks TLS: a stock nginx at every address of 127/8, which resumes sessions and
//! keeps no connection.

use harness::{Authority, Configuration, Folder, Nginx, Result, UPSTREAM, free_port};

/// A running one.
pub struct TlsNode {
    port: u16,
    _nginx: Nginx,
    _folder: Folder,
}

impl TlsNode {
    /// Starts it, with a certificate of its own.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn start() -> Result<Self> {
        let (port, folder) = (free_port()?, Folder::new("tls-node")?);
        let certificate = Authority::new("bench")?.certificate(&["node"])?;
        folder.write("node.pem", &certificate.certificate)?;
        folder.write("node.key", &certificate.key)?;
        let path = folder.path().display();
        let server = format!(
            "server {{
                listen {port} ssl backlog=4096;
                allow 127.0.0.0/8; deny all;
                ssl_certificate {path}/node.pem; ssl_certificate_key {path}/node.key;
                keepalive_timeout 0;
                location / {{ return 200 a; }}
            }}"
        );
        // The harness's own server passes requests to an upstream of this name; nobody sends any
        // here.
        let unused = format!("upstream {UPSTREAM} {{ server 127.0.0.1:{port}; }}");
        let nginx =
            Nginx::start(Configuration::stock().workers(1).http(&unused).http(&server)).await?;
        Ok(Self { port, _nginx: nginx, _folder: folder })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}
