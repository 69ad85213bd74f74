//! `etcd_geo`: whether the client is in a network that a key names, in every worker, without a
//! reload.

mod initial;
mod limits;

use harness::*;
use nix::sys::signal::Signal;

/// The prefix of the networks.
const NETWORKS: &str = "/firehose/nginx/put_allow/";
/// A client within what the tests allow, and one who is not.
const INSIDE: &str = "192.0.2.7";
const OUTSIDE: &str = "198.51.100.7";

/// A configuration that shows the variable in a header; the client's address is taken from one, as
/// behind a proxy.
fn configuration(etcd: &Etcd, parameters: &str) -> Configuration {
    Configuration::new()
        .workers(3)
        .http(&cluster("main", &etcd.url()))
        .http(&format!("etcd_geo $inside main {NETWORKS} {parameters};"))
        .http(&upstream("", ""))
        .server(
            "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP; add_header X-Inside <$inside> \
             always;",
        )
}

async fn start(parameters: &str) -> Result<Router> {
    Router::with(1, |etcd| configuration(etcd, parameters)).await
}

fn network(name: &str) -> String {
    format!("{NETWORKS}{name}")
}

/// Waits until each worker says of these clients what is expected.
async fn all_say(nginx: &Nginx, expected: &[(&str, bool)]) -> Result<()> {
    for mut connection in nginx.connect_to_each().await? {
        for (client, inside) in expected {
            eventually(SOON, &format!("a worker says of {client} {inside}"), async || {
                let answer = connection.get_with("/", &[("X-Real-IP", client)]).await?;
                let said = answer.header("x-inside");
                ensure!(said == if *inside { "<1>" } else { "<0>" }, "{said}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

async fn shown(nginx: &Nginx) -> Result<Geo> {
    Ok(nginx.status().await?.geo.remove("$inside").ok_or("no such variable in the status")?)
}

#[tokio::test]
async fn clients_are_inside_by_the_keys_in_every_worker_without_a_reload() -> Result<()> {
    let router = start("").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let workers = nginx.workers()?;
    all_say(nginx, &[(INSIDE, false), ("::1", false)]).await?;
    etcd.put(network("office"), "192.0.2.0/24, 2001:db8::/32\n").await?;
    all_say(
        nginx,
        &[(INSIDE, true), (OUTSIDE, false), ("2001:db8::9", true), ("::ffff:192.0.2.1", true)],
    )
    .await?;
    // Where a value is empty the key itself says it.
    let revision = etcd.put(network("198.51.100.0/24"), "").await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true), ("203.0.113.1", false)]).await?;
    let geo = shown(nginx).await?;
    assert_eq!((geo.networks, geo.revision, geo.rejected_total), (3, Some(revision), 0), "{geo:?}");
    assert_eq!((geo.cluster.as_str(), geo.prefix.as_str()), ("main", NETWORKS));
    etcd.delete(&network("office")).await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, true)]).await?;
    etcd.delete(&network("198.51.100.0/24")).await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    assert_eq!(nginx.workers()?, workers);
    assert_eq!(nginx.log_lines("rejected"), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn variable_without_networks_is_that_of_empty() -> Result<()> {
    let router = start("empty=1").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true)]).await?;
    etcd.put(network("one"), INSIDE).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, false)]).await?;
    etcd.delete(&network("one")).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true)]).await
}

#[tokio::test]
async fn malformed_network_changes_nothing_over_a_takeover() -> Result<()> {
    let router = start("empty=1").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.put(network("one"), INSIDE).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, false)]).await?;
    let bad: [&[u8]; 5] =
        [b"everybody", b"10.0.0.0/33", b"unix:", b"10.0.0.1\x1b[31m", &[b'1'; 1_100_000]];
    for (count, value) in bad.iter().enumerate() {
        etcd.put(network("one"), value).await?;
        eventually(SOON, "it is rejected", async || {
            let geo = shown(nginx).await?;
            ensure!(geo.rejected_total == count as u64 + 1, "{geo:?}");
            ensure!(
                geo.rejected.as_deref().is_some_and(|said| said.contains(&network("one"))),
                "{geo:?}"
            );
            Ok(())
        })
        .await?;
        all_say(nginx, &[(INSIDE, true), (OUTSIDE, false)]).await?;
    }
    // The next watcher finds the malformed value in its list; it knows the last good network from
    // the one before, and says nothing that was said.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    etcd.put(network("two"), OUTSIDE).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true), ("203.0.113.1", false)]).await?;
    nginx.wait_for_log_lines("rejected", bad.len()).await?;
    assert!(!nginx.log().contains('\x1b'), "a value has written to the log");
    etcd.delete(&network("one")).await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, true)]).await
}

