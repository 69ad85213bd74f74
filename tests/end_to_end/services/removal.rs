//! `services remove`.

use std::time::Duration;

use harness::*;

use super::{NODES, SERVICES, done, fails, keys, register, services, with};

#[tokio::test]
async fn all_keys_of_a_service_go_at_once_and_no_others() -> Result<()> {
    const MANY: usize = 300;
    let etcd = Etcd::start().await?;
    register(&etcd, &NODES).await?;
    etcd.put("/services/web", "10.0.0.9:80").await?;
    etcd.put("/services/web/", "").await?;
    let pairs =
        (0..MANY).map(|number| (format!("{SERVICES}web/many-{number}"), "10.0.0.7:80".to_owned()));
    etcd.put_all(pairs).await?;
    let revision = etcd.revision().await?;
    let said = done(&etcd, &["remove", "web"]).await?;
    assert_eq!(etcd.revision().await?, revision + 1, "more than one transaction");
    assert_eq!(keys(&etcd).await?, ["api", "web-2/1", "web0"]);
    let summary =
        format!("service \"web\" is removed: {} keys, revision {}", MANY + 6, revision + 1);
    assert_eq!(said.lines().last(), Some(&*summary));
    assert_eq!(said.lines().count(), MANY + 7);
    assert!(
        said.contains("key \"/services/web/2\" is removed, its value was \"10.0.0.2:80 drain\"")
    );
    done(&etcd, &["remove", "api"]).await?;
    assert_eq!(keys(&etcd).await?, ["web-2/1", "web0"]);
    fails(&etcd, &["remove", "web"], 1, "service \"web\" has no key below \"/services/\"").await
}

#[tokio::test]
async fn a_service_that_a_route_leads_to_stays() -> Result<()> {
    let etcd = Etcd::start().await?;
    register(&etcd, &NODES).await?;
    let route = async |value: &str| etcd.put("/routes/shop.example.com", value).await;
    let remove = ["remove", "web", "--routes", "/routes"];
    let words = "service \"web\" is not removed: key \"/routes/shop.example.com\" leads to it";
    for value in ["web", "web\n", "web 9, new 1", "new,web"] {
        route(value).await?;
        fails(&etcd, &remove, 1, words).await?;
    }
    fails(&etcd, &["remove", "web", "--force"], 2, "--routes").await?;
    // It gets no request any more.
    route("web 0, web-2 1").await?;
    done(&etcd, &remove).await?;
    assert_eq!(keys(&etcd).await?, ["api", "web-2/1", "web0"]);
    fails(&etcd, &["remove", "web-2", "--routes", "/routes"], 1, "leads to it").await?;
    done(&etcd, &["remove", "web-2", "--routes", "/routes", "--force"]).await?;
    assert_eq!(keys(&etcd).await?, ["api", "web0"]);
    Ok(())
}

#[tokio::test]
async fn a_router_has_no_peer_of_a_removed_service() -> Result<()> {
    let etcd = Etcd::start().await?;
    let configuration = Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http("upstream services { etcd main /services/; }")
        .http(&upstream("", ""));
    let nginx = Nginx::start(configuration).await?;
    register(&etcd, &NODES[..4]).await?;
    let peers = async |expected: &[&str]| {
        eventually(SOON, &format!("the peers are {expected:?}"), async || {
            let status = nginx.status().await?;
            let upstream = status.upstreams.get("services").ok_or("no such upstream")?;
            let keys: Vec<_> =
                upstream.peers.iter().filter_map(|peer| peer.key.as_deref()).collect();
            ensure!(keys == expected, "{keys:?}");
            Ok(())
        })
        .await
    };
    peers(&["api", "web/1", "web/2", "web/3"]).await?;
    done(&etcd, &["remove", "web"]).await?;
    peers(&["api"]).await?;
    nginx.check_log()
}

