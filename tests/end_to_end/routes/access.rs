//! Keys with leases, an etcd that is away, and users.

use std::time::Duration;

use harness::*;

use super::{ROUTES, done, routes, with};

#[tokio::test]
async fn a_key_keeps_its_lease() -> Result<()> {
    let etcd = Etcd::start().await?;
    let lease = etcd.grant(60).await?;
    let key = format!("{ROUTES}a");
    etcd.put_with_lease(&key, "web-v1", lease).await?;
    let said = done(&etcd, &["set", "a", "web-v2"]).await?;
    assert!(said.contains("keeps its lease"), "{said}");
    assert_eq!(etcd.look_up(&key).await?, Some(("web-v2".to_owned(), lease)));
    assert!(done(&etcd, &["list"]).await?.contains(&format!("{lease:x}")));
    Ok(())
}

#[tokio::test]
async fn a_program_that_writes_its_route_again_is_told_of() -> Result<()> {
    let etcd = Etcd::start().await?;
    let lease = etcd.grant(60).await?;
    let key = format!("{ROUTES}a");
    etcd.put_with_lease(&key, "web-v1", lease).await?;
    let stubborn = async {
        loop {
            let there = etcd.look_up(&key).await?;
            if there.is_none_or(|(value, _)| value != "web-v1") {
                etcd.put_with_lease(&key, "web-v1", lease).await?;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let url = etcd.url();
    let asking = async {
        let (code, said) = routes(&url, &["set", "a", "web-v2"]).await?;
        ensure!(code == 1 && said.contains("has written \"web-v1\" at once"), "{said}");
        let (code, said) = routes(&url, &["remove", "a", "--secret"]).await?;
        ensure!(code == 1 && said.contains("has written (6 bytes) at once"), "{said}");
        Ok(())
    };
    tokio::select! {
        // Cancel safe: the test ends with either.
        never = stubborn => never,
        result = asking => result,
    }
}

#[tokio::test]
async fn an_etcd_that_is_away_is_told_of() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    etcd.stop().await?;
    for arguments in [&["list"][..], &["set", "a", "web"], &["remove", "a"]] {
        let (code, said) = routes(&etcd.url(), arguments).await?;
        assert!(code == 1 && said.starts_with("error: etcd: "), "{said}");
        assert!(said.contains(&etcd.url()), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn users_need_the_permission_for_the_prefix() -> Result<()> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    etcd.restart().await?;
    etcd.put(format!("{ROUTES}a"), "web").await?;
    etcd.add_user("operator", "s3cret", ROUTES).await?;
    etcd.ask_for_users().await?;
    let url = etcd.url();
    let user = [("ETCD_ENDPOINTS", &*url), ("ETCD_USER", "operator"), ("ETCD_PASSWORD", "s3cret")];
    let (code, said) = with(&user, &["list"]).await?;
    assert!(code == 0 && said.contains("web"), "{said}");
    let (code, said) = with(&user, &["set", "a", "other"]).await?;
    assert!(code == 1 && said.contains("user readwrite permission on"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    let (code, said) = with(&user, &["list", "--services", "/services/"]).await?;
    assert!(code == 1 && said.contains("/services/"), "{said}");
    etcd.grant_write("operator", ROUTES).await?;
    let (code, said) = with(&user, &["set", "a", "other"]).await?;
    assert!(code == 0, "{said}");
    Ok(())
}
