//! Very many keys go at once.

use harness::*;

/// Enough for etcd to need a minute where it is asked for fragments.
const KEYS: usize = 60_000;

/// The deletion is one message, and is published when it has come: nothing is listed anew, and
/// nobody says that etcd is silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_of_all_keys_is_one_change_and_no_error_of_etcd() -> Result<()> {
    let (etcd, node) = (Etcd::start().await?, Node::start("n0").await?);
    let name = |number: usize| key(&format!("peer-{number:05}"));
    etcd.put(key("n0"), node.address().to_string()).await?;
    let revision =
        etcd.put_all((0..KEYS).map(|number| (name(number), node.address().to_string()))).await?;
    let nginx = Nginx::start(
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=64m", "")),
    )
    .await?;
    // By the log: the status of so many peers takes nginx longer than to follow them.
    nginx.wait_for_log(&format!("{} peers (", KEYS + 1)).await?;
    let before = nginx.applied(revision).await?;
    assert_eq!(before.keys().len(), KEYS + 1);

    let revision = etcd.delete_all(&key("peer-")).await?;
    nginx.wait_for_log(&format!("-{KEYS} ~0), revision {revision}")).await?;
    let after = nginx.applied(revision).await?;
    assert_eq!(after.keys(), ["n0"]);
    assert_eq!(after.resyncs, before.resyncs);
    assert_eq!(nginx.log_lines("cannot watch"), [""; 0]);
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}
