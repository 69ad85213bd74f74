//! The networks that the configuration has, until etcd is heard.

use harness::*;

use super::{INSIDE, OUTSIDE, all_say, configuration, network, nothing_is_held, shown};

/// What the configuration has is of a certain etcd: one that was wiped since is not obeyed at once.
#[tokio::test]
async fn initial_networks_are_held_at_a_start_over_a_wiped_etcd() -> Result<()> {
    let etcd = Etcd::start().await?;
    for (initial, kept) in [(format!("initial={INSIDE}"), true), (String::new(), false)] {
        let nginx = Nginx::start(configuration(
            &etcd,
            &format!("empty=1 {initial} origin=0123456789abcdef:9"),
        ))
        .await?;
        nginx.wait_for_log("etcd was replaced by another cluster").await?;
        all_say(&nginx, &[(INSIDE, kept), (OUTSIDE, false)]).await?;
        nginx.reload().await?;
        assert!(shown(&nginx).await?.held.is_some());
        all_say(&nginx, &[(INSIDE, kept), (OUTSIDE, false)]).await?;
        etcd.put(network("new"), OUTSIDE).await?;
        all_say(&nginx, &[(INSIDE, false), (OUTSIDE, true)]).await?;
        nothing_is_held(&nginx).await?;
        etcd.delete(&network("new")).await?;
        all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await?;
    }
    // That there were none is nothing to hold, nor is anything what this etcd has said.
    for parameters in ["initial= origin=0123456789abcdef:9", &format!("initial={INSIDE}")] {
        let nginx = Nginx::start(configuration(&etcd, &format!("empty=1 {parameters}"))).await?;
        all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_is_inside_until_etcd_is_heard_without_initial_networks() -> Result<()> {
    let mut etcd = Etcd::absent()?;
    let mut nginx = Nginx::start(configuration(&etcd, "empty=1")).await?;
    all_say(&nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    // That there is nothing in a zone of another size is nothing that etcd has said.
    nginx.configure(configuration(&etcd, "empty=1 zone=1m"))?;
    nginx.reload().await?;
    all_say(&nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    etcd.restart().await?;
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await?;
    etcd.kill().await?;
    nginx.reload().await?;
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await
}

#[tokio::test]
async fn initial_networks_count_until_etcd_is_heard() -> Result<()> {
    let mut etcd = Etcd::absent()?;
    let nginx =
        Nginx::start(configuration(&etcd, &format!("empty=1 initial={INSIDE},203.0.113.0/24")))
            .await?;
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, false), ("203.0.113.5", true)]).await?;
    assert_eq!(shown(&nginx).await?.networks, 2);
    etcd.restart().await?;
    // There are none, and that is now known.
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await?;
    assert_eq!(shown(&nginx).await?.networks, 0);
    etcd.put(network("one"), OUTSIDE).await?;
    all_say(&nginx, &[(INSIDE, false), (OUTSIDE, true)]).await?;
    etcd.kill().await?;
    nginx.reload().await?;
    all_say(&nginx, &[(INSIDE, false), (OUTSIDE, true)]).await
}

#[tokio::test]
async fn initial_file_has_the_networks_and_without_one_nobody_is_inside() -> Result<()> {
    let mut etcd = Etcd::absent()?;
    let folder = Folder::new("networks")?;
    let file = folder.write(
        "networks",
        &format!("# those who may\n{INSIDE}\n203.0.113.0/24, 2001:db8::/32\n"),
    )?;
    let nginx =
        Nginx::start(configuration(&etcd, &format!("empty=1 initial_file={}", file.display())))
            .await?;
    all_say(
        &nginx,
        &[(INSIDE, true), (OUTSIDE, false), ("203.0.113.5", true), ("2001:db8::9", true)],
    )
    .await?;
    assert_eq!(shown(&nginx).await?.networks, 3);
    // That there are none is something else than that nothing is known.
    let none = folder.write("none", "")?;
    let nginx =
        Nginx::start(configuration(&etcd, &format!("empty=1 initial_file={}", none.display())))
            .await?;
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await?;
    let nginx = Nginx::start(configuration(&etcd, "empty=1")).await?;
    all_say(&nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    etcd.restart().await?;
    all_say(&nginx, &[(INSIDE, true), (OUTSIDE, true)]).await
}
