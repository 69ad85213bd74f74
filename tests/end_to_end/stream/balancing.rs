//! Each method beside nginx's own of the same name, with random upstreams and random sessions: the
//! same peers, in the same order.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use harness::*;

use super::source::{Client, Rig, Route, Source, Way, count, nodes_of};
use crate::random::Random;

/// Random upstreams for each method.
const CASES: usize = 6;
/// Most of the peers of each.
const MOST_PEERS: u64 = 7;
/// Sessions of each.
const SESSIONS_OF_EACH: u64 = 60;

/// How much two round robins of the same shares may differ in what one peer gets of them.
const ROUNDING: usize = 3;

/// The same upstream, once of lines and once from etcd.
struct Pair {
    ours: Rig,
    stock: Rig,
}

impl Pair {
    async fn start(routes: &[Route]) -> Result<Self> {
        let (ours, stock) = tokio::try_join!(
            Source::Etcd.start(routes, "proxy_connect_timeout 5s;"),
            Source::Lines.start(routes, "proxy_connect_timeout 5s;")
        )?;
        Ok(Self { ours, stock })
    }

    /// The ways of these clients in both, one after the other.
    async fn ways(&self, route: &str, clients: &[Client]) -> Result<[Vec<Way>; 2]> {
        let ways =
            tokio::try_join!(self.ours.ways(route, clients), self.stock.ways(route, clients));
        Ok(ways?.into())
    }
}

/// Names that live as long as the process: there are few.
fn leak(name: String) -> &'static str {
    name.leak()
}

/// Random parameters, of which one peer at least has none that keeps sessions away.
fn parameters(random: &mut Random, count: usize) -> Vec<String> {
    let mut all: Vec<_> = (0..count)
        .map(|_| {
            let mut words = vec!["max_fails=2 fail_timeout=60s".to_owned()];
            if random.one_in(2) {
                words.push(format!("weight={}", 1 + random.below(9)));
            }
            if random.one_in(6) {
                words.push("down".to_owned());
            }
            if random.one_in(6) {
                words.push("backup".to_owned());
            }
            words.join(" ")
        })
        .collect();
    let sure = random.below(count as u64) as usize;
    all[sure] = format!("weight={}", 1 + random.below(5));
    all
}

/// The parameter `weight` among these.
fn weight(words: &str) -> u64 {
    let given = words.split(' ').find_map(|word| word.strip_prefix("weight="));
    given.and_then(|weight| weight.parse().ok()).unwrap_or(1)
}

/// Random peers. With `faults` some of the addresses are nobody's. What takes no session has at
/// most half of the weight, so that a hash comes to somebody who does within nginx's twenty tries.
fn peers(random: &mut Random, nodes: &[TcpNode], faults: bool) -> Result<Vec<(String, String)>> {
    loop {
        let count = 2 + random.below(MOST_PEERS - 1) as usize;
        let words = parameters(random, count);
        let (mut peers, mut lost, mut whole) = (Vec::new(), 0, 0);
        for (number, words) in words.into_iter().enumerate() {
            let is_dead = faults && words.contains("max_fails") && random.one_in(4);
            if !words.contains("backup") {
                whole += weight(&words);
                if is_dead || words.contains("down") {
                    lost += weight(&words);
                }
            }
            let node = nodes[number].address();
            let address = if is_dead { format!("127.0.0.1:{}", free_port()?) } else { node };
            peers.push((address, words));
        }
        if lost * 2 <= whole {
            return Ok(peers);
        }
    }
}

fn clients(random: &mut Random) -> Vec<Client> {
    let client = |_| {
        let [a, b, c, _] = (random.next() as u32).to_be_bytes();
        (Some(Ipv4Addr::new(127, a, b, c.clamp(1, 254)).into()), String::new())
    };
    (0..SESSIONS_OF_EACH).map(client).collect()
}

