//! `max_conns`, with each method that knows it.

use harness::*;

use crate::stream::source::{Route, SOURCES, count, nodes_of};

/// A method, which peers there are (a node's name, and parameters), how many sessions are tried,
/// and who has them.
type Case = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    usize,
    &'static [(&'static str, usize)],
);

const CASES: [Case; 14] = [
    ("unlimited", "", &[("a", "max_conns=0"), ("b", "")], 4, &[("a", 2), ("b", 2)]),
    ("single", "", &[("a", "max_conns=3")], 4, &[("a", 3)]),
    ("backup", "", &[("a", "max_conns=2"), ("b", "backup")], 6, &[("a", 2), ("b", 4)]),
    (
        "limited_backup",
        "",
        &[("a", "max_conns=2"), ("b", "backup max_conns=3")],
        6,
        &[("a", 2), ("b", 3)],
    ),
    ("all", "", &[("a", "max_conns=1"), ("b", "max_conns=1")], 4, &[("a", 1), ("b", 1)]),
    ("some", "", &[("a", "max_conns=1"), ("b", "")], 4, &[("a", 1), ("b", 3)]),
    (
        "same",
        "",
        &[("a", "max_conns=1"), ("a", "max_conns=1"), ("b", "")],
        6,
        &[("a", 2), ("b", 4)],
    ),
    ("weight", "", &[("a", "weight=2 max_conns=1"), ("b", "")], 4, &[("a", 1), ("b", 3)]),
    ("least", "least_conn", &[("a", "max_conns=1"), ("b", "")], 4, &[("a", 1), ("b", 3)]),
    (
        "least_backup",
        "least_conn",
        &[("a", "max_conns=2"), ("b", "backup")],
        6,
        &[("a", 2), ("b", 4)],
    ),
    (
        "least_limited",
        "least_conn",
        &[("a", "max_conns=2"), ("b", "backup max_conns=3")],
        6,
        &[("a", 2), ("b", 3)],
    ),
    (
        "hash",
        "hash $remote_addr",
        &[("a", "max_conns=1"), ("b", "max_conns=2")],
        4,
        &[("a", 1), ("b", 2)],
    ),
    (
        "ring",
        "hash $remote_addr consistent",
        &[("a", "max_conns=1"), ("b", "max_conns=2")],
        4,
        &[("a", 1), ("b", 2)],
    ),
    ("any", "random", &[("a", "max_conns=2"), ("b", "max_conns=1")], 4, &[("a", 2), ("b", 1)]),
];

#[tokio::test]
async fn max_conns_limits_the_sessions_of_a_peer_with_each_method() -> Result<()> {
    let (a, b) = tokio::try_join!(TcpNode::start("a"), TcpNode::start("b"))?;
    let address = |name: &str| if name == "a" { a.address() } else { b.address() };
    for source in SOURCES {
        let routes = CASES.map(|(name, method, peers, ..)| {
            Route::new(name, method, peers.iter().map(|(node, words)| (address(node), *words)))
        });
        let rig = source.start(&routes, "").await?;
        for (name, _, _, tries, expected) in CASES {
            let mut held = rig.hold(name, tries).await?;
            let counts = expected.iter().copied().collect();
            assert_eq!(count(&nodes_of(&held)), counts, "{source:?}, {name}");
            if held.len() == tries {
                continue;
            }
            // A place that is freed is taken.
            let freed = held.pop().ok_or("none")?;
            let node = freed.node().to_owned();
            freed.finish().await?;
            held.extend(rig.hold(name, 1).await?);
            assert_eq!(count(&nodes_of(&held)), counts, "{source:?}, {name}: {node} freed a place");
        }
        rig.nginx.check_log()?;
    }
    Ok(())
}
