//! http and stream together: one watcher, one watch for each prefix, one connection to a cluster.

use std::collections::BTreeSet;

use harness::*;

const WATCHERS: &str = "etcd_debugging_mvcc_watcher_total";

/// How many connections a process has open to a port of 127.0.0.1.
fn connections(pid: i32, port: u16) -> Result<usize> {
    let mut inodes = BTreeSet::new();
    for file in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = std::fs::read_link(file?.path()) else { continue };
        let target = target.display().to_string();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inodes.extend(inode.map(str::to_owned));
    }
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp"))?;
    let remote = format!("0100007F:{port:04X}");
    let is_one = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // 01 is an established one.
        fields.len() > 9 && fields[2] == remote && fields[3] == "01" && inodes.contains(fields[9])
    };
    Ok(table.lines().filter(is_one).count())
}

#[tokio::test]
async fn one_prefix_in_both_blocks_is_one_watch_of_one_connection() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let node = Node::start("n0").await?;
    etcd.put("/mode", "on").await?;
    let revision = etcd.register(std::slice::from_ref(&node)).await?;
    let configuration = Configuration::new()
        .workers(4)
        .main(&cluster("main", &etcd.url()))
        .http(&upstream("", ""))
        .http("etcd_variable $mode main /mode default=none;")
        .server("location = /mode { return 200 $mode; }")
        .stream(&sessions("", ""))
        .stream(&format!("upstream more {{ etcd main {PREFIX}; }}"))
        .stream("etcd_variable $mode main /mode default=none;")
        .stream("etcd_geo $may main /networks/;")
        .stream(&stream_server(port, "", "return '$mode $may\\n';"));
    let mut nginx = Nginx::start(configuration).await?;
    for round in 0..2 {
        for name in [UPSTREAM, SESSIONS, "more"] {
            let upstream = nginx.applied_to(name, revision).await?;
            assert_eq!(upstream.keys(), ["n0"], "{name}");
        }
        eventually(SOON, "both have the value", async || {
            ensure!(nginx.get("/mode").await?.text() == "on", "http has not");
            let heard = TcpSession::open(&format!("127.0.0.1:{port}")).await?;
            ensure!(heard.node() == "on 0", "stream has {:?}", heard.node());
            Ok(())
        })
        .await?;
        // The peers, the value and the networks.
        etcd.wait_for_metric(WATCHERS, 3.0).await?;
        let to: u16 = etcd.address().rsplit(':').next().ok_or("no port")?.parse()?;
        eventually(SOON, "the watcher alone is connected", async || {
            let watcher = nginx.watcher().await?;
            let mut all = 0;
            for worker in nginx.workers()? {
                let own = connections(worker, to)?;
                ensure!(own == usize::from(worker == watcher), "{worker} of round {round}: {own}");
                all += own;
            }
            ensure!(all == 1, "{all}");
            Ok(())
        })
        .await?;
        nginx.reload().await?;
    }
    nginx.configure(Configuration::firehose(&etcd))?;
    nginx.reload().await?;
    etcd.wait_for_metric(WATCHERS, 1.0).await?;
    nginx.check_log()
}

#[tokio::test]
async fn change_of_a_shared_prefix_reaches_both_blocks() -> Result<()> {
    let (etcd, port) = (Etcd::start().await?, free_port()?);
    let nodes = start_nodes(2).await?;
    etcd.register(&nodes).await?;
    let configuration = Configuration::new()
        .main(&cluster("main", &etcd.url()))
        .http(&upstream("", ""))
        .stream(&sessions("", "etcd_balance least_conn;"))
        .stream(&stream_server(port, "", &format!("proxy_pass {SESSIONS};")));
    let nginx = Nginx::start(configuration).await?;
    for change in [vec!["n0"], vec!["n0", "n1", "n2"], vec![], vec!["n1"]] {
        etcd.delete_all(PREFIX).await?;
        let pairs = change.iter().map(|name| (key(name), nodes[0].address().to_string()));
        etcd.put_all(pairs).await?;
        let revision = etcd.revision().await?;
        for name in [UPSTREAM, SESSIONS] {
            let upstream = nginx.applied_to(name, revision).await?;
            assert_eq!(upstream.keys(), change, "{name}");
        }
    }
    let status = nginx.status().await?;
    for (name, kind, balance) in
        [(UPSTREAM, "http", "round_robin"), (SESSIONS, "stream", "least_conn")]
    {
        let upstream = &status.upstreams[name];
        assert_eq!((upstream.kind.as_str(), upstream.balance.as_str()), (kind, balance), "{name}");
    }
    nginx.check_log()
}