#[tokio::test]
async fn networks_stay_without_etcd_and_over_reloads_takeovers_and_a_wiped_etcd() -> Result<()> {
    let mut router = start("empty=1").await?;
    for number in 0..10 {
        router.etcd.put(network(&format!("other-{number}")), "203.0.113.0/24").await?;
    }
    router.etcd.put(network("one"), INSIDE).await?;
    let kept = [(INSIDE, true), (OUTSIDE, false)];
    all_say(&router.nginx, &kept).await?;
    router.etcd.kill().await?;
    router.nginx.reload().await?;
    all_say(&router.nginx, &kept).await?;
    signal(router.nginx.watcher().await?, Signal::SIGKILL)?;
    all_say(&router.nginx, &kept).await?;

    router.etcd.wipe()?;
    router.etcd.restart().await?;
    let geo = eventually(SOON, "they are held", async || {
        let geo = shown(&router.nginx).await?;
        ensure!(geo.held.is_some(), "{geo:?}");
        Ok(geo)
    })
    .await?;
    assert!(
        geo.networks == 11 && geo.held.is_some_and(|left| left > 30.0 && left <= 60.0),
        "{geo:?}"
    );
    // What is none does not take their place.
    router.etcd.put(network("new"), "nobody").await?;
    router.nginx.wait_for_log("nobody").await?;
    all_say(&router.nginx, &kept).await?;
    // One that is does so as a whole.
    router.etcd.put(network("new"), OUTSIDE).await?;
    all_say(&router.nginx, &[(INSIDE, false), (OUTSIDE, true), ("203.0.113.1", false)]).await?;
    nothing_is_held(&router.nginx).await?;
    assert_eq!(shown(&router.nginx).await?.networks, 1);
    Ok(())
}

#[tokio::test]
async fn malformed_networks_alone_let_nobody_be_inside() -> Result<()> {
    let router = start("empty=1").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    all_say(nginx, &[(INSIDE, true)]).await?;
    etcd.put(network("one"), "everybody").await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    // Also for the next watcher, and after a reload.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    all_say(nginx, &[(INSIDE, false)]).await?;
    nginx.reload().await?;
    all_say(nginx, &[(INSIDE, false)]).await?;
    etcd.put(network("two"), INSIDE).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, false)]).await?;
    etcd.delete(&network("two")).await?;
    all_say(nginx, &[(INSIDE, false)]).await?;
    etcd.delete(&network("one")).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true)]).await
}

/// Whoever writes a key at the prefix itself means that not everybody is inside.
#[tokio::test]
async fn key_at_the_prefix_itself_names_nobody_and_says_what_to_write() -> Result<()> {
    let router = start("empty=1").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for value in [INSIDE, ""] {
        all_say(nginx, &[(INSIDE, true)]).await?;
        etcd.put(NETWORKS, value).await?;
        all_say(nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
        let rejected = shown(nginx).await?.rejected.ok_or("it is not rejected")?;
        assert!(rejected.contains("/firehose/nginx/put_allow/NAME"), "{rejected}");
        nginx.wait_for_log(&rejected).await?;
        // It is found by a list as well.
        signal(nginx.watcher().await?, Signal::SIGKILL)?;
        nginx.watcher().await?;
        etcd.put(network("other"), OUTSIDE).await?;
        all_say(nginx, &[(INSIDE, false), (OUTSIDE, true)]).await?;
        etcd.delete(&network("other")).await?;
        all_say(nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
        etcd.delete(NETWORKS).await?;
    }
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true)]).await
}

