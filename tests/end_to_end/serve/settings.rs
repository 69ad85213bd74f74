//! Every setting: its default, a change, a bad value, and its removal; and that a change is one
//! reload, and a node none.

use std::collections::BTreeSet;

use harness::*;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

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
async fn each_has_its_default_is_changed_by_one_reload_and_refuses_what_is_bad() -> Result<()> {
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
async fn several_that_change_together_are_one_reload_and_what_is_bad_among_them_is_left_out()
-> Result<()> {
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
async fn max_conns_acts_without_a_reload() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let limit_is = async |limit: u32| {
        eventually(SOON, &format!("max_conns {limit}"), async || {
            let status = router.status()?;
            let peers = &status.upstreams["firehose"].peers;
            ensure!(peers.first().is_some_and(|peer| peer.max_conns == limit), "{peers:?}");
            Ok(())
        })
        .await
    };
    limit_is(0).await?;
    for (value, limit) in [("2", 2), ("none", 2), ("1", 1)] {
        etcd.put(setting("max_conns"), value).await?;
        limit_is(limit).await?;
    }
    let said = router.program.log_lines(&setting("max_conns"));
    assert!(said.len() == 1 && said[0].contains("rejected"), "{said:?}");
    let mut session = router.websocket("/ws").await?;
    session.echo("in").await?;
    assert_eq!(router.get("/").await?.status, 502);
    etcd.delete(&setting("max_conns")).await?;
    limit_is(0).await?;
    assert_eq!(router.get("/").await?.status, 200);
    // A change that is a reload comes after all of these, and is the only one.
    etcd.put(setting("max_conns"), "7").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    reloaded(&router, 1).await?;
    router.program.wait_for_log("nginx has reloaded").await?;
    let lines = router.program.log_lines("nginx has reloaded");
    assert!(
        lines.len() == 1 && lines[0].ends_with("nginx has reloaded: worker_processes 2"),
        "{lines:?}"
    );
    limit_is(7).await
}

/// A session is open in an old worker when an operator wants to empty its node.
#[tokio::test]
async fn drain_times_act_on_open_sessions_of_old_workers_without_a_reload() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(2).await?;
    etcd.register(&nodes[..1]).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&[nodes[0].name()]).await?;
    let session = Session::open(&router.address(), "/ws").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    reloaded(&router, 1).await?;
    etcd.register(&nodes[1..]).await?;
    etcd.delete(&key(nodes[0].name())).await?;
    router.wait_for_keys(&[nodes[1].name()]).await?;
    let closes_in = |is: fn(Option<f64>) -> bool| {
        let (router, name) = (&router, nodes[0].name());
        async move {
            eventually(SOON, "the status says when the session ends", async || {
                let status = router.status()?;
                let peer = status.upstreams["firehose"].peer(name).cloned().ok_or("it is gone")?;
                ensure!(peer.connections == 1 && is(peer.closes_in), "{peer:?}");
                Ok(())
            })
            .await
        }
    };
    closes_in(|left| left.is_none()).await?;
    session.echo("nobody closes it").await?;
    etcd.put(setting("drain_spread"), "100ms").await?;
    // The timeout is then the 30 s of `etcd_drain`; a first one is longer.
    etcd.put(setting("drain_timeout"), "1h").await?;
    closes_in(|left| left.is_some_and(|left| left > 3_000.0)).await?;
    session.echo("not yet").await?;
    // Those who start anew have them from the start.
    etcd.put(setting("worker_processes"), "3").await?;
    reloaded(&router, 2).await?;
    let configuration = router.configuration()?;
    for line in ["drain_timeout type=time initial=1h;", "drain_spread type=time initial=100ms;"] {
        assert!(configuration.contains(line), "{configuration}");
    }
    closes_in(|left| left.is_some_and(|left| left > 3_000.0)).await?;
    etcd.put(setting("drain_timeout"), "0").await?;
    session.ended(SOON).await?;
    assert_eq!(router.reloads(), 2);
    Ok(())
}

