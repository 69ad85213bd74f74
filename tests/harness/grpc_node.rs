//! A node that speaks gRPC: a server of tonic's, before a service that needs no `.proto` file.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::Result;

/// The service `test.Echo`. Its messages are `google.protobuf.StringValue`:
///
/// * `Say` (unary) answers once,
/// * `Count` (server streaming) answers with the text, and goes on until the node is told to end,
/// * `Talk` (bidirectional) answers each message.
///
/// All answers begin with the node's name and a colon.
#[derive(Debug)]
pub struct GrpcNode {
    shared: Arc<Shared>,
    address: String,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    accepted: AtomicU64,
    calls: AtomicU64,
    open: AtomicU64,
    /// Whether streams of `Count` are to end.
    ends: watch::Sender<bool>,
}

impl Shared {
    fn answer(&self, text: &str) -> String {
        format!("{}:{text}", self.name)
    }
}

impl GrpcNode {
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
            calls: AtomicU64::new(0),
            open: AtomicU64::new(0),
            ends: watch::Sender::new(false),
        });
        let service = Echo(Arc::clone(&shared));
        let accepted =
            stream::unfold((listener, Arc::clone(&shared)), |(listener, shared)| async {
                let accepted = listener.accept().await.map(|(socket, _)| socket);
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                Some((accepted, (listener, shared)))
            });
        let server = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            // What it cannot serve, its client notices.
            let _ = server.serve_with_incoming(accepted).await;
        });
        Ok(Self { shared, address, _server: AbortOnDropHandle::new(server) })
    }

    /// The name that its answers begin with.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Where it listens; what nginx and etcd take.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many calls have come.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// How many calls are open now.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Ends the streams of `Count` that are open, in order.
    pub fn end_counts(&self) {
        self.shared.ends.send_replace(true);
    }
}

/// A call, for as long as it is open.
struct OpenCall(Arc<Shared>);

impl OpenCall {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.calls.fetch_add(1, Ordering::Relaxed);
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

#[derive(Clone)]
struct Echo(Arc<Shared>);

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
            Ok(match request.uri().path() {
                "/test.Echo/Say" => grpc.unary(Say(shared), request).await,
                "/test.Echo/Count" => grpc.server_streaming(Count(shared), request).await,
                "/test.Echo/Talk" => grpc.streaming(Talk(shared), request).await,
                other => Status::unimplemented(other).into_http(),
            })
        })
    }
}

struct Say(Arc<Shared>);

impl UnaryService<String> for Say {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let call = OpenCall::new(&self.0);
        Box::pin(async move { Ok(Response::new(call.0.answer(request.get_ref()))) })
    }
}

struct Count(Arc<Shared>);

impl ServerStreamingService<String> for Count {
    type Response = String;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let (call, mut ends) = (OpenCall::new(&self.0), self.0.ends.subscribe());
        let first = call.0.answer(request.get_ref());
        let end = stream::once(async move {
            let _ = ends.wait_for(|ends| *ends).await;
            Ok(call.0.answer("end"))
        });
        let answers: Answers = Box::pin(stream::once(async { Ok(first) }).chain(end));
        Box::pin(async { Ok(Response::new(answers)) })
    }
}

struct Talk(Arc<Shared>);

impl StreamingService<String> for Talk {
    type Response = String;
    type ResponseStream = Answers;
    type Future = BoxFuture<Response<Answers>, Status>;

    fn call(&mut self, request: Request<Streaming<String>>) -> Self::Future {
        let call = OpenCall::new(&self.0);
        let texts = request.into_inner();
        let answers: Answers =
            Box::pin(texts.map(move |text| text.map(|text| call.0.answer(&text))));
        Box::pin(async { Ok(Response::new(answers)) })
    }
}
