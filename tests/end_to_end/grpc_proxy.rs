//! Behind etcd's grpc-proxy, which answers reads and no progress requests; and what is not taken
//! for one.

use harness::*;

#[tokio::test]
async fn grpc_proxy_is_followed_without_a_new_list_and_logged_once() -> Result<()> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    etcd.register(&nodes[..1]).await?;
    let proxy = GrpcProxy::start(&etcd).await?;
    // Two prefixes, of which one says it.
    let other = "upstream other { etcd main /other/; }";
    let nginx = Nginx::start(
        Configuration::new()
            .http(&cluster("main", &proxy.url()))
            .http(&upstream("", ""))
            .http(other),
    )
    .await?;
    nginx.wait_for_keys(&["n0"]).await?;
    // Not below the prefix: the store has moved, and the watch has missed nothing.
    etcd.put("/elsewhere", "1").await?;
    nginx.wait_for_log("grpc-proxy").await?;
    for _ in 0..3 {
        let revision = etcd.put(key("n1"), nodes[1].address().to_string()).await?;
        assert_eq!(nginx.applied(revision).await?.keys(), ["n0", "n1"]);
        let revision = etcd.delete(&key("n1")).await?;
        let upstream = nginx.applied(revision).await?;
        assert_eq!((upstream.keys(), upstream.trouble.as_deref()), (vec!["n0"], None));
    }
    // Reads go on to say that etcd is there.
    for is_due in [true, false] {
        eventually(SOON, "etcd says nothing for a second, and then a word", async || {
            let silence = nginx.upstream().await?.seconds_since_last_word.ok_or("no word")?;
            ensure!((silence > 1.0) == is_due, "{silence}");
            Ok(())
        })
        .await?;
    }
    let lists = nginx.upstream().await?.resyncs.values().sum::<u64>();
    assert_eq!((lists, nginx.log_lines("grpc-proxy").len()), (1, 1), "{}", nginx.log());
    assert_eq!(nginx.log_lines("cannot watch"), [""; 0]);
    nginx.check_log()
}

/// etcd 3.5.30 answers no progress request before its store has come past the list.
#[tokio::test]
async fn etcd_at_rest_is_not_taken_for_a_proxy() -> Result<()> {
    let router = Router::start(1, 1).await?;
    for _ in 0..6 {
        for is_due in [true, false] {
            eventually(SOON, "etcd says nothing for a second, and then a word", async || {
                let upstream = router.nginx.upstream().await?;
                let silence = upstream.seconds_since_last_word.ok_or("no word")?;
                ensure!(upstream.connected && (silence > 1.0) == is_due, "{upstream:?}");
                Ok(())
            })
            .await?;
        }
    }
    assert_eq!(router.nginx.log_lines("progress"), [""; 0]);
    router.nginx.check_log()
}
