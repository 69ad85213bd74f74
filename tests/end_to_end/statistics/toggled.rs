//! `etcd_statistics on | off`, and a reload from one to the other.

use harness::*;
use serde_json::Value;

use super::{ended, status, totals};

fn with(etcd: &Etcd, directives: &str) -> Configuration {
    Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", directives))
}

async fn ask(nginx: &Nginx, times: usize) -> Result<()> {
    for _ in 0..times {
        assert_eq!(nginx.get("/").await?.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn figures_stay_while_they_are_off_and_go_on_afterwards() -> Result<()> {
    let mut router = Router::with(2, |etcd| with(etcd, "")).await?;
    ask(&router.nginx, 5).await?;
    ended(&router.nginx, 5).await?;

    router.nginx.configure(with(&router.etcd, "etcd_statistics off;"))?;
    router.nginx.reload().await?;
    eventually(SOON, "there are no figures", async || {
        let status = status(&router.nginx).await?;
        ensure!(status["statistics"] == Value::Null, "{status}");
        let peers = status["peers"].as_array().ok_or("no peers")?;
        ensure!(peers.iter().all(|peer| peer["statistics"] == Value::Null), "{status}");
        Ok(())
    })
    .await?;
    ask(&router.nginx, 7).await?;

    router.nginx.configure(with(&router.etcd, "etcd_statistics on;"))?;
    router.nginx.reload().await?;
    eventually(SOON, "the figures are there again", async || {
        let totals = totals(&router.nginx).await?;
        ensure!(totals.0.is_object(), "{totals:?}");
        Ok(())
    })
    .await?;
    assert_eq!(totals(&router.nginx).await?.ended(), 5);
    ask(&router.nginx, 3).await?;
    assert_eq!(ended(&router.nginx, 8).await?.number("/requests"), 8);
    router.nginx.check_log()
}

#[tokio::test]
async fn another_size_of_the_zone_begins_with_zeroes() -> Result<()> {
    let mut router = Router::with(1, |etcd| with(etcd, "")).await?;
    ask(&router.nginx, 5).await?;
    ended(&router.nginx, 5).await?;
    let larger = Configuration::new()
        .http(&cluster("main", &router.etcd.url()))
        .http(&upstream("zone=2m", ""));
    router.nginx.configure(larger)?;
    router.nginx.reload().await?;
    eventually(SOON, "a new zone", async || {
        ensure!(totals(&router.nginx).await?.number("/requests") == 0, "not yet");
        Ok(())
    })
    .await?;
    ask(&router.nginx, 2).await?;
    ended(&router.nginx, 2).await?;
    router.nginx.check_log()
}
