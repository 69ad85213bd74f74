//! An etcd that is away, that asks for a user or a certificate, or that has very many keys.

use harness::*;

use super::{done, nodes, with};

#[tokio::test]
async fn an_etcd_that_is_away_is_told_with_what_to_do() -> Result<()> {
    let mut etcd = Etcd::start().await?;
    etcd.put(key("n"), "10.0.0.7:80").await?;
    let absent = format!("http://127.0.0.1:{}", free_port()?);
    // The other endpoint answers.
    let both = format!("{absent},{}", etcd.url());
    let (code, said) = nodes(&both, &["set", "n", "weight=5"]).await?;
    assert!(code == 0, "{said}");
    let (code, said) = nodes(&both, &["list"]).await?;
    assert!(code == 0 && said.contains("weight=5"), "{said}");
    etcd.stop().await?;
    for arguments in [&["list"][..], &["set", "n", "weight=6"], &["remove", "n"]] {
        let (code, said) = nodes(&etcd.url(), arguments).await?;
        assert!(code == 1 && said.starts_with("error: etcd: "), "{said}");
        assert!(said.contains(&etcd.url()), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn users_need_the_password_and_the_permission() -> Result<()> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    etcd.restart().await?;
    etcd.put(key("n"), "10.0.0.7:80").await?;
    etcd.add_user("operator", "s3cret", PREFIX).await?;
    etcd.add_user("other", "s3cret", "/other/").await?;
    etcd.ask_for_users().await?;
    let url = etcd.url();
    let user = [("ETCD_ENDPOINTS", &*url), ("ETCD_USER", "operator"), ("ETCD_PASSWORD", "s3cret")];
    let (code, said) = with(&user[..1], &["list"]).await?;
    assert!(code == 1 && said.contains("--etcd-user"), "{said}");
    let (code, said) = with(&user, &["list"]).await?;
    assert!(code == 0 && said.contains("10.0.0.7:80"), "{said}");
    let (code, said) = with(&user, &["set", "n", "weight=5"]).await?;
    assert!(code == 1 && said.contains("user readwrite permission on"), "{said}");
    assert!(said.contains("nothing was changed") && !said.contains("may have been"), "{said}");
    let (code, said) = with(&user, &["add", "n2", "10.0.0.8:80"]).await?;
    assert!(code == 1 && said.contains("nothing was changed"), "{said}");
    let other = [user[0], ("ETCD_USER", "other"), user[2]];
    let (code, said) = with(&other, &["add", "n2", "10.0.0.8:80"]).await?;
    assert!(code == 1 && said.contains("user readwrite permission on"), "{said}");
    etcd.grant_write("operator", PREFIX).await?;
    let (code, said) = with(&user, &["set", "n", "weight=5"]).await?;
    assert!(code == 0, "{said}");
    let wrong = [user[0], user[1], ("ETCD_PASSWORD", "wr0ng")];
    let (code, said) = with(&wrong, &["list"]).await?;
    assert!(code == 1 && said.contains("password") && !said.contains("wr0ng"), "{said}");
    Ok(())
}

#[tokio::test]
async fn certificates_are_used_and_checked() -> Result<()> {
    let authority = Authority::new("authority")?;
    let mut etcd = Etcd::absent()?.with_tls(&authority, &authority.certificate(&["127.0.0.1"])?)?;
    etcd.restart().await?;
    let folder = Folder::new("operator")?;
    let own = authority.certificate(&["operator"])?;
    let file = |name: &str, text: &str| -> Result<String> {
        Ok(folder.write(name, text)?.display().to_string())
    };
    let (trusted, certificate, private) = (
        file("authority.pem", authority.pem())?,
        file("own.pem", &own.certificate)?,
        file("own.key", &own.key)?,
    );
    let flags = ["--etcd-cacert", &trusted, "--etcd-cert", &certificate, "--etcd-key", &private];
    let (code, said) =
        nodes(&etcd.url(), &[&["add", "n", "10.0.0.7:80"], &flags[..]].concat()).await?;
    assert!(code == 0, "{said}");
    let (code, said) = nodes(&etcd.url(), &["list"]).await?;
    assert!(code == 1 && said.contains("certificate"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_hundred_thousand_keys_are_listed_in_pages() -> Result<()> {
    const KEYS: usize = 100_000;
    let etcd = Etcd::start().await?;
    let pairs = (0..KEYS).map(|number| (key(&format!("n{number:06}")), "10.0.0.7:80".to_owned()));
    etcd.put_all(pairs).await?;
    let said = done(&etcd, &["list"]).await?;
    assert_eq!(said.lines().count(), KEYS + 1);
    assert!(said.lines().last().is_some_and(|line| line.starts_with("n099999")));
    Ok(())
}
