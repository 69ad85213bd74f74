//! A key leads to the same peer as in the stock nginx's `stream {}`, so that a move to etcd
//! reshuffles no session.

use std::collections::BTreeSet;

use harness::*;

use super::source::{Client, Route, Source, Way, peer_key};

const KEYS: u32 = 1_500;

/// Clients as the PROXY protocol names them, of both families.
fn clients() -> Vec<Client> {
    let client = |number: u32| {
        let [_, high, low, last] = (number * 1_621).to_be_bytes();
        let line = if number.is_multiple_of(3) {
            format!("PROXY TCP6 2001:db8:{:x}::{number:x} ::1 1 2\r\n", number * 7 % 0xffff)
        } else {
            format!("PROXY TCP4 {}.{high}.{low}.{last} 127.0.0.1 1 2\r\n", 1 + number % 223)
        };
        (None, line)
    };
    (0..KEYS).map(client).collect()
}

fn check(what: &str, [ours, stock]: [&[Way]; 2], in_service: &[usize]) {
    let differing: Vec<_> =
        ours.iter().zip(stock).enumerate().filter(|(_, (one, other))| one != other).collect();
    let first = &differing[..differing.len().min(5)];
    assert!(
        differing.is_empty(),
        "{what}: {} of {} differ: {first:?}",
        differing.len(),
        ours.len()
    );
    assert!(ours.iter().all(|(status, tried)| *status == 200 && tried.len() == 1), "{what}");
    let used: BTreeSet<_> = ours.iter().flat_map(|(_, tried)| tried).copied().collect();
    assert_eq!(used, in_service.iter().copied().collect(), "{what}");
}

const METHODS: [(&str, &str); 3] = [
    ("hash", "hash $proxy_protocol_addr"),
    ("ring", "hash $proxy_protocol_addr consistent"),
    ("text", "hash client-$proxy_protocol_addr! consistent"),
];

fn routes(peers: &[(String, &'static str)]) -> Vec<Route> {
    let route = |(name, method)| {
        Route::new(name, method, peers.iter().cloned()).listen("proxy_protocol backlog=4096")
    };
    METHODS.into_iter().map(route).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hash_keys_lead_where_they_do_in_the_stock_nginx() -> Result<()> {
    let nodes = start_tcp_nodes(6).await?;
    let words = ["", "weight=2", "weight=5", "weight=3 down", "weight=4 backup", ""];
    let peers: Vec<_> = nodes.iter().map(TcpNode::address).zip(words).collect();
    let routes = routes(&peers);
    let (ours, stock) =
        tokio::try_join!(Source::Etcd.start(&routes, ""), Source::Lines.start(&routes, ""))?;
    let clients = clients();
    for (name, _) in METHODS {
        let (ours, stock) = tokio::try_join!(
            ours.ways_at_once(name, &clients),
            stock.ways_at_once(name, &clients)
        )?;
        check(name, [&ours, &stock], &[0, 1, 2, 5]);
    }
    ours.nginx.check_log()
}

/// A ring's points are made of the addresses as they are written; what has no port, and what is no
/// IPv4 address, among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_of_every_kind_have_the_stock_points_of_the_ring() -> Result<()> {
    let folder = Folder::new("sockets")?;
    let mut peers = Vec::new();
    let mut listeners = "server { listen 8080; return tcp; }".to_owned();
    for (number, words) in ["weight=2", ""].into_iter().enumerate() {
        let address = format!("unix:{}/{number}.sock", folder.path().display());
        listeners.push_str(&format!("server {{ listen {address}; return 'socket\\n'; }}"));
        peers.push((address, words));
    }
    let sockets = Configuration::stock().without_http().stream(&listeners);
    let _sockets = Nginx::start(sockets).await?;
    let mut nodes = Vec::new();
    for (address, words) in [("127.0.0.1:0", "weight=3"), ("127.0.0.2:0", ""), ("[::1]:0", "")] {
        nodes.push(TcpNode::listen(address, address).await?);
        peers.push((nodes[nodes.len() - 1].address(), words));
    }
    let routes = routes(&peers);
    let (ours, stock) =
        tokio::try_join!(Source::Etcd.start(&routes, ""), Source::Lines.start(&routes, ""))?;
    let clients = &clients()[..200];
    for (name, _) in METHODS {
        let (ours, stock) =
            tokio::try_join!(ours.ways_at_once(name, clients), stock.ways_at_once(name, clients))?;
        check(name, [&ours, &stock], &[0, 1, 2, 3, 4]);
    }
    ours.nginx.check_log()
}

/// Of a ring of twenty the keys of the removed one move, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_of_one_peer_moves_the_sessions_of_its_own_keys_alone() -> Result<()> {
    const MANY: usize = 20;
    let node = TcpNode::listen("all", "0.0.0.0:0").await?;
    let address = node.address();
    let port = address.rsplit(':').next().ok_or("no port")?;
    let peers: Vec<_> = (1..=MANY).map(|number| (format!("127.0.1.{number}:{port}"), "")).collect();
    let rig = Source::Etcd.start(&routes(&peers), "").await?;
    let etcd = rig.etcd.as_ref().ok_or("no etcd")?;
    let clients = clients();
    let mut before = rig.ways_at_once("ring", &clients).await?;
    for removed in [3, 11] {
        rig.applied_to("ring", etcd.delete(&format!("/ring/{}", peer_key(removed))).await?).await?;
        let after = rig.ways_at_once("ring", &clients).await?;
        let mut moved = 0;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((after.0, after.1.len()), (200, 1));
            if before.1 == [removed] {
                moved += 1;
                assert_ne!(after.1, [removed]);
            } else {
                assert_eq!(before, after, "when {removed} went");
            }
        }
        assert!(moved > 0 && moved < KEYS as usize / 5, "{moved} keys moved");
        before = after;
    }
    rig.nginx.check_log()
}