/// Random upstreams for some methods, all in one nginx of each kind.
async fn random_routes(
    random: &mut Random,
    nodes: &[TcpNode],
    methods: &[(&str, &'static str, bool)],
) -> Result<Vec<(Route, &'static str, String)>> {
    let mut routes = Vec::new();
    for (name, method, faults) in methods {
        for case in 0..CASES {
            let peers = peers(random, nodes, *faults)?;
            let name = leak(format!("{name}{case}"));
            routes.push((Route::new(name, method, peers.clone()), name, format!("{peers:?}")));
        }
    }
    Ok(routes)
}

/// What depends on nothing but the order of the sessions, or on the client, is the same session by
/// session, with the dead peers that a hash has tried on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_and_hashes_lead_each_session_where_the_stock_ones_do() -> Result<()> {
    let mut random = Random::from_environment();
    let nodes = start_tcp_nodes(MOST_PEERS as usize + 1).await?;
    let methods = [
        ("turns", "", false),
        ("hash", "hash $remote_addr", true),
        ("ring", "hash $remote_addr consistent", true),
    ];
    let routes = random_routes(&mut random, &nodes, &methods).await?;
    let all: Vec<_> = routes.iter().map(|(route, ..)| route.clone()).collect();
    let pair = Pair::start(&all).await?;
    for (_, name, peers) in &routes {
        let clients = clients(&mut random);
        let [ours, stock] = pair.ways(name, &clients).await?;
        for (number, (ours, stock)) in ours.iter().zip(&stock).enumerate() {
            assert_eq!(ours, stock, "{name}, session {number}, {peers}");
        }
    }
    pair.ours.nginx.check_log()
}

/// How many sessions each node has.
fn shares(held: &[TcpSession]) -> BTreeMap<String, usize> {
    count(&nodes_of(held)).into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// Sessions are opened and closed at random. Whoever is first among those that have as many for
/// their weights, each has its session before any of them has a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn least_conn_has_the_stock_ones_shares_while_sessions_come_and_go() -> Result<()> {
    let mut random = Random::from_environment();
    let nodes = start_tcp_nodes(MOST_PEERS as usize + 1).await?;
    let mut routes = Vec::new();
    for case in 0..CASES {
        let count = 2 + random.below(MOST_PEERS - 1) as usize;
        let mut words = parameters(&mut random, count);
        words[count - 1].push_str(&format!(" max_conns={}", 1 + random.below(9)));
        let peers = nodes.iter().map(TcpNode::address).zip(words);
        let peers: Vec<_> = peers.collect();
        routes.push((Route::new(leak(format!("least{case}")), "least_conn", peers.clone()), peers));
    }
    let all: Vec<_> = routes.iter().map(|(route, _)| route.clone()).collect();
    let pair = Pair::start(&all).await?;
    for (case, (_, peers)) in routes.iter().enumerate() {
        let name = format!("least{case}");
        let (mut ours, mut stock) = (Vec::new(), Vec::new());
        for step in 0..SESSIONS_OF_EACH {
            ours.extend(pair.ours.hold(&name, 1).await?);
            stock.extend(pair.stock.hold(&name, 1).await?);
            let (ours_now, stock_now) = (shares(&ours), shares(&stock));
            for node in &nodes {
                let [a, b] = [&ours_now, &stock_now]
                    .map(|shares| shares.get(node.name()).copied().unwrap_or_default());
                // Who is first among those that are equal differs.
                assert!(
                    a.abs_diff(b) <= 1,
                    "{name}, step {step}, {peers:?}: {ours_now:?}, {stock_now:?}"
                );
            }
            // The sessions of one node are closed in both.
            if ours_now == stock_now && !ours.is_empty() && random.one_in(6) {
                let gone = ours[random.below(ours.len() as u64) as usize].node().to_owned();
                for held in [&mut ours, &mut stock] {
                    for session in held.extract_if(.., |session| session.node() == gone) {
                        session.finish().await?;
                    }
                }
            }
        }
    }
    pair.ours.nginx.check_log()
}

/// Peers that are dead are left out by both after as many failures, and the rest have their shares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_past_dead_peers_have_the_stock_ones_shares() -> Result<()> {
    let mut random = Random::from_environment();
    let nodes = start_tcp_nodes(MOST_PEERS as usize + 1).await?;
    let methods = [("turns", "", true), ("least", "least_conn", true)];
    let routes = random_routes(&mut random, &nodes, &methods).await?;
    let all: Vec<_> = routes.iter().map(|(route, ..)| route.clone()).collect();
    let pair = Pair::start(&all).await?;
    for (_, name, peers) in &routes {
        let clients = clients(&mut random);
        let tries = pair.ways(name, &clients).await?.map(|ways| {
            let mut tries = [0_usize; MOST_PEERS as usize + 1];
            ways.iter().flat_map(|(_, tried)| tried).for_each(|peer| tries[*peer] += 1);
            (tries, ways.iter().filter(|(status, _)| *status == 200).count())
        });
        let [(ours, served), (stock, theirs)] = tries;
        assert_eq!(served, theirs, "{name}, {peers}");
        let differ = ours.iter().zip(&stock).any(|(ours, stock)| ours.abs_diff(*stock) > ROUNDING);
        assert!(!differ, "{name}, {peers}: {ours:?}, stock {stock:?}");
    }
    pair.ours.nginx.check_log()
}

/// The shares of a method of chance are those of the weights, in both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_of_chance_are_those_of_the_weights() -> Result<()> {
    const EACH: usize = 400;
    let nodes = start_tcp_nodes(3).await?;
    let peers = || nodes.iter().map(TcpNode::address).zip(["weight=1", "weight=2", "weight=5"]);
    let routes = [
        Route::new("any", "random", peers()),
        Route::new("down", "random", peers().chain([("127.0.0.1:9".to_owned(), "down weight=9")])),
    ];
    let pair = Pair::start(&routes).await?;
    for name in ["any", "down"] {
        let clients = vec![(None, String::new()); EACH];
        for rig in [&pair.ours, &pair.stock] {
            let ways = rig.ways_at_once(name, &clients).await?;
            let mut counts = [0; 3];
            for (status, tried) in ways {
                assert_eq!(status, 200, "{name}");
                counts[tried[0]] += 1;
            }
            // Five times the deviation of each: less than once in a million runs.
            for (count, (share, deviation)) in
                counts.iter().zip([(50.0, 6.7), (100.0, 8.7), (250.0, 9.7)])
            {
                let off = (f64::from(*count) - share).abs();
                assert!(off < 5.0 * deviation, "{name}: {counts:?}");
            }
        }
    }
    pair.ours.nginx.check_log()
}
