//! An HTTP client that does exactly what it is told: no pool, and above all no silent second
//! attempt, which would hide the failures that the tests look for.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::Result;

/// The longest any answer may take: beyond nginx's own timeouts in the tests' configurations.
const ANSWER: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value, empty where it lacks.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The name of the node that answered.
    pub fn node(&self) -> &str {
        self.header("x-node")
    }

    /// The key of the peer, as `$etcd_peer` gives it.
    pub fn peer(&self) -> &str {
        self.header("x-peer")
    }

    /// The applied revision, as `$etcd_revision` gives it.
    pub fn revision(&self) -> i64 {
        self.header("x-revision").parse().unwrap_or_default()
    }

    /// The pid of the worker that served it.
    pub fn worker(&self) -> i32 {
        self.header("x-worker").parse().unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection, for one request after the other.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    address: String,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = timeout(ANSWER, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async move {
            // The sender of the request learns of the error.
            let _ = connection.await;
        });
        Ok(Self { sender, address: address.to_owned(), _driver: AbortOnDropHandle::new(driver) })
    }

    /// The same, whose requests are for this host.
    #[must_use]
    pub fn for_host(self, host: &str) -> Self {
        Self { address: host.to_owned(), ..self }
    }

    /// Asks for a path.
    ///
    /// # Errors
    ///
    /// When no whole answer comes. A status code of whatever kind is no error.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Asks for a path, with further headers.
    ///
    /// # Errors
    ///
    /// As with [`get`](Self::get), and a header that is none.
    pub async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        let builder = Request::builder().uri(path).header(HOST, &self.address);
        let builder =
            headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        self.ask(builder.body(Full::default())?).await
    }

    /// Sends a request with a body.
    ///
    /// # Errors
    ///
    /// As with [`get`](Self::get).
    pub async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        let builder = Request::builder().method(method).uri(path).header(HOST, &self.address);
        self.ask(builder.body(Full::new(body))?).await
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        timeout(ANSWER, async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
        })
        .await?
    }
}

/// Asks for a path on a connection of its own.
///
/// # Errors
///
/// Those of connecting and asking.
pub async fn get(address: &str, path: &str) -> Result<Answer> {
    Connection::open(address).await?.get(path).await
}
