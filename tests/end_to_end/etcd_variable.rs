//! `etcd_variable`: a key's value is a variable's, in every worker, without a reload.

use harness::*;
use nix::sys::signal::Signal;

/// The key of the variable.
const KEY: &str = "/firehose/nginx/maintenance";

/// A configuration that shows the variable in a header, and goes by it.
fn configuration(etcd: &Etcd, parameters: &str) -> Configuration {
    Configuration::new()
        .workers(4)
        .http(&cluster("main", &etcd.url()))
        .http(&format!("etcd_variable $maintenance main {KEY} {parameters};"))
        .http("map $maintenance $closed { default 0; on 1; }")
        .http(&upstream("", ""))
        .server("add_header X-Maintenance \"<$maintenance>\" always;")
        .location("if ($closed) { return 503; }")
}

async fn start(parameters: &str) -> Result<Router> {
    Router::with(1, |etcd| configuration(etcd, parameters)).await
}

/// Waits until each worker shows this value.
async fn all_show(nginx: &Nginx, value: &str) -> Result<()> {
    for mut connection in nginx.connect_to_each().await? {
        eventually(SOON, &format!("a worker shows {value}"), async || {
            let answer = connection.get("/").await?;
            let shown = answer.header("x-maintenance");
            ensure!(shown == format!("<{value}>"), "{shown}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn shown(nginx: &Nginx) -> Result<Variable> {
    let mut status = nginx.status().await?;
    Ok(status.variables.remove("$maintenance").ok_or("no such variable in the status")?)
}

#[tokio::test]
async fn value_is_seen_by_every_worker_without_a_reload() -> Result<()> {
    let router = start("default=off").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let workers = nginx.workers()?;
    all_show(nginx, "off").await?;
    nginx.wait_for_log("etcd: variable \"$maintenance\": unset, revision ").await?;
    let variable = shown(nginx).await?;
    assert_eq!((variable.set, variable.revision), (false, None));

    let revision = etcd.put(KEY, "on").await?;
    all_show(nginx, "on").await?;
    assert_eq!(nginx.get("/").await?.status, 503);
    let variable = shown(nginx).await?;
    assert_eq!((variable.cluster.as_str(), variable.key.as_str()), ("main", KEY));
    assert_eq!((variable.set, variable.size, variable.revision), (true, 2, Some(revision)));
    nginx
        .wait_for_log(&format!(
            "etcd: variable \"$maintenance\": set (2 bytes), revision {revision}"
        ))
        .await?;

    // A file's line break is no part of it; an empty value is one, and not the default.
    etcd.put(KEY, "soon\n").await?;
    all_show(nginx, "soon").await?;
    assert_eq!(nginx.get("/").await?.status, 200);
    etcd.put(KEY, "").await?;
    all_show(nginx, "").await?;
    etcd.delete(KEY).await?;
    all_show(nginx, "off").await?;
    assert_eq!(nginx.workers()?, workers);
    nginx.check_log()
}

#[tokio::test]
async fn variable_without_a_default_is_empty() -> Result<()> {
    let router = start("").await?;
    all_show(&router.nginx, "").await?;
    router.etcd.put(KEY, "on").await?;
    all_show(&router.nginx, "on").await
}

#[tokio::test]
async fn values_are_whole_while_they_change() -> Result<()> {
    /// Requests, over which the value changes all the time.
    const REQUESTS: usize = 10_000;
    let router = start("default=none").await?;
    let long = |letter: &str| letter.repeat(3_000);
    router.etcd.put(KEY, long("a")).await?;
    all_show(&router.nginx, &long("a")).await?;
    let etcd = router.etcd;
    let stop = tokio_util::sync::CancellationToken::new();
    let stopped = stop.clone();
    let changing = tokio::spawn(async move {
        let mut changes = 0;
        while !stopped.is_cancelled() {
            etcd.put(
                KEY,
                "ab".chars()
                    .nth(changes % 2)
                    .map(|letter| letter.to_string().repeat(3_000 + changes % 9))
                    .unwrap_or_default(),
            )
            .await?;
            changes += 1;
        }
        Ok::<_, Error>(changes)
    });
    let mut connection = router.nginx.connect().await?;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..REQUESTS {
        let answer = connection.get("/").await?;
        let shown = answer.header("x-maintenance").trim_matches(['<', '>']);
        let letter = shown.chars().next().ok_or("an empty value")?;
        assert!(shown.chars().all(|other| other == letter), "{shown}");
        seen.insert(shown.to_owned());
    }
    stop.cancel();
    let changes = changing.await??;
    println!("{changes} changes, {} different values seen", seen.len());
    assert!(seen.len() > 2);
    Ok(())
}

#[tokio::test]
async fn malformed_value_changes_nothing() -> Result<()> {
    let router = start("default=off").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    etcd.put(KEY, "good").await?;
    all_show(nginx, "good").await?;
    let bad: [(&[u8], &str); 5] = [
        (b"on\r\nX-Evil: 1", "control character"),
        (b"a\0b", "control character"),
        (b"\x1b[31mred", "control character"),
        (b"\xff\xfe", "not valid UTF-8"),
        (&[b'x'; 4097], "4097 bytes, the maximum is 4096"),
    ];
    for (count, (value, reason)) in bad.iter().enumerate() {
        etcd.put(KEY, value).await?;
        eventually(SOON, &format!("it is rejected: {reason}"), async || {
            let variable = shown(nginx).await?;
            // The one before may have been rejected for the same reason.
            ensure!(variable.rejected_total == count as u64 + 1, "{variable:?}");
            ensure!(
                variable.rejected.as_deref().is_some_and(|said| said.contains(reason)),
                "{variable:?}"
            );
            Ok(())
        })
        .await?;
        let answer = nginx.get("/").await?;
        assert_eq!(answer.header("x-maintenance"), "<good>");
        assert_eq!(answer.header("x-evil"), "");
    }
    // The same value again is no news, also to a watcher that has just taken over.
    etcd.put(KEY, [b'x'; 4097]).await?;
    // What the watcher has not logged when it is killed, nobody logs.
    nginx.wait_for_log_lines("rejected", 5).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    let longest = "y".repeat(4096);
    etcd.put(KEY, &longest).await?;
    eventually(SOON, "a good value", async || {
        let variable = shown(nginx).await?;
        ensure!(variable.rejected.is_none() && variable.size == 4096, "{variable:?}");
        Ok(())
    })
    .await?;
    assert_eq!(shown(nginx).await?.rejected_total, 5);
    nginx.wait_for_log_lines("rejected", 5).await?;
    assert!(!nginx.log().contains("yyyy"), "a value is in the log");
    Ok(())
}

#[tokio::test]
async fn value_stays_without_etcd_and_over_reloads_and_takeovers() -> Result<()> {
    let mut router = start("default=off").await?;
    router.etcd.put(KEY, "kept").await?;
    all_show(&router.nginx, "kept").await?;
    router.etcd.kill().await?;
    all_show(&router.nginx, "kept").await?;
    router.nginx.configure(configuration(&router.etcd, "default=other"))?;
    router.nginx.reload().await?;
    all_show(&router.nginx, "kept").await?;
    signal(router.nginx.watcher().await?, Signal::SIGKILL)?;
    all_show(&router.nginx, "kept").await?;

    router.etcd.restart().await?;
    router.etcd.delete(KEY).await?;
    all_show(&router.nginx, "other").await?;
    router.etcd.put(KEY, "new").await?;
    all_show(&router.nginx, "new").await
}

#[tokio::test]
async fn value_stays_at_first_when_etcd_is_wiped() -> Result<()> {
    let mut router = start("default=off").await?;
    for count in 0..20 {
        router.etcd.put(KEY, format!("value-{count}")).await?;
    }
    all_show(&router.nginx, "value-19").await?;
    router.etcd.kill().await?;
    router.etcd.wipe()?;
    router.etcd.restart().await?;
    let variable = eventually(SOON, "the value is held", async || {
        let variable = shown(&router.nginx).await?;
        ensure!(variable.held.is_some(), "{variable:?}");
        Ok(variable)
    })
    .await?;
    assert!(
        variable.set && variable.held.is_some_and(|left| left > 30.0 && left <= 60.0),
        "{variable:?}"
    );
    // What the watcher has not logged when it is killed, nobody logs.
    let wiped = "etcd was wiped or restored from a backup and has no key";
    router.nginx.wait_for_log(wiped).await?;
    // Another watcher sees the same, and goes on with what is left of the time.
    signal(router.nginx.watcher().await?, Signal::SIGKILL)?;
    router.nginx.watcher().await?;
    all_show(&router.nginx, "value-19").await?;
    assert!(shown(&router.nginx).await?.held <= variable.held);
    router.nginx.wait_for_log_lines(wiped, 1).await?;

    router.etcd.put(KEY, "again").await?;
    all_show(&router.nginx, "again").await?;
    eventually(SOON, "nothing is held", async || {
        let variable = shown(&router.nginx).await?;
        ensure!(variable.held.is_none(), "{variable:?}");
        Ok(())
    })
    .await?;
    // A deletion is one.
    router.etcd.delete(KEY).await?;
    all_show(&router.nginx, "off").await
}

#[tokio::test]
async fn cluster_without_upstreams_and_several_variables_of_one_key() -> Result<()> {
    for mode in [Mode::Foreground, Mode::Single] {
        let etcd = Etcd::start().await?;
        let variables = format!(
            "etcd_variable $one main {KEY} default=a; etcd_variable $two main {KEY} default=b;
             etcd_variable $three main /other default=c;"
        );
        let configuration = Configuration::new()
            .mode(mode)
            .http(&cluster("main", &etcd.url()))
            .http(&variables)
            .http(&format!("upstream {UPSTREAM} {{ server 127.0.0.1:1; }}"))
            .server("location = /show { return 200 $one:$two:$three; }");
        let nginx = Nginx::start(configuration).await?;
        let shows = async |expected: &str| {
            eventually(SOON, expected, async || {
                let text = nginx.get("/show").await?.text();
                ensure!(text == expected, "{text}");
                Ok(())
            })
            .await
        };
        shows("a:b:c").await?;
        etcd.put(KEY, "x").await?;
        shows("x:x:c").await?;
        etcd.put("/other", "y").await?;
        shows("x:x:y").await?;
        // Keys that merely begin with it are others.
        etcd.put(format!("{KEY}2"), "z").await?;
        etcd.delete("/other").await?;
        shows("x:x:c").await?;
    }
    Ok(())
}
