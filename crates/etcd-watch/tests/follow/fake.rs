//! A server that speaks as much of etcd's protocol as a list and a watch take, and answers as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use etcd_client::proto::{PbEvent, PbKeyValue, PbRangeResponse, PbResponseHeader, PbWatchResponse};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::followed::key;

pub const CLUSTER: u64 = 7;

#[derive(Clone)]
pub struct Script {
    /// The answer to every list.
    pub list: Bytes,
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

/// The response to the watch's creation, at the revision of the list, which is the answer to each later read as well.
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
        Self { list: list().encode_to_vec().into(), watch, ends: false }
    }

    pub fn list(list: &PbRangeResponse) -> Self {
        Self { list: list.encode_to_vec().into(), watch: vec![], ends: false }
    }
}

pub struct Fake {
    pub url: String,
    lists: Arc<AtomicUsize>,
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
        let lists = Arc::new(AtomicUsize::new(0));
        let acceptor = tokio::spawn({
            let lists = Arc::clone(&lists);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, script.clone(), Arc::clone(&lists)));
                }
            }
        });
        Self { url, lists, acceptor }
    }

    /// How many lists were asked for.
    pub fn lists(&self) -> usize {
        self.lists.load(Ordering::Relaxed)
    }
}

/// Answers on a connection, pings included, until the other side closes it.
async fn serve(stream: TcpStream, script: Script, lists: Arc<AtomicUsize>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        if request.uri().path().ends_with("/Range") {
            lists.fetch_add(1, Ordering::Relaxed);
        }
        tokio::spawn(answer(request, respond, script.clone()));
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: Script,
) -> Result<(), h2::Error> {
    let is_watch = request.uri().path().ends_with("/Watch");
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    let messages = if is_watch { script.watch } else { vec![script.list] };
    for message in messages {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).expect("a small message"));
        framed.put(message);
        stream.send_data(framed.freeze(), false)?;
    }
    if is_watch && !script.ends {
        // Requests for progress are read, and that is all.
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.data().await {}
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}
