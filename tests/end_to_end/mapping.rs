//! A key leads to the same peer as in the stock nginx, so that a move to etcd reshuffles no cache
//! and no session.

use std::collections::BTreeSet;
use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use harness::*;

use crate::beside::{Beside, Kept, Way, peer_key, routes};

/// Keys, and clients of each family.
const KEYS: u32 = 10_000;
/// Has each kind of peer that nginx knows.
const PEERS: [&str; 6] = ["", "weight=2", "weight=5", "weight=3 down", "weight=4 backup", ""];
/// Those of them that serve.
const IN_SERVICE: [usize; 4] = [0, 1, 2, 5];
/// Peers of which some are removed.
const MANY: usize = 100;

/// Nodes that answer briefly, and with as few bytes as there can be.
async fn nodes() -> Result<(Vec<Node>, Vec<(String, &'static str)>)> {
    let nodes = start_nodes(PEERS.len()).await?;
    nodes.iter().for_each(|node| node.set_status(Some(StatusCode::NO_CONTENT)));
    let peers = nodes.iter().map(|node| node.address().to_string()).zip(PEERS).collect();
    Ok((nodes, peers))
}

fn check(what: &str, [ours, stock]: &[Vec<Way>; 2], in_service: &[usize]) {
    let differing: Vec<_> =
        ours.iter().zip(stock).enumerate().filter(|(_, (one, other))| one != other).collect();
    let first = &differing[..differing.len().min(5)];
    assert!(
        differing.is_empty(),
        "{what}: {} of {} differ: {first:?}",
        differing.len(),
        ours.len()
    );
    assert!(ours.iter().all(|(status, tried)| *status == 204 && tried.len() == 1), "{what}");
    let used: BTreeSet<_> = ours.iter().flat_map(|(_, tried)| tried).copied().collect();
    assert_eq!(used, in_service.iter().copied().collect(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hash_keys_lead_where_they_do_in_the_stock_nginx() -> Result<()> {
    let (_nodes, peers) = nodes().await?;
    let routes = routes(&[
        ("hash", "hash $arg_k"),
        ("ring", "hash $arg_k consistent"),
        ("address", "ip_hash"),
    ]);
    let server = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;";
    let beside = Beside::start(&peers, &routes, Kept::Yes, server).await?;
    for name in ["hash", "ring"] {
        let questions: Vec<_> =
            (0..KEYS).map(|key| Question::new(format!("/{name}/?k=user-{key}"))).collect();
        check(name, &beside.ask_at_once(&questions).await?, &IN_SERVICE);
    }
    let from = |address: String| Question::new("/address/").header("X-Real-IP", address);
    // Networks of 24 bits, since IPv4 addresses of one count as one.
    let clients = (0..KEYS).map(|client| {
        let [_, high, low, last] = (client * 1_621).to_be_bytes();
        from(format!("{}.{high}.{low}.{last}", 1 + client % 223))
    });
    check("ip_hash, IPv4", &beside.ask_at_once(&clients.collect::<Vec<_>>()).await?, &IN_SERVICE);
    let clients =
        (0..KEYS).map(|client| from(format!("2001:db8:{:x}::{client:x}", client * 7 % 0xffff)));
    check("ip_hash, IPv6", &beside.ask_at_once(&clients.collect::<Vec<_>>()).await?, &IN_SERVICE);
    beside.ours.check_log()
}

/// A ring's points are made of the addresses as they are written; what has no port, and what is no
/// IPv4 address, among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_of_every_kind_have_the_stock_points_of_consistent_hash() -> Result<()> {
    let folder = Folder::new("sockets")?;
    let mut nodes = Vec::new();
    for number in 0..2 {
        let path = folder.path().join(format!("{number}.sock"));
        let address = format!("unix:{}", path.display());
        nodes.push(Node::listen(&address, &address.parse()?).await?);
        // nginx's workers run as another user.
        set_permissions(&path, Permissions::from_mode(0o666))?;
    }
    for address in ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"] {
        nodes.push(Node::listen(address, &address.parse()?).await?);
    }
    nodes.iter().for_each(|node| node.set_status(Some(StatusCode::NO_CONTENT)));
    let words = ["weight=2", "", "weight=3", "", ""];
    let peers: Vec<_> = nodes.iter().map(|node| node.address().to_string()).zip(words).collect();
    let routes = routes(&[("hash", "hash $arg_k"), ("ring", "hash $arg_k consistent")]);
    let beside = Beside::start(&peers, &routes, Kept::Yes, "").await?;
    for name in ["hash", "ring"] {
        let questions: Vec<_> =
            (0..KEYS / 10).map(|key| Question::new(format!("/{name}/?k={key}"))).collect();
        check(name, &beside.ask_at_once(&questions).await?, &[0, 1, 2, 3, 4]);
    }
    beside.ours.check_log()
}

#[tokio::test]
async fn round_robin_has_the_stock_ones_sequence_from_the_start() -> Result<()> {
    let (_nodes, peers) = nodes().await?;
    let beside = Beside::start(&peers, &routes(&[("turns", "round_robin")]), Kept::No, "").await?;
    // Three cycles of 1 + 2 + 5 + 1.
    let seen = beside.ask_in_turn(&vec![Question::new("/turns/"); 27]).await?;
    check("round_robin", &seen, &IN_SERVICE);
    beside.ours.check_log()
}

/// The share of one peer among a hundred differs from 1 % by chance, as it does in nginx: by 0.08
/// points (160 points of a ring each) and 0.1 more (10 000 keys). The mean of three is above 1.3 %
/// once in 30 000 runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removal_of_one_peer_moves_its_own_hash_keys_alone() -> Result<()> {
    let node = Node::listen("all", &"0.0.0.0:0".parse()?).await?;
    node.set_status(Some(StatusCode::NO_CONTENT));
    let address = node.address().to_string();
    let port = address.rsplit(':').next().ok_or("no port")?;
    let peers: Vec<_> = (1..=MANY).map(|number| (format!("127.0.1.{number}:{port}"), "")).collect();
    let beside =
        Beside::start(&peers, &routes(&[("ring", "hash $arg_k consistent")]), Kept::Yes, "")
            .await?;
    let questions: Vec<_> = (0..KEYS).map(|key| Question::new(format!("/ring/?k={key}"))).collect();
    let removed = [17, 50, 83];
    let mut before = beside.ask_ours(&questions).await?;
    let mut moved = 0;
    for number in removed {
        beside.applied(beside.etcd.delete(&peer_key(number)).await?).await?;
        let after = beside.ask_ours(&questions).await?;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((after.0, after.1.len()), (204, 1));
            if before.1 == [number] {
                moved += 1;
                assert_ne!(after.1, [number]);
            } else {
                assert_eq!(before, after, "when p{number} went");
            }
        }
        before = after;
    }
    let mean = f64::from(moved) / removed.len() as f64 / f64::from(KEYS);
    assert!(moved > 0 && mean <= 0.013, "{moved} keys moved for {} peers", removed.len());
    beside.ours.check_log()
}
