//! `etcd_map`: a variable's value is that of the key that another value names, in every worker,
//! without a reload.

mod certificates;
mod chains;
mod current;
mod hosts;
mod limits;
mod many;
mod outages;
mod saved;
mod sessions;
mod splits;

use harness::*;
use nix::sys::signal::Signal;

/// The prefix of the keys.
const ROUTES: &str = "/routes/";

/// A configuration that answers with the variable; the header X-Name names the key.
fn configuration(etcd: &Etcd, parameters: &str) -> Configuration {
    with_map(etcd, &format!("etcd_map $http_x_name $service main {ROUTES} {parameters};"))
        .server("location = /map { return 200 '<$service>'; }")
}

fn with_map(etcd: &Etcd, directives: &str) -> Configuration {
    Configuration::new()
        .workers(3)
        .http(&cluster("main", &etcd.url()))
        .http(directives)
        .http(&upstream("", ""))
}

async fn start(parameters: &str) -> Result<(Nginx, Etcd)> {
    let etcd = Etcd::start().await?;
    Ok((Nginx::start(configuration(&etcd, parameters)).await?, etcd))
}

fn route(name: &str) -> String {
    format!("{ROUTES}{name}")
}

/// What a worker says of a name.
async fn said(connection: &mut Connection, name: &str) -> Result<String> {
    let answer = connection.get_with("/map", &[("X-Name", name)]).await?;
    ensure!(answer.status == 200, "{name}: status {}", answer.status);
    Ok(answer.text().trim_start_matches('<').trim_end_matches('>').to_owned())
}

