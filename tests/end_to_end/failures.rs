//! Peers that fail: the module and the stock nginx, side by side, do the same.

mod dead;
mod methods;

use harness::*;

const NODES: usize = 3;

/// A node that closes every connection among ones that are well, behind an nginx of each kind.
struct Pair {
    ours: Router,
    stock: Nginx,
    /// As many nodes for the stock nginx, so that what each was asked can be compared.
    stock_nodes: Vec<Node>,
}

impl Pair {
    async fn start(parameters: &str, location: &str) -> Result<Self> {
        let stock_nodes = start_nodes(NODES).await?;
        let servers: String = stock_nodes
            .iter()
            .map(|node| format!("server {} {parameters};", node.address()))
            .collect();
        let stock = Configuration::stock().http(&format!("upstream {UPSTREAM} {{ {servers} }}"));
        let stock = Nginx::start(visible(stock.workers(1), location)).await?;
        let ours =
            Router::with(NODES, |etcd| visible(Configuration::firehose(etcd).workers(1), location))
                .await?;
        let values = ours
            .nodes
            .iter()
            .map(|node| (key(node.name()), format!("{} {parameters}", node.address())));
        ours.nginx.applied(ours.etcd.put_all(values).await?).await?;
        Ok(Self { ours, stock, stock_nodes })
    }

    fn set_fault(&self, number: usize, fault: Fault) {
        self.ours.nodes[number].set_fault(fault);
        self.stock_nodes[number].set_fault(fault);
    }

    /// Asks both, and gives what both answered: statuses, and how many peers each request tried.
    async fn ask(&self, path: &str, times: usize) -> Result<[Vec<(u16, usize)>; 2]> {
        let mut seen = [Vec::new(), Vec::new()];
        for (nginx, seen) in [&self.ours.nginx, &self.stock].into_iter().zip(&mut seen) {
            for _ in 0..times {
                let answer = nginx.get(path).await?;
                seen.push((answer.status, answer.header("x-tried").split(',').count()));
            }
        }
        Ok(seen)
    }

    /// How often each nginx has connected to a node.
    fn attempts(&self, number: usize) -> [u64; 2] {
        [self.ours.nodes[number].counts().accepted, self.stock_nodes[number].counts().accepted]
    }
}

fn visible(configuration: Configuration, location: &str) -> Configuration {
    configuration.location("add_header X-Tried $upstream_addr always;").location(location)
}

fn sorted(mut seen: Vec<(u16, usize)>) -> Vec<(u16, usize)> {
    seen.sort_unstable();
    seen
}

