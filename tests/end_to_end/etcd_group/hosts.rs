//! A host is routed by two writes: `etcd_map` says its service, and `etcd_group` has the peers of
//! that.

use harness::*;

use super::{node_key, services};

fn configuration(etcd: &Etcd) -> Configuration {
    Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http("etcd_map $http_x_host $service main /routes/ hostnames split=$http_x_user;")
        .http(&services("$service", "", "", ""))
}

async fn ask(nginx: &Nginx, host: &str, user: &str) -> Result<Answer> {
    nginx.connect().await?.get_with("/", &[("X-Host", host), ("X-User", user)]).await
}

#[tokio::test]
async fn a_host_and_its_service_come_by_two_writes_and_a_canary_by_one() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nginx = Nginx::start(configuration(&etcd)).await?;
    let (blue, green) = (Node::start("blue").await?, Node::start("green").await?);
    etcd.put("/routes/shop.example.com", "shop-v1").await?;
    etcd.put("/routes/.example.org", "shop-v2").await?;
    etcd.put(node_key("shop-v1", "1"), blue.address().to_string()).await?;
    let revision = etcd.put(node_key("shop-v2", "1"), green.address().to_string()).await?;
    nginx.applied(revision).await?;
    let expected = [("shop.example.com", "blue"), ("a.example.org", "green")];
    for (host, node) in expected {
        eventually(SOON, &format!("{host} is routed"), async || {
            let answer = ask(&nginx, host, "1").await?;
            ensure!(answer.status == 200 && answer.node() == node, "{answer:?}");
            Ok(())
        })
        .await?;
    }
    assert_eq!(ask(&nginx, "other.example.com", "1").await?.status, 502);

    // A part of the users, the same ones at each request, go to the new version.
    etcd.put("/routes/shop.example.com", "shop-v1 70, shop-v2 30").await?;
    let users: Vec<String> = (0..200).map(|user| format!("user-{user}")).collect();
    eventually(SOON, "some users are with the canary", async || {
        let mut to_green = 0;
        for user in &users {
            let answer = ask(&nginx, "shop.example.com", user).await?;
            to_green += usize::from(answer.node() == "green");
        }
        ensure!((30..=90).contains(&to_green), "{to_green} of 200");
        Ok(())
    })
    .await?;
    for user in &users[..20] {
        let node = ask(&nginx, "shop.example.com", user).await?.node().to_owned();
        assert_eq!(ask(&nginx, "shop.example.com", user).await?.node(), node);
    }
    nginx.check_log()
}