/// Waits until each worker says of these names what is expected.
async fn all_say(nginx: &Nginx, expected: &[(&str, &str)]) -> Result<()> {
    for mut connection in nginx.connect_to_each().await? {
        for (name, value) in expected {
            eventually(SOON, &format!("a worker says {value} of {name}"), async || {
                let said = said(&mut connection, name).await?;
                ensure!(said == *value, "{said}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

async fn shown(nginx: &Nginx) -> Result<LiveMap> {
    Ok(nginx.status().await?.maps.remove("$service").ok_or("no such variable in the status")?)
}

#[tokio::test]
async fn values_are_those_of_the_keys_in_every_worker_without_a_reload() -> Result<()> {
    let (nginx, etcd) = start("").await?;
    let workers = nginx.workers()?;
    nginx.wait_for_log("etcd: variable \"$service\": 0 entries, revision ").await?;
    all_say(&nginx, &[("one", ""), ("", "")]).await?;
    let map = shown(&nginx).await?;
    assert_eq!((map.entries, map.revision, map.bytes_used), (0, None, 0), "{map:?}");

    etcd.put(route("one"), "web-1\n").await?;
    let revision = etcd.put(route("Two/b"), "a b, $c \"é\"").await?;
    all_say(&nginx, &[("one", "web-1"), ("ONE", "web-1"), ("two/B", "a b, $c \"é\"")]).await?;
    all_say(&nginx, &[("one/", ""), ("on", ""), ("", ""), (&"one".repeat(1_000), "")]).await?;
    let map = shown(&nginx).await?;
    assert_eq!((map.cluster.as_str(), map.prefix.as_str()), ("main", ROUTES));
    assert_eq!((map.entries, map.revision, map.rejected_total), (2, Some(revision), 0), "{map:?}");
    assert!(map.bytes_used > 0 && map.bytes_used < map.bytes_total, "{map:?}");
    let page = nginx.get("/etcd?format=html").await?.text();
    assert!(page.contains("2 entries"), "{page}");
    let metrics = nginx.get("/etcd?format=prometheus").await?.text();
    assert!(metrics.contains("nginx_etcd_map_entries{name=\"$service\"} 2"), "{metrics}");

    etcd.put(route("one"), "").await?;
    etcd.put(route("empty-name-is-the-prefix"), "x").await?;
    etcd.put(ROUTES, "of nothing").await?;
    all_say(&nginx, &[("one", ""), ("", "of nothing")]).await?;
    etcd.delete_all(ROUTES).await?;
    all_say(&nginx, &[("one", ""), ("two/b", ""), ("", "")]).await?;
    assert_eq!(shown(&nginx).await?.entries, 0);
    assert_eq!(nginx.workers()?, workers);
    assert_eq!(nginx.log_lines("rejected"), Vec::<String>::new());
    nginx.check_log()
}

#[tokio::test]
async fn default_is_there_where_no_key_is() -> Result<()> {
    let (nginx, etcd) = start("'default=none of these'").await?;
    let none = "none of these";
    etcd.put(route("one"), "").await?;
    all_say(&nginx, &[("one", ""), ("two", none), ("", none)]).await?;
    etcd.delete(&route("one")).await?;
    all_say(&nginx, &[("one", none)]).await
}

#[tokio::test]
async fn first_of_keys_that_differ_in_case_counts() -> Result<()> {
    let (nginx, etcd) = start("").await?;
    etcd.put(route("host"), "lower").await?;
    all_say(&nginx, &[("host", "lower")]).await?;
    etcd.put(route("Host"), "upper").await?;
    all_say(&nginx, &[("host", "upper"), ("HOST", "upper")]).await?;
    let line = nginx.wait_for_log("key \"/routes/host\" rejected").await?;
    assert!(line.contains("key \"Host\", which differs in case alone, comes first"), "{line}");
    etcd.put(route("host"), "lower again").await?;
    etcd.put(route("mark"), "1").await?;
    all_say(&nginx, &[("mark", "1"), ("host", "upper")]).await?;
    // The next watcher comes to the same.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    etcd.put(route("mark"), "2").await?;
    all_say(&nginx, &[("mark", "2"), ("host", "upper")]).await?;
    etcd.delete(&route("Host")).await?;
    all_say(&nginx, &[("host", "lower again")]).await?;
    eventually(SOON, "nothing is rejected any more", async || {
        let map = shown(&nginx).await?;
        ensure!(map.rejected.is_none() && map.entries == 2, "{map:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn malformed_value_changes_nothing_over_lists_and_takeovers() -> Result<()> {
    let (nginx, etcd) = start("max_length=100").await?;
    etcd.put(route("one"), "good").await?;
    all_say(&nginx, &[("one", "good")]).await?;
    let bad: [(&[u8], &str); 5] = [
        (b"web\r\nX-Evil: 1", "control character"),
        (b"a\0b", "control character"),
        (b"\x1b[31mred", "control character"),
        (b"\xff\xfe", "not valid UTF-8"),
        (&[b'x'; 101], "101 bytes, the maximum is 100; it can be raised by \"max_length\""),
    ];
    for (count, (value, reason)) in bad.iter().enumerate() {
        etcd.put(route("one"), value).await?;
        eventually(SOON, &format!("it is rejected: {reason}"), async || {
            let map = shown(&nginx).await?;
            ensure!(map.rejected_total == count as u64 + 1, "{map:?}");
            let said = map.rejected.unwrap_or_default();
            ensure!(said.contains(reason) && said.contains("/routes/one"), "{said}");
            Ok(())
        })
        .await?;
        all_say(&nginx, &[("one", "good")]).await?;
    }
    etcd.put(route("other"), b"\xff").await?;
    nginx.wait_for_log_lines("rejected", bad.len() + 1).await?;
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    etcd.put(route("two"), "second").await?;
    all_say(&nginx, &[("one", "good"), ("two", "second"), ("other", "")]).await?;
    nginx.reload().await?;
    etcd.put(route("two"), "third").await?;
    all_say(&nginx, &[("one", "good"), ("two", "third"), ("other", "")]).await?;
    // Two values are rejected still, which no other watcher counts or logs once more.
    assert_eq!(shown(&nginx).await?.rejected_total, bad.len() as u64 + 1);
    assert_eq!(nginx.log_lines("rejected").len(), bad.len() + 1, "{}", nginx.log());
    assert!(!nginx.log().contains('\x1b'), "a value has written to the log");
    // A value that comes back after another one is another rejection, however they are gathered.
    for value in [b"\xff1", b"\xff2", b"\xff1", b"\xff3", b"\xff1"] {
        etcd.put(route("one"), value).await?;
    }
    eventually(SOON, "each of them is counted", async || {
        let count = shown(&nginx).await?.rejected_total;
        ensure!(count == bad.len() as u64 + 6, "{count}");
        Ok(())
    })
    .await?;
    etcd.put(route("one"), "x".repeat(100)).await?;
    all_say(&nginx, &[("one", &"x".repeat(100))]).await?;
    etcd.delete(&route("one")).await?;
    all_say(&nginx, &[("one", "")]).await
}