#[tokio::test]
async fn a_setting_that_is_none_is_told_of_once() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put(setting("colour"), "red").await?;
    // The mark of a folder is no setting either, and nothing to be told of.
    etcd.put(setting(""), "dir").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.program.wait_for_log("colour\" ignored").await?;
    etcd.put(setting("colour"), "blue").await?;
    etcd.put(setting("worker_processes"), "2").await?;
    reloaded(&router, 1).await?;
    assert_eq!(router.program.log_lines("there is no setting of this name").len(), 1);
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

/// What a worker takes for a million connections is more than a process may have here: each would
/// end as it begins.
#[tokio::test]
async fn what_the_machine_has_no_room_for_ends_nobody() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let limited = ["prlimit", "--as=600000000"];
    let router = Served::start_by(&limited, Folder::new("serve")?, &etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let workers = router.workers()?;
    etcd.put(setting("worker_connections"), "1000000").await?;
    let line = router
        .program
        .wait_for_log(&format!("{}\" rejected", setting("worker_connections")))
        .await?;
    assert!(line.contains("1000000 connections") && line.contains("RLIMIT_AS"), "{line}");
    assert!(has(&router.configuration()?, "worker_connections 4096;"));
    assert_eq!(router.workers()?, workers);
    assert_eq!(router.get("/").await?.node(), "node");
    // What there is room for is taken, once it has been tried.
    etcd.put(setting("worker_connections"), "8192").await?;
    router.wait_for_line("worker_connections 8192;").await?;
    router.program.wait_for_log("nginx has reloaded: worker_connections 8192").await?;
    assert_eq!(router.get("/").await?.node(), "node");
    // The product counts: as many as no machine has room for.
    etcd.put_all([
        (setting("worker_processes"), "256".to_owned()),
        (setting("worker_connections"), "1000000".to_owned()),
        (setting("keepalive_timeout"), "30s".to_owned()),
    ])
    .await?;
    router.wait_for_line("keepalive_timeout 30s;").await?;
    assert!(!has(&router.configuration()?, "worker_connections 1000000;"));
    eventually(SOON, "the router answers", async || {
        ensure!(router.get("/").await?.node() == "node", "another");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_starts_though_there_is_no_room_for_what_etcd_has() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put(setting("worker_connections"), "1000000").await?;
    etcd.put(setting("keepalive_timeout"), "30s").await?;
    let limited = ["prlimit", "--as=600000000"];
    let router = Served::start_by(&limited, Folder::new("serve")?, &etcd.url(), &[]).await?;
    let configuration = router.configuration()?;
    assert!(
        has(&configuration, "worker_connections 4096;")
            && has(&configuration, "keepalive_timeout 30s;"),
        "{configuration}"
    );
    let lines = router.program.log_lines(&format!("{}\" rejected", setting("worker_connections")));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(router.get("/nginx-healthcheck").await?.status, 200);
    Ok(())
}

/// Puts a setting, and gives the line in which it is refused.
async fn refused(etcd: &Etcd, router: &Served, name: &str, value: &str) -> Result<String> {
    let words = format!("{}\" rejected: with {value},", setting(name));
    etcd.put(setting(name), value).await?;
    router.program.wait_for_log(&words).await
}

/// A worker without files answers 500.
#[tokio::test]
async fn workers_that_would_have_too_few_files_are_refused_whichever_setting_changes() -> Result<()>
{
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    let line = refused(&etcd, &router, "worker_rlimit_nofile", "32").await?;
    for word in [
        "worker_connections 4096",
        "worker_processes 4",
        "worker_rlimit_nofile must be at least 4432",
    ] {
        assert!(line.contains(word), "{word} in {line}");
    }
    assert_eq!(router.reloads(), 0);
    etcd.put(setting("worker_rlimit_nofile"), "4432").await?;
    router.wait_for_line("worker_rlimit_nofile 4432;").await?;
    let line = refused(&etcd, &router, "worker_connections", "4097").await?;
    assert!(line.contains("worker_rlimit_nofile must be at least 4433"), "{line}");
    etcd.delete(&setting("worker_connections")).await?;
    let line = refused(&etcd, &router, "worker_processes", "5").await?;
    assert!(line.contains("worker_rlimit_nofile must be at least 4436"), "{line}");
    // What it needs is taken with it, in one reload, and in whichever order where another one is
    // bad.
    etcd.put_all([
        (setting("worker_rlimit_nofile"), "400".to_owned()),
        (setting("worker_connections"), "64".to_owned()),
        (setting("worker_processes"), "2".to_owned()),
        (setting("balance"), "hash $no_such_variable".to_owned()),
    ])
    .await?;
    reloaded(&router, 2).await?;
    let configuration = router.configuration()?;
    for line in ["worker_rlimit_nofile 400;", "worker_connections 64;", "worker_processes 2;"] {
        assert!(has(&configuration, line), "{configuration}");
    }
    etcd.delete(&setting("worker_connections")).await?;
    let words = format!("{}\" rejected: with its default,", setting("worker_connections"));
    let line = router.program.wait_for_log(&words).await?;
    assert!(line.contains("400 (worker_rlimit_nofile)"), "{line}");
    assert!(has(&router.configuration()?, "worker_connections 64;"));
    assert_eq!(router.get("/").await?.node(), "node");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_had_is_said_with_what_can() -> Result<()> {
    let etcd = Etcd::start().await?;
    // Without the right to more (capabilities(7)), as in a container.
    let mut limited = vec!["prlimit", "--nofile=1000:1000"];
    if geteuid().is_root() {
        limited.extend(["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]);
    }
    let router = Served::start_by(&limited, Folder::new("serve")?, &etcd.url(), &[]).await?;
    let line = router.program.wait_for_log("a worker may need 4432 files").await?;
    assert!(
        line.contains("may have 1000 (RLIMIT_NOFILE)") && line.contains("at most 664"),
        "{line}"
    );
    let line = refused(&etcd, &router, "worker_rlimit_nofile", "20000").await?;
    assert!(line.contains("worker_rlimit_nofile may be at most 1000"), "{line}");
    // With the defaults it is as good as it can be, and so is each change that makes it no worse.
    for (name, value) in
        [("keepalive_timeout", "30s"), ("worker_connections", "512"), ("worker_processes", "8")]
    {
        etcd.put(setting(name), value).await?;
        router.wait_for_line(&format!("{name} {value};")).await?;
    }
    Ok(())
}

/// nginx hands each worker the channels of those that begin: one that has no file left hears
/// nothing any more, also not that it is to end.
#[tokio::test]
async fn no_request_is_lost_when_the_workers_and_their_files_grow() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router = Served::start(&etcd.url(), &["--access-log", "off"]).await?;
    router.wait_for_keys(&["node"]).await?;
    let load = Load::start(&router.address(), "/", Clients::Fresh, 2);
    for (name, value) in [
        ("worker_rlimit_nofile", "64"),
        ("worker_processes", "64"),
        ("worker_rlimit_nofile", "20000"),
    ] {
        etcd.put(setting(name), value).await?;
        let taken = format!("{name} {value}");
        let refused = format!("{}\" rejected: with {value}", setting(name));
        eventually(SOON, &format!("{taken} is taken or refused"), async || {
            let reloads = router.program.log_lines("nginx has reloaded");
            let is_taken = reloads.iter().any(|line| line.contains(&taken));
            ensure!(is_taken || !router.program.log_lines(&refused).is_empty(), "{reloads:?}");
            Ok(())
        })
        .await?;
    }
    let old: BTreeSet<i32> = router.workers()?.into_iter().collect();
    etcd.put(setting("keepalive_timeout"), "30s").await?;
    router.wait_for_line("keepalive_timeout 30s;").await?;
    eventually(SOON, "64 other workers", async || {
        let workers = router.workers()?;
        ensure!(
            workers.len() == 64 && workers.iter().all(|worker| !old.contains(worker)),
            "{workers:?}"
        );
        Ok(())
    })
    .await?;
    load.stop().await?.without_failure()?;
    assert!(!router.program.log().contains("recvmsg()"), "{}", router.program.log());
    Ok(())
}

#[tokio::test]
async fn nginx_reloads_once_its_workers_have_files_to_hear_of_it() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &["--nginx-user", "root"]).await?;
    let worker = router.workers()?[0];
    limit_files(worker, open_files(worker)?)?;
    etcd.put(setting("keepalive_timeout"), "30s").await?;
    let line = router.program.wait_for_log("the settings change nothing").await?;
    assert!(line.contains(&format!("the worker {worker} would need")), "{line}");
    assert_eq!(router.reloads(), 0);
    limit_files(worker, 1000)?;
    reloaded(&router, 1).await?;
    assert!(has(&router.configuration()?, "keepalive_timeout 30s;"));
    Ok(())
}

/// nginx reloads, and one of the workers that are to shut down does not hear of it: no file was
/// left for what came before that.
async fn deaf(etcd: &Etcd, router: &Served, worker: i32) -> Result<()> {
    signal(worker, Signal::SIGSTOP)?;
    let reloads = router.reloads();
    etcd.put(setting("keepalive_timeout"), format!("{}s", 30 + reloads)).await?;
    reloaded(router, reloads + 1).await?;
    router.program.wait_for_log("nginx has reloaded").await?;
    limit_files(worker, 3)?;
    signal(worker, Signal::SIGCONT)?;
    router.program.wait_for_log("recvmsg()").await?;
    limit_files(worker, 1000)
}

#[tokio::test]
async fn an_old_worker_that_has_not_heard_of_a_reload_is_told() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let router =
        Served::start(&etcd.url(), &["--nginx-user", "root", "--stop-timeout", "1"]).await?;
    router.wait_for_keys(&["node"]).await?;
    // It has heard nothing, and has sessions, which it keeps.
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(router.websocket("/ws").await?);
    }
    let worker = router.workers()?[0];
    deaf(&etcd, &router, worker).await?;
    let line = router
        .program
        .wait_for_log(
            "still serves with the configuration before the \
         reload",
        )
        .await?;
    assert!(line.contains(&format!("worker {worker} ")), "{line}");
    eventually(SOON, "it shuts down", async || {
        ensure!(!router.workers()?.contains(&worker), "{:?}", router.workers()?);
        Ok(())
    })
    .await?;
    for session in &mut sessions {
        session.echo("still").await?;
    }
    // One that does not do as it is told is ended.
    let stopped = router.workers()?[0];
    signal(stopped, Signal::SIGSTOP)?;
    etcd.put(setting("server_name"), "other.example").await?;
    reloaded(&router, 2).await?;
    for words in ["does not shut down: sending it SIGTERM", "does not exit: sending it SIGKILL"] {
        router.program.wait_for_log(&format!("worker {stopped} {words}")).await?;
    }
    eventually(SOON, "it is gone", async || {
        ensure!(!running(stopped), "{stopped}");
        Ok(())
    })
    .await?;
    assert_eq!(router.get("/").await?.node(), "node");
    assert_eq!(router.workers()?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn sigterm_is_told_to_a_worker_that_has_not_heard_of_a_reload() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut router =
        Served::start(&etcd.url(), &["--nginx-user", "root", "--stop-timeout", "3600"]).await?;
    let worker = router.workers()?[0];
    deaf(&etcd, &router, worker).await?;
    assert_eq!(router.end(Signal::SIGTERM).await?, 0, "{}", router.program.log());
    assert!(!running(worker));
    Ok(())
}