#[tokio::test]
async fn programs_that_write_their_keys_again_are_told_of() -> Result<()> {
    let etcd = Etcd::start().await?;
    let lease = etcd.grant(60).await?;
    register(&etcd, &[("web/1", "10.0.0.1:80")]).await?;
    let key = format!("{SERVICES}web/2");
    etcd.put_with_lease(&key, "10.0.0.2:80", lease).await?;
    let stubborn = async {
        loop {
            if etcd.look_up(&key).await?.is_none() {
                etcd.put_with_lease(&key, "10.0.0.2:80", lease).await?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let url = etcd.url();
    let asking = async {
        let (code, said) = services(&url, &["remove", "web"]).await?;
        let words = "service \"web\" was removed, and programs that hold leases have written key \
                     \"/services/web/2\" at once";
        ensure!(code == 1 && said.contains(words), "{code}: {said}");
        ensure!(keys(&etcd).await? == ["web/2"], "{:?}", keys(&etcd).await?);
        Ok(())
    };
    tokio::select! {
        // Cancel safe: the test ends with either.
        never = stubborn => never,
        result = asking => result,
    }
}

/// A node whose value changes all the time is removed all the same, or the command says that it was
/// not; it never removes a part.
#[tokio::test]
async fn changes_at_the_same_time_leave_all_or_nothing() -> Result<()> {
    let etcd = Etcd::start().await?;
    let writing = async {
        for number in 0_u64.. {
            if number > 0 && etcd.look_up("/services/web/1").await?.is_none() {
                break;
            }
            etcd.put("/services/web/1", &format!("10.0.0.1:80 weight={}", number % 9 + 1)).await?;
        }
        Ok::<_, Error>(())
    };
    let url = etcd.url();
    register(&etcd, &[("web/1", "10.0.0.1:80"), ("web/2", "10.0.0.2:80")]).await?;
    let removing = async {
        let (code, said) = services(&url, &["remove", "web"]).await?;
        let left = keys(&etcd).await?;
        match code {
            // It may have been written once more, by who has not seen that it is gone.
            0 => ensure!(!left.iter().any(|key| key == "web/2"), "{left:?}: {said}"),
            _ => {
                ensure!(said.contains("were changed by other clients 10 times"), "{said}");
                ensure!(left == ["web/1", "web/2"], "{left:?}");
            }
        }
        Ok::<_, Error>(())
    };
    tokio::select! {
        // Cancel safe: only what the command has left counts.
        biased;
        result = removing => result,
        result = async { writing.await?; std::future::pending().await } => result,
    }
}

/// The revision that the command has named.
fn revision_of(said: &str) -> Option<i64> {
    said.lines().last()?.rsplit_once("revision ")?.1.parse().ok()
}

#[tokio::test]
async fn a_route_that_is_set_at_the_same_time_is_not_overlooked() -> Result<()> {
    const ROUNDS: usize = 20;
    let etcd = Etcd::start().await?;
    let url = etcd.url();
    let (mut removed, mut kept) = (0, 0);
    for round in 0..ROUNDS {
        register(&etcd, &[("web/1", "10.0.0.1:80"), ("web/2", "10.0.0.2:80")]).await?;
        etcd.delete_all("/routes/").await?;
        let variables = [("ETCD_ENDPOINTS", &*url)];
        let route = ["routes", "set", "shop.example.com", "web"];
        let removal = ["services", "remove", "web", "--routes", "/routes/"];
        // Either begins first.
        let [first, second] =
            if round % 2 == 0 { [&route[..], &removal[..]] } else { [&removal[..], &route[..]] };
        let mut programs =
            [Program::start(first, &variables)?, Program::start(second, &variables)?];
        if round % 2 == 1 {
            programs.reverse();
        }
        let [route, removal] = &mut programs;
        let code = route.ended(SOON).await?;
        ensure!(code == 0, "{}", route.log());
        let set = revision_of(&route.log()).ok_or("no revision")?;
        match removal.ended(SOON).await? {
            0 => {
                let gone = revision_of(&removal.log()).ok_or("no revision")?;
                ensure!(gone < set, "removed at {gone}, and the route was set at {set}");
                removed += 1;
            }
            _ => {
                ensure!(removal.log().contains("leads to it"), "{}", removal.log());
                kept += 1;
            }
        }
    }
    println!("{removed} removed before the route was set, {kept} kept");
    Ok(())
}

#[tokio::test]
async fn users_need_the_permission_for_services_and_routes() -> Result<()> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    etcd.restart().await?;
    register(&etcd, &NODES).await?;
    etcd.add_user("operator", "s3cret", SERVICES).await?;
    etcd.ask_for_users().await?;
    let url = etcd.url();
    let user = [("ETCD_ENDPOINTS", &*url), ("ETCD_USER", "operator"), ("ETCD_PASSWORD", "s3cret")];
    let (code, said) = with(&user, &["show", "web"]).await?;
    assert!(code == 0 && said.contains("web/1"), "{said}");
    let (code, said) = with(&user, &["remove", "web"]).await?;
    assert!(code == 1 && said.contains("user readwrite permission on"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    etcd.grant_write("operator", SERVICES).await?;
    let guarded = ["remove", "web", "--routes", "/routes/"];
    let (code, said) = with(&user, &guarded).await?;
    assert!(code == 1 && said.contains("/routes/"), "{said}");
    etcd.grant_read("operator", "/routes/").await?;
    let (code, said) = with(&user, &guarded).await?;
    assert!(code == 0, "{said}");
    Ok(())
}

#[tokio::test]
async fn an_etcd_that_is_away_is_told_of() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    etcd.stop().await?;
    for arguments in [&["list"][..], &["show", "web"], &["remove", "web"]] {
        let (code, said) = services(&etcd.url(), arguments).await?;
        assert!(code == 1 && said.starts_with("error: etcd: "), "{said}");
        assert!(said.contains(&etcd.url()), "{said}");
    }
    Ok(())
}
