//! A node that speaks HTTP/1 and HTTP/2 without TLS: a server of hyper's.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::Result;

/// Answers `/hold` when it is told to, and anything else at once: its name in `x-node`, and the
/// protocol of the request.
#[derive(Debug)]
pub struct Http2Node {
    address: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    accepted: AtomicU64,
    requests: AtomicU64,
    held: AtomicU64,
    released: watch::Sender<bool>,
}

impl Http2Node {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Those of listening.
    pub async fn start(name: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            accepted: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            held: AtomicU64::new(0),
            released: watch::Sender::new(false),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _server: AbortOnDropHandle::new(server) })
    }

    /// Where it listens; what nginx and etcd take.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many requests have come.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many requests are held now.
    pub fn held(&self) -> u64 {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// Answers what is held, and holds nothing from now on.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&shared)));
            let server = auto::Builder::new(TokioExecutor::new());
            // What ends a connection, nginx notices as well.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A request that is held, for as long as it is.
struct Held(Arc<Shared>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    if request.uri().path() == "/hold" {
        shared.held.fetch_add(1, Ordering::Relaxed);
        let held = Held(Arc::clone(&shared));
        let _ = held.0.released.subscribe().wait_for(|released| *released).await;
    }
    let is_http2 = request.version() == Version::HTTP_2;
    let mut response = Response::new(Full::from(if is_http2 { "HTTP/2" } else { "HTTP/1" }));
    if let Ok(name) = shared.name.parse() {
        response.headers_mut().insert("x-node", name);
    }
    Ok(response)
}
