//! Every setting: its default, a change, a bad value, and its removal; and that a change is one
//! reload, and a node none.

use std::collections::BTreeSet;

use harness::*;

use super::setting;

/// A setting whose change is a reload.
struct Case {
    name: &'static str,
    /// The line that stands in nginx's configuration by default; none where nothing does.
    default: Option<&'static str>,
    good: &'static str,
    /// The line that stands there then.
    line: &'static str,
    bad: &'static [&'static str],
}

const CASES: [Case; 11] = [
    Case {
        name: "worker_processes",
        default: Some("worker_processes 4;"),
        good: "2",
        line: "worker_processes 2;",
        bad: &["0", "two", "4;"],
    },
    Case {
        name: "worker_rlimit_nofile",
        default: None,
        good: "8192",
        line: "worker_rlimit_nofile 8192;",
        bad: &["", "-1", "1 2"],
    },
    Case {
        name: "worker_connections",
        default: Some("worker_connections 4096;"),
        good: "512",
        line: "worker_connections 512;",
        bad: &["1", "many"],
    },
    Case {
        name: "keepalive_timeout",
        default: Some("keepalive_timeout 65s;"),
        good: "1m30s",
        line: "keepalive_timeout 1m30s;",
        bad: &["forever", "5x"],
    },
    Case {
        name: "server_name",
        default: Some("server_name firehose-router;"),
        good: "stream.example.com *.example.org",
        line: "server_name stream.example.com *.example.org;",
        bad: &["a; return 444", "~^(.*$"],
    },
    Case {
        name: "healthcheck_path",
        default: None,
        good: "/healthz",
        line: "etcd_check http uri=/healthz;",
        bad: &["healthz", "/a b", "/}"],
    },
    // Alone it asks for "/", as Firehose's own check does.
    Case {
        name: "healthcheck_method",
        default: None,
        good: "HEAD",
        line: "etcd_check http method=HEAD;",
        bad: &["POST", "HEAD /", ""],
    },
    Case {
        name: "balance",
        default: Some("etcd_balance least_conn;"),
        good: "hash $request_uri consistent",
        line: "etcd_balance hash $request_uri consistent;",
        // The last is one that only nginx itself can refuse.
        bad: &["fastest", "hash", "hash $no_such_variable"],
    },
    Case {
        name: "syslog_endpoint",
        default: None,
        good: "127.0.0.1:5140",
        line: "error_log syslog:server=127.0.0.1:5140,tag=firehose_router notice;",
        bad: &["a b", "host:99999", "no-such-host.invalid:514"],
    },
    Case {
        name: "accept_proxy",
        default: None,
        good: "on",
        line: "real_ip_header proxy_protocol;",
        bad: &["maybe"],
    },
    Case {
        name: "client_max_body_size",
        default: Some("client_max_body_size 1m;"),
        good: "64m",
        line: "client_max_body_size 64m;",
        bad: &["large", "1.5m", "-1", "1m;"],
    },
];

pub(super) fn has(configuration: &str, line: &str) -> bool {
    configuration.lines().any(|other| other.trim() == line)
}

