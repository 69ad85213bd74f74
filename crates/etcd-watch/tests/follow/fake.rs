//! A server that speaks as much of etcd's protocol as a list and a watch take, and answers as it is
//! told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use etcd_client::proto::{PbEvent, PbKeyValue, PbRangeResponse, PbResponseHeader, PbWatchResponse};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::followed::key;

pub const CLUSTER: u64 = 7;

/// A `WatchCreateRequest`, as far as it matters here.
#[derive(Clone, PartialEq, Message)]
pub struct Create {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub start_revision: i64,
    #[prost(bool, tag = "8")]
    pub fragment: bool,
}

/// A `WatchRequest` that creates a watch.
#[derive(Clone, PartialEq, Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<Create>,
}

/// A `RangeRequest`, as far as it matters here.
#[derive(Clone, PartialEq, Message)]
pub struct Range {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub limit: i64,
    #[prost(int64, tag = "4")]
    pub revision: i64,
    #[prost(int64, tag = "10")]
    pub min_mod_revision: i64,
}

/// What a server answers to the `usize`th range request, from 0 on, and after how long.
type Answer = dyn Fn(usize, Range) -> (Duration, Bytes) + Send + Sync;

/// Why a range request is refused, if it is.
type Refusal = dyn Fn(&Range) -> Option<&'static str> + Send + Sync;

/// What was asked of a server.
#[derive(Default)]
struct Asked {
    lists: AtomicUsize,
    ranges: Mutex<Vec<Range>>,
    watches: Mutex<Vec<Create>>,
}

#[derive(Clone)]
pub struct Script {
    /// The answer to each read.
    pub read: Arc<Answer>,
    /// The reads that are answered by an error.
    pub refuses: Arc<Refusal>,
    /// What every watch says.
    pub watch: Vec<Bytes>,
    /// Whether the stream of the watch ends thereafter; it stays open without a word otherwise.
    pub ends: bool,
}

pub fn header(cluster_id: u64, revision: i64) -> Option<PbResponseHeader> {
    Some(PbResponseHeader { cluster_id, revision, ..Default::default() })
}

pub fn pair(name: &str, mod_revision: i64) -> PbKeyValue {
    PbKeyValue { key: key(name).into(), mod_revision, ..Default::default() }
}

/// A list of one key at revision 5.
pub fn list() -> PbRangeResponse {
    PbRangeResponse { header: header(CLUSTER, 5), kvs: vec![pair("a", 5)], more: false, count: 1 }
}

/// The response to the watch's creation, at the revision of the list, which is the answer to each
/// later read as well.
pub fn created() -> PbWatchResponse {
    PbWatchResponse { created: true, ..says(vec![]) }
}

pub fn says(events: Vec<PbEvent>) -> PbWatchResponse {
    PbWatchResponse { header: header(CLUSTER, 5), events, ..Default::default() }
}

impl Script {
    /// A list and a watch that says this.
    pub fn new(watch: &[PbWatchResponse]) -> Self {
        let watch = watch.iter().map(|response| response.encode_to_vec().into()).collect();
        Self { watch, ..Self::list(&list()) }
    }

    /// This to each read.
    pub fn list(list: &PbRangeResponse) -> Self {
        Self::bytes(list.encode_to_vec().into())
    }

    /// This to each read, in the place of a message.
    pub fn bytes(list: Bytes) -> Self {
        Self {
            read: Arc::new(move |_, _| (Duration::ZERO, list.clone())),
            refuses: Arc::new(|_| None),
            watch: vec![],
            ends: false,
        }
    }

    /// The same, but reads are answered by `read`, after a while.
    pub fn reads(
        self,
        read: impl Fn(usize, Range) -> (Duration, PbRangeResponse) + Send + Sync + 'static,
    ) -> Self {
        let read = move |number, request| {
            let (wait, answer) = read(number, request);
            (wait, answer.encode_to_vec().into())
        };
        Self { read: Arc::new(read), ..self }
    }

    /// The same, but some reads are refused.
    pub fn refuses(
        self,
        refuses: impl Fn(&Range) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        Self { refuses: Arc::new(refuses), ..self }
    }
}

pub struct Fake {
    pub url: String,
    asked: Arc<Asked>,
    acceptor: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl Fake {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::<Asked>::default();
        let acceptor = tokio::spawn({
            let asked = Arc::clone(&asked);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, script.clone(), Arc::clone(&asked)));
                }
            }
        });
        Self { url, asked, acceptor }
    }

    /// How many lists were asked for.
    pub fn lists(&self) -> usize {
        self.asked.lists.load(Ordering::Relaxed)
    }

    /// The ranges that were asked for.
    pub fn ranges(&self) -> Vec<Range> {
        self.asked.ranges.lock().expect("no panic").clone()
    }

    /// The watches that were asked for.
    pub fn watches(&self) -> Vec<Create> {
        self.asked.watches.lock().expect("no panic").clone()
    }
}

/// Answers on a connection, pings included, until the other side closes it.
async fn serve(stream: TcpStream, script: Script, asked: Arc<Asked>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, script.clone(), Arc::clone(&asked)));
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: Script,
    asked: Arc<Asked>,
) -> Result<(), h2::Error> {
    let is_watch = request.uri().path().ends_with("/Watch");
    let mut body = request.into_body();
    let (mut messages, mut number) = (script.watch, 0);
    if is_watch {
        let request = first_message::<WatchRequest>(&mut body).await;
        asked.watches.lock().expect("no panic").extend(request.and_then(|request| request.create));
    } else {
        number = asked.lists.fetch_add(1, Ordering::Relaxed);
    }
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    if !is_watch {
        let request: Range = first_message(&mut body).await.unwrap_or_default();
        asked.ranges.lock().expect("no panic").push(request.clone());
        if let Some(message) = (script.refuses)(&request) {
            return stream.send_trailers(trailers("2", message));
        }
        let (wait, message) = (script.read)(number, request);
        sleep(wait).await;
        messages = vec![message];
    }
    for message in messages {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).expect("a small message"));
        framed.put(message);
        stream.send_data(framed.freeze(), false)?;
    }
    if is_watch && !script.ends {
        // Requests for progress are read, and that is all.
        while let Some(Ok(_)) = body.data().await {}
    }
    stream.send_trailers(trailers("0", ""))
}

fn trailers(status: &'static str, message: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    trailers.insert("grpc-message", HeaderValue::from_static(message));
    trailers
}

/// The first message of a request, which is small and comes in one piece.
async fn first_message<M: Message + Default>(body: &mut h2::RecvStream) -> Option<M> {
    let data = body.data().await?.ok()?;
    body.flow_control().release_capacity(data.len()).ok()?;
    // A byte and the length stand before it.
    M::decode(data.get(5..)?).ok()
}
