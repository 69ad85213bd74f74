//! A gRPC client of tonic's, for the service of [`GrpcNode`](crate::GrpcNode).

use std::time::Duration;

use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::{Error, Result, SOON, ensure};

/// One connection over HTTP/2, for any number of calls at once.
#[derive(Clone, Debug)]
pub struct GrpcClient(Grpc<Channel>);

/// A call that streams, with the first answer of the node.
#[derive(Debug)]
pub struct GrpcCall {
    say: Option<mpsc::Sender<String>>,
    hear: Streaming<String>,
    node: String,
}

impl GrpcClient {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn connect(address: &str) -> Result<Self> {
        let channel = Endpoint::new(format!("http://{address}"))?.connect().await?;
        Ok(Self(Grpc::new(channel)))
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unknown(error.to_string()))
    }

    /// A unary call; gives the node that answered.
    ///
    /// # Errors
    ///
    /// The status of the call, if it is not `OK`.
    pub async fn say(&mut self, text: &str) -> Result<String, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Echo/Say");
        let codec = ProstCodec::<String, String>::default();
        let answer = self.0.unary(Request::new(text.to_owned()), path, codec).await?.into_inner();
        let (node, said) = answer.split_once(':').unwrap_or_default();
        if said != text {
            return Err(Status::internal(format!("{answer:?}, asked for {text:?}")));
        }
        Ok(node.to_owned())
    }

    /// Opens a call with a stream of the server's.
    ///
    /// # Errors
    ///
    /// When it does not come to a node soon.
    pub async fn count(&mut self) -> Result<GrpcCall> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Echo/Count");
        let codec = ProstCodec::<String, String>::default();
        let call = self.0.server_streaming(Request::new("count".to_owned()), path, codec);
        let hear = soon("a call begins", call).await??.into_inner();
        GrpcCall::open(None, hear).await
    }

    /// Opens a call with streams in both directions.
    ///
    /// # Errors
    ///
    /// When it does not come to a node soon.
    pub async fn talk(&mut self) -> Result<GrpcCall> {
        self.ready().await?;
        let (say, texts) = mpsc::channel(1);
        say.send("begin".to_owned()).await?;
        let texts = stream::unfold(texts, async |mut texts: mpsc::Receiver<String>| {
            Some((texts.recv().await?, texts))
        });
        let path = PathAndQuery::from_static("/test.Echo/Talk");
        let codec = ProstCodec::<String, String>::default();
        let call = self.0.streaming(Request::new(Box::pin(texts)), path, codec);
        let hear = soon("a call begins", call).await??.into_inner();
        GrpcCall::open(Some(say), hear).await
    }
}

impl GrpcCall {
    async fn open(say: Option<mpsc::Sender<String>>, hear: Streaming<String>) -> Result<Self> {
        let mut call = Self { say, hear, node: String::new() };
        call.node = call.next().await?.0;
        Ok(call)
    }

    /// The node that the call is with.
    pub fn node(&self) -> &str {
        &self.node
    }

    async fn next(&mut self) -> Result<(String, String)> {
        let answer =
            soon("an answer comes", self.hear.message()).await??.ok_or("the stream has ended")?;
        let (node, text) = answer.split_once(':').ok_or("no name")?;
        Ok((node.to_owned(), text.to_owned()))
    }

    /// Says something, and waits for the same node's answer.
    ///
    /// # Errors
    ///
    /// When the stream has ended.
    pub async fn echo(&mut self, text: &str) -> Result<()> {
        let say = self.say.as_ref().ok_or("only the node speaks")?;
        say.send(text.to_owned()).await?;
        let answer = self.next().await?;
        ensure!(answer == (self.node.clone(), text.to_owned()), "{answer:?}");
        Ok(())
    }

    /// Says nothing more, and waits until the node ends the call in order.
    ///
    /// # Errors
    ///
    /// When it ends otherwise.
    pub async fn finish(mut self) -> Result<()> {
        self.say = None;
        while soon("the call ends", self.hear.message()).await??.is_some() {}
        let trailers = self.hear.trailers().await?;
        ensure!(trailers.is_some(), "no trailers");
        Ok(())
    }

    /// Waits until something else ends the call, and gives its code.
    ///
    /// # Errors
    ///
    /// When nothing does within this time, or it ends in order.
    pub async fn broken(&mut self, within: Duration) -> Result<Code> {
        let end = timeout(within, async {
            loop {
                match self.hear.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Err(Error::from("the call ended in order")),
                    Err(status) => return Ok(status.code()),
                }
            }
        });
        end.await.map_err(|_| format!("the call with {} is open after {within:?}", self.node))?
    }
}

/// Waits for what needs a moment at most.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    timeout(SOON, future).await.map_err(|_| format!("not within {SOON:?}: {what}").into())
}