/// Waits until nginx runs with its `reloads`th other configuration, and nothing is left of the one
/// before.
pub(super) async fn reloaded(router: &Served, reloads: usize) -> Result<()> {
    eventually(SOON, &format!("reload {reloads}"), async || {
        let rendering: usize = router.locally("/rendering")?.trim().parse()?;
        ensure!(rendering == reloads + 1, "rendering {rendering}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn each_setting_has_a_default_changes_by_one_reload_and_refuses_bad_values() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let standard = router.configuration()?;
    let mut reloads = 0;
    for case in &CASES {
        let name = case.name;
        assert!(!has(&standard, case.line), "{name}");
        assert!(case.default.is_none_or(|line| has(&standard, line)), "{name}: {standard}");
        etcd.put(setting(name), case.good).await?;
        reloads += 1;
        reloaded(&router, reloads)
            .await
            .map_err(|error| format!("{name}: {error}: {}", router.program.log()))?;
        assert!(has(&router.configuration()?, case.line), "{name}: {}", router.configuration()?);

        for bad in case.bad {
            let before = router.program.log_lines(&setting(name)).len();
            etcd.put(setting(name), bad).await?;
            eventually(SOON, &format!("{bad:?} is refused as {name}"), async || {
                let lines = router.program.log_lines(&setting(name));
                ensure!(
                    lines.len() > before
                        && lines.iter().skip(before).any(|line| line.contains("rejected")),
                    "{lines:?}"
                );
                Ok(())
            })
            .await?;
            assert!(has(&router.configuration()?, case.line), "{name} {bad:?}");
        }
        // None of them was a reload: the next one is that of the removal.
        assert_eq!(router.reloads(), reloads, "{name}");
        etcd.delete(&setting(name)).await?;
        reloads += 1;
        reloaded(&router, reloads).await?;
        let after = router.configuration()?;
        assert!(
            !has(&after, case.line) && case.default.is_none_or(|line| has(&after, line)),
            "{name}: {after}"
        );
        assert_eq!(router.reloads(), reloads, "{name}");
    }
    // Nodes come and go, and nginx does not reload for them.
    for _ in 0..5 {
        etcd.put(key("other"), node.address().to_string() + " weight=2").await?;
        router.wait_for_keys(&["node", "other"]).await?;
        etcd.delete(&key("other")).await?;
        router.wait_for_keys(&["node"]).await?;
    }
    assert_eq!(router.reloads(), reloads);
    assert_eq!(router.get("/").await?.node(), "node");
    Ok(())
}

#[tokio::test]
async fn settings_changed_together_are_one_reload_without_the_bad_ones() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let pairs = [
        ("worker_processes", "2"),
        ("keepalive_timeout", "30s"),
        // Only nginx can say that this host does not resolve.
        ("syslog_endpoint", "no-such-host.invalid:514"),
        ("server_name", "together.example"),
        ("drain_timeout", "never"),
    ];
    etcd.put_all(pairs.iter().map(|(name, value)| (setting(name), (*value).to_owned()))).await?;
    reloaded(&router, 1).await?;
    let configuration = router.configuration()?;
    for line in ["worker_processes 2;", "keepalive_timeout 30s;", "server_name together.example;"] {
        assert!(has(&configuration, line), "{configuration}");
    }
    assert!(!configuration.contains("no-such-host"), "{configuration}");
    // The module itself follows the second.
    for name in ["syslog_endpoint", "drain_timeout"] {
        router.program.wait_for_log(&setting(name)).await?;
        let lines = router.program.log_lines(&setting(name));
        assert!(lines.len() == 1 && lines[0].contains("rejected"), "{lines:?}");
    }
    eventually(SOON, "two workers", async || {
        ensure!(router.workers()?.len() == 2, "{:?}", router.workers()?);
        Ok(())
    })
    .await?;
    etcd.put(setting("worker_processes"), "3").await?;
    reloaded(&router, 2).await?;
    assert_eq!(router.reloads(), 2);
    Ok(())
}

#[tokio::test]
async fn unknown_setting_is_logged_once() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put(setting("colour"), "red").await?;
    // The mark of a folder is no setting either, and nothing to be told of.
    etcd.put(setting(""), "dir").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.program.wait_for_log("colour\" ignored").await?;
    etcd.put(setting("colour"), "blue").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    reloaded(&router, 1).await?;
    router.program.wait_for_log_lines("there is no setting of this name", 1).await?;
    Ok(())
}

#[tokio::test]
async fn sessions_outlive_a_change_of_settings() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(2).await?;
    etcd.register(&nodes).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&[nodes[0].name(), nodes[1].name()]).await?;
    let load = Load::start(&router.address(), "/", Clients::Fresh, 2);
    let mut session = router.websocket("/ws").await?;
    let old: BTreeSet<i32> = router.workers()?.into_iter().collect();
    etcd.put(setting("keepalive_timeout"), "10s").await?;
    reloaded(&router, 1).await?;
    eventually(SOON, "other workers", async || {
        ensure!(
            router.workers()?.iter().all(|worker| !old.contains(worker)),
            "{:?}",
            router.workers()?
        );
        Ok(())
    })
    .await?;
    session.echo("by an old worker").await?;
    load.stop().await?.without_failure()?;
    Ok(())
}
