//! How long a change takes from etcd's event to the workers, and which endpoints are in use.

use std::time::Duration;

use harness::*;
use serde_json::Value;

async fn upstream_status(nginx: &Nginx) -> Result<Value> {
    let answer = nginx.get("/etcd").await?;
    ensure!(answer.status == 200, "status {}: {}", answer.status, answer.text());
    let mut status: Value = serde_json::from_slice(&answer.body)?;
    Ok(status["upstreams"][UPSTREAM].take())
}

/// How many times a histogram has, and their sum.
fn count_and_sum(histogram: &Value) -> Result<(u64, f64)> {
    let counts = histogram["counts"].as_array().ok_or("no counts")?;
    let count = counts.iter().filter_map(Value::as_u64).sum();
    Ok((count, histogram["sum"].as_f64().ok_or("no sum")?))
}

#[tokio::test]
async fn changes_are_timed_though_nobody_asks() -> Result<()> {
    const CHANGES: u64 = 20;
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(Configuration::firehose(&etcd).workers(2)).await?;
    nginx.applied(etcd.revision().await?).await?;
    let before = upstream_status(&nginx).await?;
    assert_eq!(count_and_sum(&before["event_to_published"])?, (0, 0.0));
    let changing = Stopwatch::start();
    for number in 1..=CHANGES {
        let revision = etcd.put(key("n0"), format!("10.0.0.1:80 weight={number}")).await?;
        nginx.applied(revision).await?;
        // Of several that no worker has seen yet only the first is timed.
        eventually(SOON, "a worker has seen the change", async || {
            let (seen, _) = count_and_sum(&upstream_status(&nginx).await?["event_to_seen"])?;
            ensure!(seen == number, "{seen} of {number}");
            Ok(())
        })
        .await?;
    }
    let took = changing.passed().as_secs_f64();
    // What changes nothing is not timed.
    let revision = etcd.put(key("n0"), format!("10.0.0.1:80 weight={CHANGES}")).await?;
    nginx.applied(revision).await?;
    eventually(SOON, "a worker has seen the last change", async || {
        let upstream = upstream_status(&nginx).await?;
        let (published, publishing) = count_and_sum(&upstream["event_to_published"])?;
        let (seen, seeing) = count_and_sum(&upstream["event_to_seen"])?;
        ensure!(published == CHANGES && seen == CHANGES, "{published} published, {seen} seen");
        ensure!(publishing > 0.0 && publishing <= seeing && seeing <= took, "{upstream}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn times_survive_a_reload_and_a_killed_watcher() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(Configuration::firehose(&etcd).workers(2)).await?;
    // What comes with a list is not timed.
    nginx.applied(etcd.revision().await?).await?;
    let mut last = 0;
    for step in 1..=3_u64 {
        let revision = etcd.put(key("n0"), format!("10.0.0.1:80 weight={step}")).await?;
        nginx.applied(revision).await?;
        let (published, _) = count_and_sum(&upstream_status(&nginx).await?["event_to_published"])?;
        assert!(published >= last, "{published} after {last}");
        last = published;
        match step {
            1 => nginx.reload().await?,
            2 => signal(nginx.watcher().await?, nix::sys::signal::Signal::SIGKILL)?,
            _ => {}
        }
    }
    assert!(last >= 1);
    Ok(())
}

#[tokio::test]
async fn each_endpoint_has_its_state_and_a_remedy() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let dead = ClosedPort::reserve()?;
    let dead = format!("http://{}", dead.address());
    let endpoints =
        format!("{dead} {} {}", etcd.url(), etcd.url().replace("127.0.0.1", "localhost"));
    let configuration =
        Configuration::new().workers(1).http(&cluster("main", &endpoints)).http(&upstream("", ""));
    let nginx = Nginx::start(configuration).await?;
    let states = async |expected: [&str; 3]| {
        eventually(Duration::from_secs(60), &format!("{expected:?}"), async || {
            let upstream = upstream_status(&nginx).await?;
            let endpoints = upstream["endpoints"].as_array().ok_or("no endpoints")?;
            let states: Vec<_> =
                endpoints.iter().filter_map(|endpoint| endpoint["state"].as_str()).collect();
            ensure!(states == expected, "{endpoints:?}");
            ensure!(endpoints[0]["url"] == dead.as_str(), "{endpoints:?}");
            for endpoint in endpoints {
                let trouble = endpoint["trouble"].as_str();
                ensure!(trouble.is_some() == (endpoint["state"] == "failed"), "{endpoint}");
                ensure!(
                    trouble.is_none_or(|trouble| trouble.contains(": start etcd there")
                        || trouble.contains("check the log of etcd")),
                    "{endpoint}"
                );
            }
            Ok(())
        })
        .await
    };
    states(["failed", "in_use", "standby"]).await?;
    etcd.stop().await?;
    states(["failed", "failed", "failed"]).await?;
    etcd.restart().await?;
    eventually(SOON, "one is in use", async || {
        let upstream = upstream_status(&nginx).await?;
        let endpoints = upstream["endpoints"].as_array().ok_or("no endpoints")?;
        let in_use = endpoints.iter().filter(|endpoint| endpoint["state"] == "in_use").count();
        ensure!(in_use == 1 && upstream["trouble"].is_null(), "{endpoints:?}");
        Ok(())
    })
    .await
}
