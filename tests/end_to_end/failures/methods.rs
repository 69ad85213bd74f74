//! Failures in every method: the same requests have the same ways as with the stock nginx's method
//! of the same name.

use futures_util::future::try_join_all;
use harness::*;

use crate::beside::{Beside, Kept, Route, Way};

const NODES: usize = 4;
/// The one that fails where one does.
const FAILING: usize = 1;
/// Requests for each method and fault. `random` comes to the failing one less than twice in one run
/// of a million.
const REQUESTS: usize = 60;
/// How much two round robins of the same shares may differ in what one peer gets in [`REQUESTS`].
const ROUNDING: usize = 3;

const METHODS: [(&str, &str); 6] = [
    ("turns", "round_robin"),
    ("least", "least_conn"),
    ("any", "random"),
    ("hash", "hash $arg_k"),
    ("ring", "hash $arg_k consistent"),
    ("address", "ip_hash"),
];
/// Those of them that go by something of the request's: of these each way is the same, peer by
/// peer.
const KEYED: [&str; 3] = ["hash", "ring", "address"];

/// Has `ip_hash` take the clients' addresses from the test.
const CLIENTS: &str = "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;";
/// What counts as a failure, and a time that is short for the test and long for a node that is
/// well.
const FURTHER: &str = "proxy_next_upstream error timeout http_500 http_503; proxy_read_timeout 1s;";

fn questions(route: &str, count: usize) -> Vec<Question> {
    let ask = |number: usize| {
        Question::new(format!("/{route}/?k={number}"))
            .header("X-Real-IP", format!("10.1.{number}.1"))
    };
    (0..count).map(ask).collect()
}

/// How often each peer was tried.
fn tries(ways: &[Way]) -> [usize; NODES] {
    let mut counts = [0; NODES];
    ways.iter().flat_map(|(_, tried)| tried).for_each(|peer| counts[*peer] += 1);
    counts
}

/// Whether each way leads to a peer once at most.
fn are_straight(ways: &[Way]) -> bool {
    ways.iter()
        .all(|(_, tried)| tried.iter().enumerate().all(|(at, peer)| !tried[..at].contains(peer)))
}

/// Statuses, and how many peers were tried for each.
fn lengths(ways: &[Way]) -> Vec<(u16, usize)> {
    let mut lengths: Vec<_> = ways.iter().map(|(status, tried)| (*status, tried.len())).collect();
    lengths.sort_unstable();
    lengths
}

struct Test {
    nodes: Vec<Node>,
    beside: Beside,
}

impl Test {
    /// A route for each variant and method, named after both.
    async fn start(parameters: [&str; NODES], variants: &[(&str, &str)]) -> Result<Self> {
        let nodes = start_nodes(NODES).await?;
        let peers: Vec<_> =
            nodes.iter().map(|node| node.address().to_string()).zip(parameters).collect();
        let names: Vec<_> = variants
            .iter()
            .flat_map(|(variant, location)| {
                METHODS.map(|(name, method)| (format!("{variant}_{name}"), method, *location))
            })
            .collect();
        let routes: Vec<_> =
            names.iter().map(|(name, method, location)| Route { name, method, location }).collect();
        let beside = Beside::start(&peers, &routes, Kept::No, CLIENTS).await?;
        Ok(Self { nodes, beside })
    }

    fn set_fault(&self, fault: Fault) {
        self.nodes.iter().for_each(|node| node.set_fault(fault));
    }

    /// Asks all methods of a variant at the same time.
    async fn ask(&self, variant: &str, count: usize) -> Result<Vec<(&'static str, [Vec<Way>; 2])>> {
        let ask = async |name: &'static str| {
            let questions = questions(&format!("{variant}_{name}"), count);
            Result::Ok((name, self.beside.ask_in_turn(&questions).await?))
        };
        try_join_all(METHODS.map(|(name, _)| ask(name))).await
    }
}

