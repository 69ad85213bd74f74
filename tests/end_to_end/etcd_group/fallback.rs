//! `else=`: where requests go whose group is unknown or empty.

use harness::*;

use super::{configuration, names, node_key, served, start};

#[tokio::test]
async fn another_group_serves_instead() -> Result<()> {
    let configure = |etcd: &Etcd| configuration(etcd, "else=main", "");
    let (nginx, nodes, etcd) = start(&["main-1", "main-2", "web-1"], configure).await?;
    for unknown in ["", "none", "mai"] {
        assert_eq!(names(&served(&nginx, unknown, 4).await?), ["main-1", "main-2"]);
    }
    assert_eq!(names(&served(&nginx, "web", 2).await?), ["web-1"]);
    let down = format!("{} down", nodes[2].address());
    nginx.applied(etcd.put(node_key("web", "web-1"), down).await?).await?;
    assert_eq!(names(&served(&nginx, "web", 4).await?), ["main-1", "main-2"]);
    let mut connection = nginx.connect().await?;
    let answer = super::ask(&mut connection, "web").await?;
    assert_eq!(answer.header("x-group"), "empty");
    // If that one is gone too, nobody serves.
    nginx.applied(etcd.delete_all(&node_key("main", "")).await?).await?;
    for service in ["web", "none", "none"] {
        assert_eq!(super::ask(&mut connection, service).await?.status, 502);
    }
    let groups = nginx.upstream().await?.groups.ok_or("no groups in the status")?;
    assert_eq!((groups.empty_total, groups.unknown_total), (1, 2), "{groups:?}");
    assert!(nginx.log_lines("no live upstreams").is_empty(), "{}", nginx.log());
    nginx.check_log()
}

#[tokio::test]
async fn any_group_serves_by_its_weights_until_one_can() -> Result<()> {
    let configure = |etcd: &Etcd| {
        configuration(etcd, "else=any", "").http("").location("proxy_next_upstream off;")
    };
    let (nginx, mut nodes, etcd) = start(&["a-1", "b-1", "c-1"], configure).await?;
    for (node, words) in [(0, "weight=3"), (1, "weight=1"), (2, "backup")] {
        let name = nodes[node].name().to_owned();
        let service = &name[..1];
        etcd.put(node_key(service, &name), format!("{} {words}", nodes[node].address())).await?;
    }
    nginx.applied(etcd.revision().await?).await?;
    let all = served(&nginx, "none", 200).await?;
    assert_eq!(names(&all), ["a-1", "b-1"], "{all:?}");
    // 300 of 400 are expected; 40 are 4.6 standard deviations.
    assert!((260..=340).contains(&all["a-1"]), "{all:?}");
    assert_eq!(names(&served(&nginx, "b", 4).await?), ["b-1"]);

    // Both are left alone after a failure each, and the backup is all that can serve.
    for node in nodes.drain(..2) {
        node.stop().await;
    }
    eventually(SOON, "the backup serves", async || {
        let mut connection = nginx.connect().await?;
        for _ in 0..8 {
            let answer = super::ask(&mut connection, "none").await?;
            ensure!(answer.status == 200 && answer.node() == "c-1", "{answer:?}");
        }
        Ok(())
    })
    .await?;
    nginx.check_log()
}

#[tokio::test]
async fn any_group_is_the_same_for_the_same_key() -> Result<()> {
    let configure =
        |etcd: &Etcd| configuration(etcd, "else=any", "etcd_balance hash $http_x_user consistent;");
    let names = ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2"];
    let (nginx, _nodes, _etcd) = start(&names, configure).await?;
    let mut nodes = std::collections::BTreeSet::new();
    for user in 0..40 {
        let user = user.to_string();
        let mut of_user = std::collections::BTreeSet::new();
        for mut connection in nginx.connect_to_each().await? {
            let answer = connection.get_with("/", &[("X-User", &user)]).await?;
            ensure!(answer.status == 200, "{answer:?}");
            of_user.insert(answer.node().to_owned());
        }
        assert_eq!(of_user.len(), 1, "user {user}: {of_user:?}");
        nodes.append(&mut of_user);
    }
    assert!(nodes.len() > 3, "{nodes:?}");
    nginx.check_log()
}
