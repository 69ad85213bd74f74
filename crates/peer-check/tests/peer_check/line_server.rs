//! A server that speaks a protocol of lines, with TLS if it is to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use peer_check::Address;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, crypto::ring};

/// What the server says, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Script {
    /// As soon as a client is there.
    pub greeting: &'static [u8],
    /// After what the client has sent.
    pub answer: &'static [u8],
    /// Whether it closes then, instead of waiting for the client to do so.
    pub closes: bool,
    /// What is said again and again after that.
    pub repeated: &'static [u8],
}

/// What the server has seen of its clients.
#[derive(Debug, Default)]
pub struct Seen {
    /// What the last one has sent.
    pub received: Vec<u8>,
    /// The name that the last one asked for.
    pub name: Option<String>,
    /// How many have said that they have nothing more to say.
    pub ended: usize,
    /// How many connections have ended otherwise.
    pub broken: usize,
}

/// Ends when it is dropped.
pub struct LineServer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _serving: JoinSet<()>,
}

impl LineServer {
    /// Starts on a free port.
    pub async fn start(script: Script) -> Self {
        Self::with(script, None).await
    }

    /// Starts one that speaks one version of TLS, with a certificate that nobody has signed, of a
    /// name that nobody has.
    pub async fn with_tls(script: Script, version: &'static SupportedProtocolVersion) -> Self {
        let names = ["nobody.invalid".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(own.cert)], key)
            .expect("a certificate with its key");
        Self::with(script, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn with(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::<Mutex<Seen>>::default();
        let of_all = Arc::clone(&seen);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, tls) = (Arc::clone(&of_all), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, script, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                let name = stream.get_ref().1.server_name().map(str::to_owned);
                                seen.lock().expect("no panic").name = name;
                                serve(stream, script, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, _serving: serving }
    }

    pub fn address(&self) -> Address {
        Address::Ip(self.address)
    }

    /// What `read` says of what it has seen.
    pub fn seen<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&self.seen.lock().expect("no panic"))
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    seen: &Mutex<Seen>,
) {
    let ended = talk(&mut stream, script, seen).await;
    let mut seen = seen.lock().expect("no panic");
    match ended {
        Ok(()) => seen.ended += 1,
        Err(_) => seen.broken += 1,
    }
}

async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: Script,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    stream.write_all(script.greeting).await?;
    stream.flush().await?;
    let mut received = Vec::new();
    if !script.answer.is_empty() || script.closes {
        stream.read_buf(&mut received).await?;
        seen.lock().expect("no panic").received = received;
        stream.write_all(script.answer).await?;
        stream.flush().await?;
    }
    while !script.repeated.is_empty() {
        stream.write_all(script.repeated).await?;
    }
    if !script.closes {
        while stream.read(&mut [0; 64]).await? != 0 {}
    }
    stream.shutdown().await
}
