//! Starts what an end-to-end test needs, and ends it again: a real nginx with the module, a real
//! etcd, nodes, clients.
//!
//! Everything belongs to the test that started it: own folders, own ports, own processes, which end
//! with it however it ends. `KEEP_TEMP=1` leaves the folders, with nginx's and etcd's logs, for a
//! look.

#![forbid(unsafe_code)]

mod browser;
mod certificates;
mod configuration;
mod containers;
mod datagrams;
mod ending;
mod etcd;
mod etcd_cluster;
mod eventually;
mod fleet;
mod folder;
mod gate;
mod grpc_client;
mod grpc_node;
mod grpc_proxy;
mod http;
mod http2_node;
mod link;
mod load;
mod log;
mod nginx;
mod node_process;
mod open_sockets;
mod pipeline;
mod ports;
mod process;
mod program;
mod prometheus;
mod redis;
mod router;
mod served;
mod services;
mod session;
mod status;
mod stopwatch;
mod stream;
mod version;
mod websocket;

pub use browser::{Browser, Tab};
pub use certificates::{Authority, Certificate};
pub use configuration::{Configuration, Mode, PREFIX, UPSTREAM, cluster, key, upstream};
pub use containers::{Compose, Container, Network, docker, image};
pub use datagrams::{DatagramLoad, DatagramNode, DatagramReport};
pub use demo_node::{
    ClosedPort, Counts, FIREHOSE_POLL, Fault, ListenAddress, Node, OpenSession, StatusCode,
    broadcast_number, paced_byte,
};
pub use ending::{End, Ending, Observed};
pub use etcd::{Etcd, Write, Writes};
pub use etcd_cluster::{EtcdCluster, MEMBERS};
pub use eventually::eventually;
pub use fleet::Fleet;
pub use folder::Folder;
pub use gate::Gate;
pub use grpc_client::{GrpcCall, GrpcClient};
pub use grpc_node::GrpcNode;
pub use grpc_proxy::GrpcProxy;
pub use http::{Answer, Connection, get};
pub use http2_node::Http2Node;
pub use link::Link;
pub use load::{Clients, Failure, Load, Report};
pub use nginx::Nginx;
pub use node_process::NodeProcess;
pub use open_sockets::OpenSockets;
pub use pipeline::{Question, pipelined};
pub use ports::free_port;
pub use process::{
    address_space, limit_address_space, limit_files, memory, open_files, processor_time,
    processor_time_of_threads, running, signal, state,
};
pub use program::{Program, firehose_router};
pub use prometheus::{Prometheus, Rule, Series, Target, promtool_check};
pub use redis::{Redis, redis_command};
pub use router::{Router, settled, start_nodes};
pub use served::{Served, etcd_module};
pub use services::{
    Broker, NameServer, Patroni, Postgres, ShippedStream, Subscriber, Transport, ask_for_text,
    publish, running_role,
};
pub use session::{Record, Session};
pub use status::{
    Geo, GroupSettings, Holding, LiveMap, Peer, Rejected, StateFile, Status, Unresolved, Upstream,
    Variable, Zone,
};
pub use stopwatch::Stopwatch;
pub use stream::{
    NodeSession, SESSIONS, Socat, StreamKind, StreamModule, StreamRouter, TcpLoad, TcpNode,
    TcpSession, UdpClient, UdpNode, echo_each, ended_each, open_tcp, sessions, start_tcp_nodes,
    stream_kind, stream_server,
};
pub use version::{etcd_version, nginx_has, nginx_version, skip, without_keepalive};
pub use websocket::WebSocket;

use std::time::Duration;

/// Whatever went wrong, in words.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of everything here and of the tests.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The deadline of what needs a moment at most: ample, because a machine that builds at the same
/// time is slow.
pub const SOON: Duration = Duration::from_secs(20);

/// Fails with a formatted message unless the condition holds; for conditions that may yet come to
/// hold.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
