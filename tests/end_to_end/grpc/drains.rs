//! `etcd_drain` before calls that stream.

use std::time::{Duration, Instant};

use harness::*;
use tonic::Code;

use super::Setting;

const TIMEOUT: Duration = Duration::from_secs(2);
/// Within which everything else happens, besides what other work of the machine takes.
const SLACK: Duration = Duration::from_secs(3);

#[tokio::test]
async fn streams_are_closed_after_the_timeout() -> Result<()> {
    for removes in [true, false] {
        let setting = Setting::start(2, "etcd_drain timeout=2s spread=0;", "").await?;
        let mut client = setting.client().await?;
        let mut talks = Vec::new();
        for _ in 0..6 {
            talks.push(client.talk().await?);
        }
        let (begin, watch) = (Instant::now(), Stopwatch::start());
        if removes {
            setting.remove(0).await?;
        } else {
            setting.put(0, "drain").await?;
        }
        for talk in &mut talks {
            talk.echo("not yet").await?;
        }
        assert_eq!(client.say("where").await?, "n1", "no new calls come to a peer that drains");
        let (drained, others): (Vec<_>, Vec<_>) =
            talks.into_iter().partition(|talk| talk.node() == "n0");
        assert_eq!((drained.len(), others.len()), (3, 3));
        for mut talk in drained {
            // To a client it is as if the node had gone.
            let code = talk.broken(TIMEOUT + SOON).await?;
            assert!(matches!(code, Code::Internal | Code::Unavailable), "{code:?}");
            assert!(begin.elapsed() >= TIMEOUT, "closed after {:?}", begin.elapsed());
        }
        assert!(watch.elapsed() <= TIMEOUT + SLACK, "{:?}", watch.elapsed());
        setting.open_at(0, 0).await?;
        for mut talk in others {
            talk.echo("still here").await?;
            talk.finish().await?;
        }
        assert_eq!(setting.nginx.upstream().await?.drained, 3);
        setting.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn streams_are_closed_one_by_one() -> Result<()> {
    let setting = Setting::start(2, "etcd_drain timeout=0 spread=2s;", "").await?;
    let mut client = setting.client().await?;
    let mut talks = Vec::new();
    while talks.len() < 10 {
        let talk = client.talk().await?;
        if talk.node() == "n0" {
            talks.push(talk);
        }
    }
    setting.remove(0).await?;
    let mut open = Vec::new();
    eventually(SOON, "all streams are closed", async || {
        let now = setting.nodes[0].open();
        if open.last() != Some(&now) {
            open.push(now);
        }
        ensure!(now == 0, "{now} are open");
        Ok(())
    })
    .await?;
    assert!(open.len() >= 4, "not one by one: {open:?}");
    for mut talk in talks {
        talk.broken(SOON).await?;
    }
    setting.nginx.check_log()
}