#[tokio::test]
async fn max_fails_ends_the_attempts_as_in_the_stock_nginx() -> Result<()> {
    for max_fails in [1, 3] {
        let pair = Pair::start(&format!("max_fails={max_fails} fail_timeout=60s"), "").await?;
        pair.set_fault(1, Fault::Close);
        let [ours, stock] = pair.ask("/", 30).await?;
        assert!(ours.iter().all(|(status, _)| *status == 200), "{ours:?}");
        assert_eq!(sorted(ours), sorted(stock));
        assert_eq!(pair.attempts(1), [max_fails, max_fails], "max_fails={max_fails}");
        let upstream = pair.ours.nginx.upstream().await?;
        let peer = upstream.peer("n1").ok_or("no n1")?;
        assert_eq!((peer.state.as_str(), peer.failures), ("unavailable", max_fails), "{peer:?}");
        pair.ours.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn without_max_fails_a_failing_peer_is_tried_in_each_round() -> Result<()> {
    let pair = Pair::start("max_fails=0", "").await?;
    pair.set_fault(1, Fault::Close);
    let [ours, stock] = pair.ask("/", 30).await?;
    assert!(ours.iter().all(|(status, _)| *status == 200), "{ours:?}");
    let [of_ours, of_stock] = pair.attempts(1);
    assert!(
        of_ours >= 10 && of_ours.abs_diff(of_stock) <= 5,
        "{of_ours} attempts, stock {of_stock}"
    );
    assert!(stock.iter().all(|(status, _)| *status == 200));
    Ok(())
}

#[tokio::test]
async fn after_fail_timeout_a_peer_is_tried_and_serves_again() -> Result<()> {
    let pair = Pair::start("max_fails=1 fail_timeout=1s", "").await?;
    pair.set_fault(2, Fault::Close);
    pair.ask("/", 9).await?;
    let before = pair.attempts(2);
    assert!(before.iter().all(|attempts| *attempts >= 1), "{before:?}");
    // Still failing: a single attempt after each fail_timeout, and no request suffers.
    eventually(SOON, "both try again", async || {
        let [ours, stock] = pair.ask("/", 3).await?;
        ensure!(ours.iter().chain(&stock).all(|(status, _)| *status == 200), "{ours:?} {stock:?}");
        let now = pair.attempts(2);
        ensure!(now[0] > before[0] && now[1] > before[1], "{now:?}, before {before:?}");
        Ok(())
    })
    .await?;
    pair.set_fault(2, Fault::None);
    eventually(SOON, "both serve from it again", async || {
        pair.ask("/", 3).await?;
        let (ours, stock) =
            (pair.ours.nodes[2].counts().requests, pair.stock_nodes[2].counts().requests);
        ensure!(ours >= 3 && stock >= 3, "{ours}, {stock}");
        Ok(())
    })
    .await?;
    let upstream = pair.ours.nginx.upstream().await?;
    assert_eq!(upstream.peer("n2").map(|peer| peer.state.as_str()), Some("up"));
    pair.ours.nginx.check_log()
}

#[tokio::test]
async fn when_all_fail_each_is_tried_once_and_all_are_tried_anew() -> Result<()> {
    let pair = Pair::start("max_fails=1 fail_timeout=60s", "").await?;
    for number in 0..NODES {
        pair.set_fault(number, Fault::Close);
    }
    let [ours, stock] = pair.ask("/", 4).await?;
    assert_eq!(ours, stock);
    assert_eq!(ours[0], (502, NODES));
    for number in 0..NODES {
        pair.set_fault(number, Fault::None);
        let [of_ours, of_stock] = pair.attempts(number);
        assert_eq!(of_ours, of_stock, "n{number}");
    }
    let [ours, stock] = pair.ask("/", 4).await?;
    assert_eq!(ours, stock);
    pair.ours.nginx.check_log()
}

#[tokio::test]
async fn single_peer_is_never_given_up() -> Result<()> {
    let (etcd, node, stock_node) =
        (Etcd::start().await?, Node::start("n0").await?, Node::start("n0").await?);
    let stock = Configuration::stock()
        .http(&format!("upstream {UPSTREAM} {{ server {}; }}", stock_node.address()));
    let stock = Nginx::start(stock).await?;
    let revision = etcd.register(std::slice::from_ref(&node)).await?;
    let ours = Nginx::start(Configuration::firehose(&etcd)).await?;
    ours.applied(revision).await?;
    for (nginx, node) in [(&ours, &node), (&stock, &stock_node)] {
        node.set_fault(Fault::Close);
        for _ in 0..4 {
            assert_eq!(nginx.get("/").await?.status, 502);
        }
        assert_eq!(node.counts().accepted, 4);
        node.set_fault(Fault::None);
        assert_eq!(nginx.get("/").await?.status, 200);
    }
    ours.check_log()
}

#[tokio::test]
async fn proxy_next_upstream_and_its_tries_are_kept() -> Result<()> {
    let limits = [
        ("proxy_next_upstream off;", "/", Fault::Close),
        ("proxy_next_upstream_tries 2;", "/", Fault::Close),
        ("proxy_next_upstream error timeout http_503;", "/status/503", Fault::None),
        (
            "proxy_next_upstream error http_503; proxy_next_upstream_tries 2;",
            "/status/503",
            Fault::None,
        ),
        ("", "/status/503", Fault::None),
    ];
    for (location, path, fault) in limits {
        let pair = Pair::start("max_fails=0", location).await?;
        for number in 0..NODES {
            pair.set_fault(number, fault);
        }
        let [ours, stock] = pair.ask(path, 6).await?;
        assert_eq!(ours, stock, "{location}");
        pair.ours.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn peer_that_hangs_is_left_after_the_timeout() -> Result<()> {
    let pair = Pair::start("max_fails=1 fail_timeout=60s", "proxy_read_timeout 1s;").await?;
    pair.set_fault(0, Fault::Hang);
    let [ours, stock] = pair.ask("/", 6).await?;
    assert_eq!(sorted(ours), sorted(stock));
    assert_eq!(pair.attempts(0), [1, 1]);
    let upstream = pair.ours.nginx.upstream().await?;
    let peer = upstream.peer("n0").ok_or("no n0")?;
    assert_eq!((peer.state.as_str(), peer.connections), ("unavailable", 0), "{peer:?}");
    Ok(())
}

#[tokio::test]
async fn failures_are_counted_for_all_workers_together() -> Result<()> {
    let router = Router::start(4, 2).await?;
    let value = format!("{} max_fails=4 fail_timeout=60s", router.nodes[1].address());
    router.nginx.applied(router.etcd.put(key("n1"), value).await?).await?;
    router.nodes[1].set_fault(Fault::Close);
    let mut connections = router.nginx.connect_to_each().await?;
    for _ in 0..10 {
        for connection in &mut connections {
            let answer = connection.get("/").await?;
            assert_eq!(answer.node(), "n0", "{answer:?}");
        }
    }
    assert_eq!(router.nodes[1].counts().accepted, 4);
    router.nginx.check_log()
}
