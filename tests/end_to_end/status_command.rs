//! `firehose-router status`: what it shows of real routers, and its exit codes.

mod watching;

use std::process::{Command, Stdio};

use harness::*;

/// What it has said.
#[derive(Debug)]
struct Said {
    code: i32,
    output: String,
    error: String,
}

impl Said {
    /// Whether a line of the output has all of these words.
    fn has(&self, words: &[&str]) -> bool {
        self.output.lines().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

/// The command, without variables of the test's own.
fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(firehose_router()?);
    command.arg("status").args(arguments).env_remove("FIREHOSE_STATUS_URL");
    command.env_remove("FIREHOSE_RUN_DIR").stdin(Stdio::null());
    Ok(command)
}

async fn status(arguments: &[&str]) -> Result<Said> {
    let mut command = command(arguments)?;
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        output: String::from_utf8(output.stdout)?,
        error: String::from_utf8(output.stderr)?,
    })
}

fn url(nginx: &Nginx) -> String {
    format!("http://{}/etcd", nginx.address())
}

#[tokio::test]
async fn upstream_in_stream_has_sessions() -> Result<()> {
    let router = StreamRouter::start(1, 2, "").await?;
    for session in open_tcp(&router.address(), 4).await? {
        session.finish().await?;
    }
    let url = url(&router.nginx);
    eventually(SOON, "the sessions are counted", async || {
        let said = status(&["--url", &url]).await?;
        ensure!(said.code == 0 && said.error.is_empty(), "{said:?}");
        ensure!(said.has(&["4 sessions, answered 4, first byte p50 "]), "{}", said.output);
        let title = format!("upstream {SESSIONS} (stream, round_robin, {PREFIX}, main)");
        ensure!(said.has(&[&title]), "{}", said.output);
        ensure!(said.has(&["peer", "open  sessions", "p50"]), "{}", said.output);
        ensure!(!said.output.contains("request"), "{}", said.output);
        Ok(())
    })
    .await
}

