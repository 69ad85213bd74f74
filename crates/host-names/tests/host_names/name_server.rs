//! A name server on a loopback port, whose records a test changes as it likes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What to say when asked for one name and type.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These records, with this time to live in seconds.
    Records(u32, Vec<RData>),
    Code(ResponseCode),
    Silence,
}

/// Ends when it is dropped.
pub struct NameServer {
    pub address: SocketAddr,
    replies: Arc<Mutex<HashMap<(String, RecordType), Reply>>>,
    asked: watch::Receiver<HashMap<String, usize>>,
    _task: JoinSet<()>,
}

impl NameServer {
    /// Names that were not given to it do not exist.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = socket.local_addr().expect("the port");
        let replies = Arc::new(Mutex::new(HashMap::new()));
        let (asking, asked) = watch::channel(HashMap::new());
        let mut task = JoinSet::new();
        task.spawn(serve(socket, Arc::clone(&replies), asking));
        Self { address, replies, asked, _task: task }
    }

    pub fn reply(&self, name: &str, record_type: RecordType, reply: Reply) {
        self.replies.lock().expect("the replies").insert((name.to_owned(), record_type), reply);
    }

    pub fn both(&self, name: &str, reply: &Reply) {
        self.reply(name, RecordType::A, reply.clone());
        self.reply(name, RecordType::AAAA, reply.clone());
    }

    /// `name` has these addresses, with a time to live in seconds.
    pub fn addresses(&self, name: &str, time_to_live: u32, addresses: &[&str]) {
        let addresses =
            addresses.iter().map(|address| address.parse::<IpAddr>().expect("an address"));
        let (ipv4, ipv6): (Vec<_>, Vec<_>) = addresses.partition(IpAddr::is_ipv4);
        for (record_type, addresses) in [(RecordType::A, ipv4), (RecordType::AAAA, ipv6)] {
            let records = addresses.into_iter().map(RData::from).collect();
            self.reply(name, record_type, Reply::Records(time_to_live, records));
        }
    }

    /// How many different names were asked for.
    pub fn names_asked(&self) -> usize {
        self.asked.borrow().len()
    }

    pub fn queries(&self, name: &str) -> usize {
        self.asked.borrow().get(name).copied().unwrap_or(0)
    }

    /// Waits until there were so many queries for `name`, retransmissions included.
    pub async fn wait_for_queries(&self, name: &str, queries: usize) {
        let mut asked = self.asked.clone();
        asked
            .wait_for(|asked| asked.get(name).is_some_and(|count| *count >= queries))
            .await
            .expect("the server runs");
    }
}

async fn serve(
    socket: UdpSocket,
    replies: Arc<Mutex<HashMap<(String, RecordType), Reply>>>,
    asking: watch::Sender<HashMap<String, usize>>,
) {
    // The largest datagram.
    let mut datagram = vec![0; 65_535];
    loop {
        let (length, from) = socket.recv_from(&mut datagram).await.expect("a datagram");
        let request = Message::from_vec(&datagram[..length]).expect("a query");
        let query = request.queries.first().expect("a query").clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_owned();
        let reply = replies
            .lock()
            .expect("the replies")
            .get(&(name.clone(), query.query_type()))
            .cloned()
            .unwrap_or(Reply::Code(ResponseCode::NXDomain));
        asking.send_modify(|asked| *asked.entry(name).or_default() += 1);
        let mut response = request.into_response();
        match reply {
            Reply::Silence => continue,
            Reply::Code(code) => response.metadata.response_code = code,
            Reply::Records(time_to_live, records) => {
                let mut owner = query.name().clone();
                for data in records {
                    let next = if let RData::CNAME(CNAME(target)) = &data {
                        Some(target.clone())
                    } else {
                        None
                    };
                    response.add_answer(Record::from_rdata(owner.clone(), time_to_live, data));
                    owner = next.unwrap_or(owner);
                }
            }
        }
        let response = response.to_vec().expect("a response");
        socket.send_to(&response, from).await.expect("the response is sent");
    }
}

/// An alias record, to stand before the addresses in [`Reply::Records`].
pub fn alias(target: &str) -> RData {
    RData::CNAME(CNAME(Name::from_ascii(target).expect("a name")))
}
