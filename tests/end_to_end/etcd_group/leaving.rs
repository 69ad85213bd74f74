//! Sessions whose peer drains and does not serve them any more.

use harness::*;

use super::{ask, configuration, node_key, start};

const STICKY: &str = "etcd_sticky cookie=node secret=pepper;";

/// The cookie that an answer sets.
fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn session_leaves_a_service_that_drains_with_its_peer() -> Result<()> {
    for otherwise in ["else=api", "else=any"] {
        let configure = |etcd: &Etcd| configuration(etcd, otherwise, STICKY);
        let (nginx, mut nodes, etcd) = start(&["api-1", "api-2", "web-1"], configure).await?;
        let mut connection = nginx.connect().await?;
        let cookie = cookie_of(&ask(&mut connection, "web").await?);
        let drains = format!("{} drain", nodes[2].address());
        nginx.applied(etcd.put(node_key("web", "web-1"), drains).await?).await?;
        let headers = [("X-Service", "web"), ("Cookie", &*cookie)];
        assert_eq!(connection.get_with("/", &headers).await?.node(), "web-1");
        nodes.remove(2).stop().await;
        // The first one still tries its peer, and the others know that it fails.
        for _ in 0..4 {
            let answer = connection.get_with("/", &headers).await?;
            ensure!(answer.status == 200 && answer.node().starts_with("api"), "{answer:?}");
            ensure!(!cookie_of(&answer).is_empty(), "it goes on without a session: {answer:?}");
        }
        // If one of those of `else` fails as well, there is the other one.
        nodes.remove(0).stop().await;
        for _ in 0..4 {
            let answer = connection.get_with("/", &headers).await?;
            ensure!(answer.status == 200 && answer.node() == "api-2", "{answer:?}");
        }
        nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn session_without_another_service_is_refused() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "", STICKY);
    let (nginx, mut nodes, etcd) = start(&["web-1"], configure).await?;
    let mut connection = nginx.connect().await?;
    let cookie = cookie_of(&ask(&mut connection, "web").await?);
    let drains = format!("{} drain", nodes[0].address());
    nginx.applied(etcd.put(node_key("web", "web-1"), drains).await?).await?;
    nodes.remove(0).stop().await;
    let headers = [("X-Service", "web"), ("Cookie", &*cookie)];
    for _ in 0..2 {
        let answer = connection.get_with("/", &headers).await?;
        assert_eq!((answer.status, answer.header("x-group")), (502, "empty"));
    }
    nginx.check_log()
}

#[tokio::test]
async fn session_goes_on_with_others_if_its_peer_that_drains_fails() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut nodes = vec![Node::start("a").await?, Node::start("b").await?];
    etcd.register(&nodes).await?;
    let configuration =
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=1m", STICKY));
    let nginx = Nginx::start(configuration).await?;
    nginx.applied(etcd.revision().await?).await?;
    let mut connection = nginx.connect().await?;
    let first = connection.get("/").await?;
    let (cookie, name) = (cookie_of(&first), first.node().to_owned());
    let at = nodes.iter().position(|node| node.name() == name).ok_or("no such node")?;
    let drains = format!("{} drain", nodes[at].address());
    nginx.applied(etcd.put(key(&name), drains).await?).await?;
    nodes.remove(at).stop().await;
    let answer = connection.get_with("/", &[("Cookie", &*cookie)]).await?;
    ensure!(answer.status == 200 && answer.node() != name, "{answer:?}");
    nginx.check_log()
}

#[tokio::test]
async fn session_tries_each_of_the_others_once() -> Result<()> {
    let configure = |etcd: &Etcd| {
        configuration(etcd, "else=api", STICKY).server("add_header X-Tried $upstream_addr always;")
    };
    let (nginx, mut nodes, etcd) = start(&["api-1", "web-1"], configure).await?;
    let mut connection = nginx.connect().await?;
    let cookie = cookie_of(&ask(&mut connection, "web").await?);
    let drains = format!("{} drain", nodes[1].address());
    nginx.applied(etcd.put(node_key("web", "web-1"), drains).await?).await?;
    let headers = [("X-Service", "web"), ("Cookie", &*cookie)];
    nodes.remove(1).stop().await;
    let answer = connection.get_with("/", &headers).await?;
    assert_eq!((answer.status, answer.header("x-tried").matches(':').count()), (200, 2));
    // Now it is known that its peer fails, and there is one other.
    nodes.remove(0).stop().await;
    let answer = connection.get_with("/", &headers).await?;
    assert_eq!((answer.status, answer.header("x-tried").matches(':').count()), (502, 1));
    nginx.check_log()
}

#[tokio::test]
async fn session_reaches_the_last_of_the_others() -> Result<()> {
    let etcd = Etcd::start().await?;
    let mut nodes = vec![Node::start("a").await?, Node::start("b").await?, Node::start("c").await?];
    etcd.register(&nodes).await?;
    // All of them are tried, however often they fail.
    let directives = format!("{STICKY} etcd_defaults max_fails=0;");
    let configuration = Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("zone=1m", &directives));
    let nginx = Nginx::start(configuration).await?;
    nginx.applied(etcd.revision().await?).await?;
    let mut connection = nginx.connect().await?;
    let first = connection.get("/").await?;
    let (cookie, name) = (cookie_of(&first), first.node().to_owned());
    let at = nodes.iter().position(|node| node.name() == name).ok_or("no such node")?;
    let drains = format!("{} drain", nodes[at].address());
    nginx.applied(etcd.put(key(&name), drains).await?).await?;
    nodes.remove(at).stop().await;
    nodes.remove(0).stop().await;
    for _ in 0..8 {
        let answer = connection.get_with("/", &[("Cookie", &*cookie)]).await?;
        ensure!(answer.status == 200 && answer.node() == nodes[0].name(), "{answer:?}");
    }
    nginx.check_log()
}

#[tokio::test]
async fn session_is_found_in_any_group_after_others_were_refused() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "else=any", STICKY);
    let (nginx, nodes, etcd) = start(&["web-1"], configure).await?;
    for mut connection in nginx.connect_to_each().await? {
        let value = nodes[0].address().to_string();
        nginx.applied(etcd.put(node_key("web", "web-1"), &value).await?).await?;
        let cookie = cookie_of(&ask(&mut connection, "none").await?);
        let drains = format!("{value} drain");
        nginx.applied(etcd.put(node_key("web", "web-1"), drains).await?).await?;
        let headers = [("X-Service", "none"), ("Cookie", &*cookie)];
        for _ in 0..3 {
            assert_eq!(connection.get_with("/", &headers).await?.node(), "web-1");
            assert_eq!(ask(&mut connection, "none").await?.status, 502);
        }
    }
    nginx.check_log()
}
