//! Groups in `stream {}`.

use harness::*;

/// The server's port says which service: an address is all that a session of TCP tells.
#[tokio::test]
async fn a_session_gets_the_peers_of_its_service() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut nodes = Vec::new();
    for (service, name) in [("db", "db-1"), ("db", "db-2"), ("mq", "mq-1")] {
        let node = TcpNode::start(name).await?;
        etcd.put(super::node_key(service, name), node.address()).await?;
        nodes.push(node);
    }
    let port = free_port()?;
    let stream = format!(
        "{} upstream sessions {{ etcd main {} zone=1m; etcd_group $remote_addr; }} \
         map $remote_addr $remote {{ default $remote_addr; }} \
         log_format group '$etcd_group_status'; \
         server {{ listen 127.0.0.1:{port}; proxy_pass sessions; \
         access_log logs/groups.log group; }}",
        cluster("main", &etcd.url()),
        super::SERVICES,
    );
    let stream = stream.replace("etcd_group $remote_addr", "etcd_group $service").replace(
        "map $remote_addr $remote { default $remote_addr; }",
        "map $remote_addr $service { 127.0.0.2 db; 127.0.0.3 mq; default none; }",
    );
    let nginx = Nginx::start(
        Configuration::new()
            .stream(&stream)
            .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:1; }}")),
    )
    .await?;
    nginx.applied_to("sessions", etcd.revision().await?).await?;
    let address = format!("127.0.0.1:{port}");
    let open = async |from: &str| TcpSession::open_from(Some(from.parse()?), &address, b"").await;
    let mut names = Vec::new();
    for _ in 0..4 {
        names.push(open("127.0.0.2").await?.node().to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names, ["db-1", "db-2"]);
    assert_eq!(open("127.0.0.3").await?.node(), "mq-1");
    assert!(open("127.0.0.4").await.is_err(), "no such service");
    let groups = nginx.upstream_of("sessions").await?.groups.ok_or("no groups")?;
    assert_eq!((groups.count, groups.unknown_total), (2, 1), "{groups:?}");
    let path = nginx.folder().path().join("logs/groups.log");
    eventually(SOON, "the log says how it went", async || {
        let log = std::fs::read_to_string(&path)?;
        let count = |word: &str| log.lines().filter(|line| *line == word).count();
        ensure!(count("ok") == 5 && count("unknown") == 1, "{log}");
        Ok(())
    })
    .await?;
    assert!(nginx.log_lines("no live upstreams").is_empty());
    Ok(())
}
