//! What `etcd_status` says with each balancing method.

mod documentation;
mod fleet;
mod formats;
mod pieces;

use harness::*;

const METHODS: [(&str, &str); 11] = [
    ("round_robin", "round_robin"),
    ("least_conn", "least_conn"),
    ("random", "random"),
    ("random two least_conn", "random two"),
    ("least_time header", "least_time header"),
    ("least_time last_byte inflight", "least_time last_byte inflight"),
    ("peak_ewma", "peak_ewma"),
    // Its former name.
    ("least_time", "peak_ewma"),
    ("hash $uri", "hash"),
    ("hash $uri consistent", "hash consistent"),
    ("ip_hash", "ip_hash"),
];

#[tokio::test]
async fn status_has_all_fields_with_each_method() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let revision = etcd.register(&nodes).await?;
    for (words, name) in METHODS {
        let directives = format!(
            "etcd_balance {words}; etcd_keepalive 4; etcd_defaults slow_start=7s; etcd_check http \
             uri=/healthz interval=100ms;"
        );
        let configuration = Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", &directives));
        let nginx = Nginx::start(configuration).await?;
        nginx.applied(revision).await?;
        let upstream = eventually(SOON, &format!("{words}: both pass their checks"), async || {
            let upstream = nginx.upstream().await?;
            ensure!(upstream.peers.iter().all(|peer| peer.health == "passing"), "{upstream:?}");
            Ok(upstream)
        })
        .await?;
        assert_eq!(
            (upstream.balance.as_str(), upstream.panic, upstream.checks_not_made),
            (name, false, 0)
        );
        for peer in &upstream.peers {
            assert_eq!(
                (peer.slow_start, peer.share, peer.response_time),
                (7, 1.0, None),
                "{words}: {peer:?}"
            );
        }
        let mut connection = nginx.connect().await?;
        for _ in 0..20 {
            assert_eq!(connection.get("/slow?ms=5").await?.status, 200);
        }
        let status = nginx.status().await?;
        let peers = &status.upstreams[UPSTREAM].peers;
        let asked = peers.iter().filter(|peer| peer.requests > 0).count();
        assert_eq!(status.idle_connections, asked, "{words}: one for each that was asked");
        for peer in peers {
            let is_averaged = name.starts_with("least_time") && peer.requests > 0;
            let is_timed = is_averaged || name == "peak_ewma" && peer.requests > 0;
            let times = (peer.header_time.is_some(), peer.response_time.is_some());
            assert_eq!(times, (is_averaged, is_timed), "{words}: {peer:?}");
            assert!(
                peer.response_time.is_none_or(|time| (0.005..5.0).contains(&time)),
                "{words}: {peer:?}"
            );
        }
        nginx.check_log()?;
    }
    Ok(())
}
