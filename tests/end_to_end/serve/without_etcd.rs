//! A start without etcd: with what it last had, or with the defaults.

use harness::*;

use super::setting;

#[tokio::test]
async fn first_start_has_the_defaults_until_etcd_is_there() -> Result<()> {
    let mut etcd = Etcd::absent()?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.program.wait_for_log("nginx starts with the defaults").await?;
    assert_eq!(router.get("/nginx-healthcheck").await?.status, 200);
    assert_eq!(router.get("/").await?.status, 502);
    router.wait_for_line("worker_processes 4;").await?;
    etcd.restart().await?;
    etcd.put(setting("worker_processes"), "2").await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    router.wait_for_line("worker_processes 2;").await?;
    router.wait_for_keys(&["node"]).await?;
    assert_eq!(router.get("/").await?.node(), "node");
    Ok(())
}

#[tokio::test]
async fn restart_has_the_last_nodes_and_settings() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    let node = Node::start("node").await?;
    etcd.register(std::slice::from_ref(&node)).await?;
    etcd.put(setting("worker_processes"), "2").await?;
    etcd.put(setting("put_allow/somebody"), "10.0.0.0/8").await?;
    etcd.put(setting("max_conns"), "9").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    router.wait_for_keys(&["node"]).await?;
    eventually(SOON, "the nodes are kept", async || {
        ensure!(router.folder().join("state/firehose.peers").exists(), "not yet");
        let kept = std::fs::read_to_string(router.folder().join("state/settings.json"))?;
        ensure!(kept.contains("10.0.0.0/8") && kept.contains("\"9\""), "{kept}");
        Ok(())
    })
    .await?;
    let folder = router.leave().await?;
    etcd.kill().await?;

    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    router.program.wait_for_log("nginx starts with the last known ones").await?;
    assert_eq!(router.get("/").await?.node(), "node");
    router.wait_for_line("worker_processes 2;").await?;
    let answer =
        router.connect().await?.send(hyper::Method::PUT, "/", hyper::body::Bytes::new()).await?;
    assert_eq!(answer.status, 403, "who may publish is known without etcd as well");
    eventually(SOON, "the limit", async || {
        let peers = &router.status()?.upstreams["firehose"].peers;
        ensure!(peers[0].max_conns == 9, "{peers:?}");
        Ok(())
    })
    .await?;
    etcd.restart().await?;
    etcd.delete(&setting("put_allow/somebody")).await?;
    eventually(SOON, "everybody may publish", async || {
        let answer = router
            .connect()
            .await?
            .send(hyper::Method::PUT, "/", hyper::body::Bytes::new())
            .await?;
        ensure!(answer.status == 200, "{}", answer.status);
        Ok(())
    })
    .await?;
    assert_eq!(router.reloads(), 0, "nothing has changed that would take a reload");
    Ok(())
}

#[tokio::test]
async fn failed_write_of_the_settings_is_repeated() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    etcd.put(setting("worker_processes"), "2").await?;
    // A folder in the file's place: nothing can be written there, not even by root.
    let folder = Folder::new("serve")?;
    let file = folder.path().join("state/settings.json");
    std::fs::create_dir_all(&file)?;
    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    router.program.wait_for_log("settings.json cannot be written").await?;
    std::fs::remove_dir(&file)?;
    eventually(SOON, "the settings are kept", async || {
        let kept = std::fs::read_to_string(&file)?;
        ensure!(kept.contains("\"worker_processes\": \"2\""), "{kept}");
        Ok(())
    })
    .await?;
    router.program.wait_for_log_lines("settings.json cannot be written", 1).await?;
    let folder = router.leave().await?;
    etcd.kill().await?;
    let router = Served::start_in(folder, &etcd.url(), &[]).await?;
    router.wait_for_line("worker_processes 2;").await
}

/// A folder that was full, or not there, for a moment says nothing of a setting.
#[tokio::test]
async fn settings_that_could_not_be_rendered_are_rendered_later() -> Result<()> {
    let etcd = Etcd::start().await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let blocked = router.folder().join("run/nginx.conf.new");
    std::fs::create_dir(&blocked)?;
    etcd.put(setting("worker_processes"), "2").await?;
    router.program.wait_for_log("the settings are not applied yet").await?;
    std::fs::remove_dir(&blocked)?;
    router.wait_for_line("worker_processes 2;").await?;
    router.program.wait_for_log("nginx has reloaded: worker_processes 2").await?;
    assert_eq!(router.reloads(), 1);
    Ok(())
}

#[tokio::test]
async fn damaged_or_foreign_settings_file_is_not_used() -> Result<()> {
    let etcd = Etcd::absent()?;
    let kept = [
        "{",
        "",
        r#"{"prefix":"/other","settings":{"worker_processes":"2"},"put_allow":""}"#,
        r#"{"prefix":"/firehose","settings":{"worker_processes":"2"},"put_allow":"garbage"}"#,
        r#"{"prefix":"/firehose","settings":{"worker_processes":"2"},
            "put_allow":"office\t10.0.0.0/99\n"}"#,
    ];
    for kept in kept {
        let folder = Folder::new("serve")?;
        folder.write("state/settings.json", kept)?;
        let router = Served::start_in(folder, &etcd.url(), &[]).await?;
        router.program.wait_for_log("settings.json is not used").await?;
        router.wait_for_line("worker_processes 4;").await?;
        let answer = router
            .connect()
            .await?
            .send(hyper::Method::PUT, "/", hyper::body::Bytes::new())
            .await?;
        assert_eq!(answer.status, 403, "{kept}");
    }
    Ok(())
}

#[tokio::test]
async fn settings_that_nginx_refuses_do_not_prevent_a_start() -> Result<()> {
    let etcd = Etcd::start().await?;
    etcd.put(setting("syslog_endpoint"), "no-such-host.invalid:514").await?;
    etcd.put(setting("balance"), "hash $no_such_variable").await?;
    etcd.put(setting("worker_processes"), "3").await?;
    let router = Served::start(&etcd.url(), &[]).await?;
    let configuration = router.configuration()?;
    assert!(
        configuration.contains("worker_processes 3;")
            && configuration.contains("etcd_balance least_conn;"),
        "{configuration}"
    );
    for name in ["syslog_endpoint", "balance"] {
        let lines = router.program.log_lines(&setting(name));
        assert!(lines.len() == 1 && lines[0].contains("rejected"), "{lines:?}");
    }
    Ok(())
}