/// That etcd has been heard is seen together with what it has said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_inside_while_the_first_networks_are_written() -> Result<()> {
    const KEYS: u32 = 50;
    const NETWORKS_OF_A_KEY: u32 = 1_000;
    let etcd = Etcd::start().await?;
    for part in 0..2 {
        let pairs = (part * KEYS / 2..(part + 1) * KEYS / 2).map(|key| {
            let networks = (key * NETWORKS_OF_A_KEY..(key + 1) * NETWORKS_OF_A_KEY).map(|number| {
                let [_, high, middle, low] = (number * 32).to_be_bytes();
                format!("10.{high}.{middle}.{low}/28")
            });
            (network(&format!("provider-{key}")), networks.collect::<Vec<_>>().join(" "))
        });
        etcd.put_all(pairs).await?;
    }
    // Twice, since it may be over before anybody could ask.
    for round in 0..2 {
        etcd.pause()?;
        let nginx = Nginx::start(configuration(&etcd, "empty=1")).await?;
        let mut connections = nginx.connect_to_each().await?;
        etcd.resume()?;
        let mut answers = 0;
        eventually(6 * SOON, "the networks are listed", async || {
            for _ in 0..20 {
                for connection in &mut connections {
                    let answer = connection.get_with("/", &[("X-Real-IP", OUTSIDE)]).await?;
                    let said = answer.header("x-inside");
                    assert_eq!(said, "<0>", "round {round}, answer {answers}");
                    answers += 1;
                }
            }
            let networks = shown(&nginx).await?.networks;
            ensure!(networks == (KEYS * NETWORKS_OF_A_KEY) as usize, "{networks}");
            Ok(())
        })
        .await?;
        println!("{answers} answers");
        all_say(&nginx, &[("10.0.0.1", true), (OUTSIDE, false)]).await?;
    }
    Ok(())
}

/// Waits until the status says so: it does after requests have the networks.
async fn nothing_is_held(nginx: &Nginx) -> Result<()> {
    eventually(SOON, "nothing is held", async || {
        let geo = shown(nginx).await?;
        ensure!(geo.held.is_none(), "{geo:?}");
        Ok(())
    })
    .await
}

/// The hold is the prefix's: neither another watcher nor a reload ends it, though the new etcd has
/// come past the old one by then.
#[tokio::test]
async fn held_networks_stay_over_reloads_when_the_new_etcd_has_come_further() -> Result<()> {
    let mut router = start("empty=1").await?;
    router.etcd.put(network("one"), INSIDE).await?;
    let kept = [(INSIDE, true), (OUTSIDE, false)];
    all_say(&router.nginx, &kept).await?;
    let before = router.etcd.revision().await?;
    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd.restart().await?;
    let held =
        async |nginx: &Nginx| shown(nginx).await?.held.ok_or_else(|| "nothing is held".into());
    let left: f64 = eventually(SOON, "they are held", async || held(&router.nginx).await).await?;
    while router.etcd.put("/elsewhere", "").await? <= before {}
    for _ in 0..2 {
        router.nginx.reload().await?;
        let watcher = eventually(SOON, "a new worker watches", async || {
            let watcher = router.nginx.watcher().await?;
            ensure!(router.nginx.workers()?.contains(&watcher), "{watcher} is an old one");
            Ok(watcher)
        })
        .await?;
        signal(watcher, Signal::SIGKILL)?;
        router.nginx.watcher().await?;
        // Taken by the new watcher, and no network.
        router.etcd.put(network("new"), "nobody").await?;
        eventually(SOON, "it is heard", async || {
            let rejected = shown(&router.nginx).await?.rejected;
            ensure!(rejected.is_some_and(|said| said.contains("new")), "not yet");
            Ok(())
        })
        .await?;
        all_say(&router.nginx, &kept).await?;
        assert!(held(&router.nginx).await? < left);
    }
    Ok(())
}

#[tokio::test]
async fn key_that_names_no_network_is_not_none() -> Result<()> {
    let router = start("empty=1").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    all_say(nginx, &[(INSIDE, true)]).await?;
    etcd.put(network("office"), "everybody").await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    etcd.put(network("other"), OUTSIDE).await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, true)]).await?;
    etcd.delete(&network("other")).await?;
    all_say(nginx, &[(INSIDE, false), (OUTSIDE, false)]).await?;
    etcd.delete(&network("office")).await?;
    all_say(nginx, &[(INSIDE, true), (OUTSIDE, true)]).await
}
