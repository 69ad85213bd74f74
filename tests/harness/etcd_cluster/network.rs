//! The network of a cluster: proxies before each member, one for its clients and one for the other
//! members.

use std::fs::{read_dir, read_link, read_to_string};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::task::AbortOnDropHandle;

use crate::Result;

/// What is known of a member.
struct Known {
    /// The process that it is, to tell its connections to others by.
    process: Mutex<Option<i32>>,
    is_cut_off: watch::Sender<bool>,
}

/// The network. It goes with this value.
pub(super) struct Network {
    members: Arc<Vec<Known>>,
    /// Of each member: where clients, and where other members find it.
    addresses: Vec<(String, String)>,
    _acceptors: Vec<AbortOnDropHandle<()>>,
}

impl Network {
    /// A network between members that listen on these ports for clients and for peers.
    pub(super) async fn between(ports: &[(u16, u16)]) -> Result<Self> {
        let known = |_: &(u16, u16)| Known {
            process: Mutex::default(),
            is_cut_off: watch::Sender::new(false),
        };
        let members = Arc::new(ports.iter().map(known).collect::<Vec<_>>());
        let (mut addresses, mut acceptors) = (Vec::new(), Vec::new());
        for (member, (client_port, peer_port)) in ports.iter().enumerate() {
            let mut ends = Vec::new();
            for (port, is_of_peers) in [(client_port, false), (peer_port, true)] {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                ends.push(format!("http://{}", listener.local_addr()?));
                let acceptor = accept(listener, member, *port, is_of_peers, Arc::clone(&members));
                acceptors.push(AbortOnDropHandle::new(tokio::spawn(acceptor)));
            }
            let peer = ends.pop().ok_or("no address")?;
            addresses.push((ends.pop().ok_or("no address")?, peer));
        }
        Ok(Self { members, addresses, _acceptors: acceptors })
    }

    pub(super) fn client_url(&self, member: usize) -> String {
        self.addresses[member].0.clone()
    }

    pub(super) fn peer_url(&self, member: usize) -> String {
        self.addresses[member].1.clone()
    }

    pub(super) fn is_process(&self, member: usize, process: Option<i32>) {
        if let Ok(mut known) = self.members[member].process.lock() {
            *known = process;
        }
    }

    pub(super) fn cut_off(&self, member: usize, is_cut_off: bool) {
        self.members[member].is_cut_off.send_replace(is_cut_off);
    }
}

async fn accept(
    listener: TcpListener,
    to: usize,
    port: u16,
    is_of_peers: bool,
    members: Arc<Vec<Known>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, from)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let members = Arc::clone(&members);
        connections.spawn(async move {
            // A member that is cut off is so in both directions: what it connects to itself must
            // not come through either.
            let from = if is_of_peers {
                // Where many tests run side by side, the kernel's table of sockets takes long to
                // read: all of the cluster would stand still meanwhile.
                let members = Arc::clone(&members);
                let finding = spawn_blocking(move || member_with_port(&members, from.port()));
                // Of a member that is not known, as while the kernel's table changes under the
                // reader, nothing may come through: it could not be cut off, and a leader that
                // still reaches one of the others keeps them from electing another. It connects
                // again.
                let Ok(Some(from)) = finding.await else { return };
                Some(from)
            } else {
                None
            };
            let ends = [Some(to), from].into_iter().flatten();
            let ends = ends.map(|member| members[member].is_cut_off.subscribe()).collect();
            forward(stream, port, ends).await;
        });
    }
}

async fn forward(mut client: TcpStream, port: u16, mut ends: Vec<watch::Receiver<bool>>) {
    if !is_cut_off(&mut ends) {
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        tokio::select! {
            // Cancel safe: what was on its way is lost, as is meant.
            _ = copy_bidirectional(&mut client, &mut server) => return,
            () = is(&mut ends, true) => (),
        }
        // Both ends stay open, and nothing comes through; until it is healed, when TCP would have
        // given up.
        is(&mut ends, false).await;
    } else {
        is(&mut ends, false).await;
    }
}

fn is_cut_off(ends: &mut [watch::Receiver<bool>]) -> bool {
    ends.iter_mut().any(|end| *end.borrow_and_update())
}

/// Waits until the connection is cut off, or is not.
async fn is(ends: &mut [watch::Receiver<bool>], wanted: bool) {
    while is_cut_off(ends) != wanted {
        let changes = ends.iter_mut().map(|end| Box::pin(end.changed()));
        if futures_util::future::select_all(changes).await.0.is_err() {
            return;
        }
    }
}

/// The member that a connection comes from, by its port.
fn member_with_port(members: &[Known], port: u16) -> Option<usize> {
    let socket = format!("socket:[{}]", inode_of_port(port)?);
    members.iter().position(|member| {
        let Ok(Some(process)) = member.process.lock().map(|process| *process) else { return false };
        let Ok(open) = read_dir(format!("/proc/{process}/fd")) else { return false };
        open.flatten()
            .any(|entry| read_link(entry.path()).is_ok_and(|link| link.as_os_str() == &*socket))
    })
}

/// The inode of the socket on the loopback interface that has this local port (proc(5),
/// `/proc/net/tcp`).
fn inode_of_port(port: u16) -> Option<u64> {
    let local = format!("0100007F:{port:04X}");
    let text = read_to_string("/proc/net/tcp").ok()?;
    let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find(|fields| fields.get(1) == Some(&&*local))?.get(9)?.parse().ok()
}