/// Of one peer that fails twice, and then is left out.
async fn check_fault(test: &Test, fault: &str) -> Result<()> {
    for (name, [ours, stock]) in test.ask(fault, REQUESTS).await? {
        if KEYED.contains(&name) {
            assert_eq!(ours, stock, "{fault}, {name}");
        }
        assert!(ours.iter().all(|(status, _)| *status == 200), "{fault}, {name}: {ours:?}");
        assert_eq!(lengths(&ours), lengths(&stock), "{fault}, {name}");
        assert!(are_straight(&ours), "{fault}, {name}: {ours:?}");
        let [ours, stock] = [tries(&ours), tries(&stock)];
        assert_eq!([ours[FAILING], stock[FAILING]], [2, 2], "{fault}, {name}");
        if name != "any" {
            let differ =
                ours.iter().zip(&stock).any(|(ours, stock)| ours.abs_diff(*stock) > ROUNDING);
            assert!(!differ, "{fault}, {name}: {ours:?}, stock {stock:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn each_method_does_as_the_stock_one_at_every_fault() -> Result<()> {
    let faults = ["closed", "reset", "timed_out", "status_500", "status_503", "refused"];
    let mut test =
        Test::start(["max_fails=2 fail_timeout=60s"; NODES], &faults.map(|fault| (fault, FURTHER)))
            .await?;
    for (name, fault) in
        [("closed", Fault::Close), ("reset", Fault::Reset), ("timed_out", Fault::Hang)]
    {
        test.nodes[FAILING].set_fault(fault);
        check_fault(&test, name).await?;
    }
    test.nodes[FAILING].set_fault(Fault::None);
    for (name, status) in [
        ("status_500", StatusCode::INTERNAL_SERVER_ERROR),
        ("status_503", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        test.nodes[FAILING].set_status(Some(status));
        check_fault(&test, name).await?;
    }
    test.nodes.remove(FAILING).kill().await;
    check_fault(&test, "refused").await?;
    test.beside.ours.check_log()
}

#[tokio::test]
async fn proxy_next_upstream_and_its_limits_hold_in_each_method() -> Result<()> {
    // How many tries each request has, where all peers fail.
    let variants = [
        ("off", "proxy_next_upstream off;", Fault::Close, 502, 1),
        ("two", "proxy_next_upstream_tries 2;", Fault::Reset, 502, 2),
        (
            "not_for_timeouts",
            "proxy_next_upstream error; proxy_read_timeout 100ms;",
            Fault::Hang,
            504,
            1,
        ),
        (
            "late",
            "proxy_next_upstream_timeout 50ms; proxy_read_timeout 100ms;",
            Fault::Hang,
            504,
            1,
        ),
        (
            "all_in_time",
            "proxy_next_upstream_timeout 30s; proxy_read_timeout 100ms;",
            Fault::Hang,
            504,
            NODES,
        ),
        ("all", "", Fault::Close, 502, NODES),
    ];
    let locations = variants.map(|(name, location, ..)| (name, location));
    let test = Test::start(["max_fails=0"; NODES], &locations).await?;
    for (variant, _, fault, status, count) in variants {
        test.set_fault(fault);
        for (name, [ours, stock]) in test.ask(variant, 8).await? {
            assert_eq!(lengths(&stock), [(status, count); 8], "{variant}, {name}: {stock:?}");
            assert_eq!(lengths(&ours), lengths(&stock), "{variant}, {name}: {ours:?}");
            assert!(are_straight(&ours), "{variant}, {name}: {ours:?}");
            // Where a key leads to the last one in no twenty tries, round robin finds it.
            let prefix = |ways: &[Way]| {
                ways.iter()
                    .map(|(_, tried)| tried[..count.min(NODES - 1)].to_vec())
                    .collect::<Vec<_>>()
            };
            if KEYED.contains(&name) {
                assert_eq!(prefix(&ours), prefix(&stock), "{variant}, {name}");
            }
        }
    }
    test.beside.ours.check_log()
}

#[tokio::test]
async fn backup_serves_in_each_method_when_all_have_failed() -> Result<()> {
    let primary = "max_fails=1 fail_timeout=60s";
    let test = Test::start(
        [primary, primary, primary, "max_fails=1 fail_timeout=60s backup"],
        &[("all", FURTHER)],
    )
    .await?;
    test.nodes[..NODES - 1].iter().for_each(|node| node.set_fault(Fault::Close));
    for (name, [ours, stock]) in test.ask("all", 6).await? {
        assert_eq!(lengths(&ours), lengths(&stock), "{name}: {ours:?}, stock {stock:?}");
        // The first has tried all there are, each once; whoever comes then goes to the backup at
        // once.
        assert!(ours[0].1.len() == NODES && are_straight(&ours), "{name}: {ours:?}");
        assert!(ours[1..].iter().all(|way| *way == (200, vec![NODES - 1])), "{name}: {ours:?}");
    }
    test.nodes[NODES - 1].set_fault(Fault::Close);
    for (name, [ours, stock]) in test.ask("all", 6).await? {
        assert_eq!(lengths(&ours), lengths(&stock), "{name}: {ours:?}, stock {stock:?}");
    }
    test.beside.ours.check_log()
}

/// Two failures of three: two thirds of the weight are lost, and come back by one with each
/// request.
#[tokio::test]
async fn weight_of_a_failed_peer_comes_back_as_in_the_stock_nginx() -> Result<()> {
    let heavy = "weight=100 max_fails=3 fail_timeout=60s";
    let test = Test::start([heavy, heavy, "weight=50", "weight=50"], &[("back", FURTHER)]).await?;
    test.nodes[FAILING].set_fault(Fault::Reset);
    for name in ["turns", "least"] {
        let path = format!("/back_{name}/");
        for nginx in [&test.beside.ours, &test.beside.stock] {
            let mut failures = 0;
            for _ in 0..REQUESTS {
                let ways =
                    test.beside.ask_one_in_turn(nginx, &[Question::new(path.as_str())]).await?;
                failures += tries(&ways)[FAILING];
                if failures == 2 {
                    break;
                }
            }
            assert_eq!(failures, 2, "{name}");
        }
    }
    test.nodes[FAILING].set_fault(Fault::None);
    for name in ["turns", "least"] {
        let questions = vec![Question::new(format!("/back_{name}/")); 3 * REQUESTS];
        let [ours, stock] = test.beside.ask_in_turn(&questions).await?;
        for end in 1..=questions.len() {
            let [ours, stock] = [tries(&ours[..end]), tries(&stock[..end])];
            let differ =
                ours.iter().zip(&stock).any(|(ours, stock)| ours.abs_diff(*stock) > ROUNDING);
            assert!(!differ, "{name}, of {end}: {ours:?}, stock {stock:?}");
        }
        // It was really less at first than what is its own, a third.
        let first = tries(&stock[..REQUESTS / 2])[FAILING];
        assert!(first < REQUESTS / 6, "{name}: {first}");
    }
    test.beside.ours.check_log()
}