/// The watch stands a moment after its list.
async fn followed(nginx: &Nginx) -> Result<()> {
    eventually(SOON, "etcd is followed", async || {
        ensure!(nginx.upstream().await?.connected, "not yet");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_router_that_is_well_is_shown_with_its_peers() -> Result<()> {
    let router = Router::start(1, 2).await?;
    followed(&router.nginx).await?;
    router.nginx.get("/").await?;
    let said = status(&["--url", &url(&router.nginx)]).await?;
    assert!(said.code == 0 && said.error.is_empty(), "{said:?}");
    assert!(said.has(&["2 of 2 peers serve; the list is", "revision"]), "{}", said.output);
    for node in &router.nodes {
        assert!(said.has(&[node.name(), &node.address().to_string(), "up"]), "{}", said.output);
    }
    assert!(
        said.output.contains("upstream firehose (http, round_robin, /firehose/upstream/, main)")
    );
    assert!(said.has(&["etcd:", &router.etcd.url()]), "{}", said.output);
    assert!(!said.output.contains(['!', '\x1b']), "{}", said.output);
    // One line behind the other is aligned.
    let starts: Vec<_> = said
        .output
        .lines()
        .filter(|line| line.contains("127.0.0.1") && line.starts_with("  n"))
        .map(|line| line.find("127.0.0.1"))
        .collect();
    assert!(starts.len() == 2 && starts[0] == starts[1], "{}", said.output);

    let said = status(&["--url", &url(&router.nginx), "--color", "always"]).await?;
    assert!(said.output.contains("\x1b[32mup\x1b[0m"), "{:?}", said.output);
    let said = status(&["--url", &url(&router.nginx), "--peers", "none"]).await?;
    assert!(said.code == 0 && !said.output.contains("address"), "{said:?}");
    let said = status(&["--url", &url(&router.nginx), "--peer", "n1"]).await?;
    assert!(said.code == 0 && said.has(&["n1", "up"]) && !said.has(&["n0", "up"]), "{said:?}");
    assert!(said.has(&["this peer serves"]), "{said:?}");
    let said = status(&["--url", &url(&router.nginx), "--peer", &key("n1")]).await?;
    assert!(said.code == 0 && said.has(&["n1", "up"]) && !said.has(&["n0", "up"]), "{said:?}");
    let said = status(&["--url", &url(&router.nginx), "--peer", "typo"]).await?;
    let words = "there is no peer with the key \"typo\"";
    assert!(said.code == 2 && said.error.contains(words), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told_and_changes_the_exit_code() -> Result<()> {
    let mut router = Router::with(2, |etcd| {
        let check = "etcd_check http uri=/healthz interval=50ms timeout=10s fall=1;";
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", check))
    })
    .await?;
    let place = url(&router.nginx);
    followed(&router.nginx).await?;
    router.nodes.remove(1).stop().await;
    let said = eventually(SOON, "a peer fails its checks", async || {
        let said = status(&["--url", &place]).await?;
        ensure!(said.code == 1, "{said:?}");
        Ok(said)
    })
    .await?;
    assert!(said.has(&["! n1 fails its checks"]), "{}", said.output);
    assert!(said.has(&["n1", "unhealthy"]), "{}", said.output);
    assert!(said.has(&["1 of 2 peers serves"]), "{}", said.output);

    // One that is meant to rest is not wrong.
    router.etcd.delete(&key("n1")).await?;
    router.etcd.put(key("n2"), "10.0.0.7:80 down").await?;
    router.nginx.applied(router.etcd.revision().await?).await?;
    assert_eq!(status(&["--url", &place]).await?.code, 0);

    router.etcd.put(key("bad\u{1b}"), "10.0.0.7:x").await?;
    router.etcd.put(key("turned\u{202e}"), "10.0.0.7:x").await?;
    router.nginx.applied(router.etcd.revision().await?).await?;
    for arguments in [&["--url", &*place][..], &["--url", &place, "--json"]] {
        let said = status(arguments).await?;
        assert_eq!(said.code, 1, "{said:?}");
        let steers = |character: char| character.is_control() && character != '\n';
        let shown = said.output + &said.error;
        assert!(!shown.contains(steers) && !shown.contains('\u{202e}'), "{shown:?}");
        assert!(shown.contains("turned\\"), "{shown}");
    }

    router.etcd.stop().await?;
    eventually(SOON, "etcd is away", async || {
        let said = status(&["--url", &place]).await?;
        ensure!(said.code == 1 && said.has(&["! etcd is not followed"]), "{said:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn routers_that_do_not_answer_are_told_apart() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (place, port) = (url(&router.nginx), free_port()?);
    let away = format!("http://127.0.0.1:{port}/etcd");
    let no_status = format!("http://{}/none", router.nginx.address());
    for (arguments, words) in [
        (&["--url", &*away][..], "connection refused: no router listens there"),
        (&["--url", &no_status], "status"),
        (&["--url", &place, "--upstream", "none"], "none"),
        (&["--url", "http://unix:/none.sock"], "there is no such socket"),
        (&["--run-dir", "/none"], "there is no such socket"),
        (&["--url", "ftp://a"], "must begin with"),
        (&["--peers", "few"], "few"),
        (&["--watch=0"], "must be from 1 to 3600"),
    ] {
        let said = status(arguments).await?;
        assert!(said.code == 2 && said.output.is_empty(), "{arguments:?}: {said:?}");
        assert!(said.error.contains(words), "{arguments:?}: {}", said.error);
    }
    Ok(())
}

#[tokio::test]
async fn several_routers_stand_side_by_side() -> Result<()> {
    let router = Router::start(1, 2).await?;
    let second = Nginx::start(Configuration::firehose(&router.etcd).workers(1)).await?;
    second.wait_for_peer("n1").await?;
    for nginx in [&router.nginx, &second] {
        followed(nginx).await?;
    }
    let _session = Session::open(&second.address(), "/ws").await?;
    let (one, other) = (url(&router.nginx), url(&second));
    let both = format!("{one},{other}");
    let said = status(&["--url", &both]).await?;
    assert!(said.code == 0 && said.error.is_empty(), "{said:?}");
    assert!(said.has(&["[1]", &one]) && said.has(&["[2]", &other]), "{}", said.output);
    assert!(said.has(&["[2] 2 of 2 peers serve"]), "{}", said.output);
    assert!(said.has(&["peer", "[1] state", "[2] state"]), "{}", said.output);
    assert!(said.has(&["n0", "up"]) && said.has(&["n1", "up"]), "{}", said.output);

    let said = status(&["--json", "--url", &one, "--url", &other]).await?;
    let json: serde_json::Value = serde_json::from_str(&said.output)?;
    for url in [&one, &other] {
        assert!(json[url]["upstreams"]["firehose"]["peers"].is_array(), "{}", said.output);
    }
    let said = status(&["--json", "--url", &one]).await?;
    let document: Status = serde_json::from_str(&said.output)?;
    assert_eq!(document.upstreams["firehose"].peers.len(), 2);

    let away = format!("{one},http://127.0.0.1:{}", free_port()?);
    let said = status(&["--url", &away]).await?;
    assert!(said.code == 2 && said.has(&["[2]", "connection refused"]), "{said:?}");
    assert!(said.has(&["[1] 2 of 2 peers serve"]), "{}", said.output);
    Ok(())
}

#[tokio::test]
async fn the_router_of_this_machine_is_found_by_its_socket() -> Result<()> {
    let etcd = Etcd::start().await?;
    let node = Node::start("n0").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    let served = Served::start(&etcd.url(), &[]).await?;
    served.wait_for_keys(&["n0"]).await?;
    eventually(SOON, "etcd is followed", async || {
        ensure!(served.status()?.upstreams["firehose"].connected, "not yet");
        Ok(())
    })
    .await?;
    let run = served.folder().join("run").display().to_string();
    let said = status(&["--run-dir", &run]).await?;
    assert!(said.code == 0 && said.has(&["n0", &node.address().to_string(), "up"]), "{said:?}");
    let socket = format!("http://unix:{run}/status.sock:/etcd");
    let said = status(&["--url", &socket, "--upstream", "firehose"]).await?;
    assert!(said.code == 0 && said.has(&[&socket]), "{said:?}");
    Ok(())
}

#[tokio::test]
async fn routers_are_asked_over_tls_as_well() -> Result<()> {
    let authority = Authority::new("authority")?;
    let own = authority.certificate(&["127.0.0.1"])?;
    let (folder, port) = (Folder::new("tls")?, free_port()?);
    let file = |name: &str, text: &str| -> Result<String> {
        Ok(folder.write(name, text)?.display().to_string())
    };
    let trusted = file("authority.pem", authority.pem())?;
    let (certificate, private) = (file("own.pem", &own.certificate)?, file("own.key", &own.key)?);
    let server = format!(
        "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate};
            ssl_certificate_key {private}; location /etcd {{ etcd_status; }} }}"
    );
    let router = Router::with(1, |etcd| Configuration::firehose(etcd).http(&server)).await?;
    followed(&router.nginx).await?;
    let place = format!("https://127.0.0.1:{port}");
    let said = status(&["--url", &place, "--cacert", &trusted]).await?;
    assert!(said.code == 0 && said.has(&["n0", "up"]), "{said:?}");
    let said = status(&["--url", &place]).await?;
    assert!(said.code == 2 && said.error.contains("--cacert"), "{said:?}");
    let said = status(&["--url", &place, "--cacert", "/none"]).await?;
    assert!(said.code == 2 && said.error.contains("cannot be read"), "{said:?}");
    router.nginx.check_log()
}
