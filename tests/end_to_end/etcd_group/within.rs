//! Methods, sessions, checks, limits and idle connections within a group.

use std::collections::BTreeSet;

use harness::*;

use super::{ask, configuration, names, node_key, served, start};

const NODES: [&str; 5] = ["api-1", "api-2", "web-1", "web-2", "web-3"];

#[tokio::test]
async fn each_method_chooses_within_the_group() -> Result<()> {
    for method in [
        "least_conn",
        "random",
        "random two",
        "least_time header",
        "peak_ewma",
        "hash $http_x_user",
        "hash $http_x_user consistent",
        "ip_hash",
    ] {
        let balance = format!("etcd_balance {method};");
        let (nginx, _nodes, _etcd) =
            start(&NODES, |etcd| configuration(etcd, "", &balance)).await?;
        let mut of_web = BTreeSet::new();
        for mut connection in nginx.connect_to_each().await? {
            for user in 0..40 {
                let user = user.to_string();
                let headers = [("X-Service", "web"), ("X-User", &*user)];
                let answer = connection.get_with("/", &headers).await?;
                ensure!(answer.status == 200 && answer.node().starts_with("web"), "{answer:?}");
                of_web.insert(answer.node().to_owned());
            }
        }
        let expected = if method == "ip_hash" { 1 } else { 3 };
        assert_eq!(of_web.len(), expected, "{method}: {of_web:?}");
        assert!(names(&served(&nginx, "api", 4).await?).iter().all(|it| it.starts_with("api")));
    }
    Ok(())
}

#[tokio::test]
async fn a_cookie_leads_to_its_node_and_not_into_another_group() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "", "etcd_sticky cookie=node secret=pepper;");
    let (nginx, _nodes, _etcd) = start(&NODES, configure).await?;
    let mut connection = nginx.connect().await?;
    let first = ask(&mut connection, "web").await?;
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("node="), "{first:?}");
    for _ in 0..6 {
        let headers = [("X-Service", "web"), ("Cookie", &*cookie)];
        let answer = connection.get_with("/", &headers).await?;
        assert_eq!(answer.node(), first.node());
        let headers = [("X-Service", "api"), ("Cookie", &*cookie)];
        let answer = connection.get_with("/", &headers).await?;
        assert!(answer.node().starts_with("api"), "{answer:?}");
    }
    nginx.check_log()
}

#[tokio::test]
async fn checks_and_panic_are_each_groups_own() -> Result<()> {
    let configure = |etcd: &Etcd| {
        let check = "etcd_check http uri=/healthz interval=50ms timeout=10s panic=1;";
        configuration(etcd, "", check)
    };
    let (nginx, nodes, _etcd) = start(&NODES, configure).await?;
    let by_name = |name: &str| nodes.iter().find(|node| node.name() == name).expect("a node");
    by_name("web-1").set_health(503);
    for name in ["api-1", "api-2"] {
        by_name(name).set_health(503);
    }
    eventually(SOON, "three fail their checks", async || {
        let upstream = nginx.upstream().await?;
        let failing = upstream.peers.iter().filter(|peer| peer.health == "failing").count();
        ensure!(failing == 3 && upstream.panic, "{upstream:?}");
        Ok(())
    })
    .await?;
    assert_eq!(names(&served(&nginx, "web", 6).await?), ["web-2", "web-3"]);
    assert_eq!(names(&served(&nginx, "api", 6).await?), ["api-1", "api-2"], "all are used");
    by_name("api-2").set_health(200);
    eventually(SOON, "one passes again", async || {
        ensure!(names(&served(&nginx, "api", 4).await?) == ["api-2"], "both");
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn idle_connections_are_kept_for_their_peers() -> Result<()> {
    let configure = |etcd: &Etcd| {
        configuration(etcd, "", "etcd_keepalive 4;").location("proxy_set_header Connection '';")
    };
    let (nginx, nodes, etcd) = start(&["web-1", "api-1"], configure).await?;
    let mut connection = nginx.connect().await?;
    for _ in 0..20 {
        for service in ["web", "api"] {
            let answer = ask(&mut connection, service).await?;
            ensure!(answer.status == 200 && answer.node().starts_with(service), "{answer:?}");
        }
    }
    for node in &nodes {
        let connections = node.counts().accepted;
        assert!(connections <= 2, "{}: {connections} connections", node.name());
    }
    // A service that is gone leaves none behind.
    nginx.applied(etcd.delete_all(&node_key("web", "")).await?).await?;
    eventually(SOON, "the idle connection is closed", async || {
        let idle = nginx.status().await?.idle_connections;
        ensure!(idle <= 1, "{idle}");
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn sessions_come_back_to_a_service_that_drains() -> Result<()> {
    let configure =
        |etcd: &Etcd| configuration(etcd, "else=api", "etcd_sticky cookie=node secret=pepper;");
    let (nginx, nodes, etcd) = start(&["api-1", "web-1"], configure).await?;
    let mut connection = nginx.connect().await?;
    let first = ask(&mut connection, "web").await?;
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let drains = format!("{} drain", nodes[1].address());
    nginx.applied(etcd.put(node_key("web", "web-1"), drains).await?).await?;
    let headers = [("X-Service", "web"), ("Cookie", &*cookie)];
    let answer = connection.get_with("/", &headers).await?;
    assert_eq!((answer.node(), answer.header("x-group")), ("web-1", "empty"));
    // Who comes without a session goes elsewhere.
    assert_eq!(ask(&mut connection, "web").await?.node(), "api-1");
    nginx.check_log()
}

#[tokio::test]
async fn a_cookie_leads_to_its_node_if_any_group_serves() -> Result<()> {
    let configure =
        |etcd: &Etcd| configuration(etcd, "else=any", "etcd_sticky cookie=node secret=pepper;");
    let (nginx, _nodes, _etcd) = start(&NODES, configure).await?;
    let mut connection = nginx.connect().await?;
    let first = ask(&mut connection, "none").await?;
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    for _ in 0..20 {
        let headers = [("X-Service", "none"), ("Cookie", &*cookie)];
        assert_eq!(connection.get_with("/", &headers).await?.node(), first.node());
    }
    nginx.check_log()
}
