//! TLS to etcd, with certificates on both sides: right ones, wrong ones, and those that are mended
//! while nginx runs.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use harness::*;

/// The names of etcd's certificate.
const NAMES: &[&str] = &["etcd.internal", "127.0.0.1"];

/// Files that only their owner may read, in a folder that only its owner may enter: nginx's workers
/// are others.
struct Secrets(Folder);

impl Secrets {
    fn new() -> Result<Self> {
        let folder = Folder::new("secrets")?;
        set_permissions(folder.path(), Permissions::from_mode(0o700))?;
        Ok(Self(folder))
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        // As whoever rotates secrets should do it: never half a file.
        let file = self.0.write(&format!("{name}.new"), content)?;
        set_permissions(&file, Permissions::from_mode(0o600))?;
        Ok(std::fs::rename(file, self.0.path().join(name))?)
    }

    fn identity(&self, identity: &Certificate) -> Result<()> {
        self.write("router.key", &identity.key)?;
        self.write("router.pem", &identity.certificate)
    }

    /// A router's configuration with these files.
    fn configuration(&self, url: &str, more: &str) -> Configuration {
        let folder = self.0.path().display();
        let cluster = format!(
            "etcd_cluster main {{ endpoint {url}; ssl_trusted_certificate {folder}/authority.pem;
                ssl_certificate {folder}/router.pem; ssl_certificate_key {folder}/router.key; \
                {more} }}"
        );
        Configuration::new().workers(2).http(&cluster).http(&upstream("", ""))
    }
}

struct Setting {
    authority: Authority,
    secrets: Secrets,
    router: Router,
}

impl Setting {
    /// A router that has its peers over TLS.
    async fn start(names: &[&str], more: &str) -> Result<Self> {
        let authority = Authority::new("authority")?;
        let mut etcd = Etcd::absent()?.with_tls(&authority, &authority.certificate(names)?)?;
        etcd.restart().await?;
        let nodes = start_nodes(2).await?;
        etcd.register(&nodes).await?;
        let secrets = Secrets::new()?;
        secrets.write("authority.pem", authority.pem())?;
        secrets.identity(&authority.certificate(&["router"])?)?;
        let nginx = Nginx::start(secrets.configuration(&etcd.url(), more)).await?;
        let setting = Self { authority, secrets, router: Router { nginx, nodes, etcd } };
        setting.router.settled().await?;
        Ok(setting)
    }

    /// Waits until the status names this trouble, and checks that a line of the log says it once,
    /// that requests are served all the same, and that nothing of the key is said anywhere.
    async fn trouble(&self, words: &[&str]) -> Result<()> {
        let nginx = &self.router.nginx;
        let trouble = eventually(SOON, &format!("trouble of {words:?}"), async || {
            let trouble = nginx.upstream().await?.trouble.ok_or("none")?;
            ensure!(words.iter().all(|word| trouble.contains(word)), "{trouble}");
            Ok(trouble)
        })
        .await?;
        nginx.wait_for_log_lines(&trouble, 1).await?;
        assert_eq!(nginx.get("/").await?.status, 200);
        assert!(!nginx.log().contains("PRIVATE KEY"));
        Ok(())
    }

    /// Waits until all is well again, without a reload.
    async fn mended(&self) -> Result<()> {
        let workers = self.router.nginx.workers()?;
        let node = Node::start("late").await?;
        self.router.etcd.register(std::slice::from_ref(&node)).await?;
        self.router.settled().await?;
        // The report is published a moment after the list.
        let upstream = eventually(SOON, "the trouble is over", async || {
            let upstream = self.router.nginx.upstream().await?;
            ensure!(upstream.trouble.is_none(), "{:?}", upstream.trouble);
            Ok(upstream)
        })
        .await?;
        assert_eq!(upstream.endpoint, Some(self.router.etcd.url()));
        self.router.etcd.delete(&key("late")).await?;
        self.router.settled().await?;
        assert_eq!(self.router.nginx.workers()?, workers);
        Ok(())
    }

    /// Has all connections made anew.
    async fn restart_etcd(&mut self) -> Result<()> {
        self.router.etcd.stop().await?;
        self.router.etcd.restart().await
    }
}

#[tokio::test]
async fn certificates_readable_by_root_alone_are_used() -> Result<()> {
    let mut setting = Setting::start(NAMES, "").await?;
    setting.mended().await?;
    setting.restart_etcd().await?;
    setting.mended().await
}

#[tokio::test]
async fn expired_certificate_of_etcd_is_logged_and_a_renewed_one_taken() -> Result<()> {
    let mut setting = Setting::start(NAMES, "").await?;
    setting.router.etcd.stop().await?;
    setting.router.etcd.show(&setting.authority.expired(NAMES)?)?;
    // Its own health is asked for without TLS, but the harness itself cannot connect then.
    let started = setting.router.etcd.restart().await;
    assert!(started.is_err(), "an expired certificate was taken");
    setting.trouble(&["expired", "renew etcd's certificate"]).await?;
    setting.router.etcd.show(&setting.authority.certificate(NAMES)?)?;
    setting.router.etcd.reconnect().await?;
    setting.mended().await
}

#[tokio::test]
async fn certificate_of_an_unknown_authority_is_refused() -> Result<()> {
    let mut setting = Setting::start(NAMES, "").await?;
    let other = Authority::new("other")?;
    setting.secrets.write("authority.pem", other.pem())?;
    setting.restart_etcd().await?;
    setting.trouble(&["UnknownIssuer", "ssl_trusted_certificate"]).await?;
    // What is no certificate at all is other trouble.
    setting.secrets.write("authority.pem", "nothing\n")?;
    setting
        .trouble(&[
            "ssl_trusted_certificate",
            "authority.pem",
            "no \"-----BEGIN CERTIFICATE-----\"",
        ])
        .await?;
    setting.secrets.write("authority.pem", setting.authority.pem())?;
    setting.mended().await
}

#[tokio::test]
async fn certificate_for_another_name_is_refused_without_ssl_name() -> Result<()> {
    // The endpoint is 127.0.0.1, and the harness looks for that as well.
    let mut setting = Setting::start(NAMES, "ssl_name etcd.internal;").await?;
    setting.mended().await?;
    setting.router.etcd.stop().await?;
    setting.router.etcd.show(&setting.authority.certificate(&["127.0.0.1"])?)?;
    setting.router.etcd.restart().await?;
    setting.trouble(&["ssl_name"]).await?;
    setting.router.etcd.show(&setting.authority.certificate(NAMES)?)?;
    setting.mended().await
}

#[tokio::test]
async fn expired_client_certificate_is_logged_and_a_renewed_one_used() -> Result<()> {
    let mut setting = Setting::start(NAMES, "").await?;
    setting.secrets.identity(&setting.authority.expired(&["router"])?)?;
    setting.restart_etcd().await?;
    setting.trouble(&["ssl_certificate"]).await?;
    setting.secrets.identity(&setting.authority.certificate(&["router"])?)?;
    setting.mended().await
}

#[tokio::test]
async fn wrong_or_missing_client_key_is_logged() -> Result<()> {
    let mut setting = Setting::start(NAMES, "").await?;
    let (first, second) =
        (setting.authority.certificate(&["router"])?, setting.authority.certificate(&["router"])?);
    setting.secrets.identity(&Certificate { key: second.key, ..first.clone() })?;
    setting.restart_etcd().await?;
    setting.trouble(&["ssl_certificate_key"]).await?;
    setting.secrets.identity(&first)?;
    setting.mended().await?;

    std::fs::remove_file(setting.secrets.0.path().join("router.key"))?;
    setting.restart_etcd().await?;
    setting.trouble(&["ssl_certificate_key", "router.key", "cannot be read"]).await?;
    setting.secrets.identity(&first)?;
    setting.mended().await
}

#[tokio::test]
async fn missing_client_certificate_is_logged() -> Result<()> {
    let authority = Authority::new("authority")?;
    let mut etcd = Etcd::absent()?.with_tls(&authority, &authority.certificate(NAMES)?)?;
    etcd.restart().await?;
    let secrets = Secrets::new()?;
    secrets.write("authority.pem", authority.pem())?;
    let cluster = format!(
        "etcd_cluster main {{ endpoint {}; ssl_trusted_certificate {}/authority.pem; }}",
        etcd.url(),
        secrets.0.path().display()
    );
    let nginx = Nginx::start(Configuration::new().http(&cluster).http(&upstream("", ""))).await?;
    eventually(SOON, "etcd refuses it", async || {
        let trouble = nginx.upstream().await?.trouble.ok_or("none")?;
        ensure!(trouble.contains("ssl_certificate"), "{trouble}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn plain_endpoint_of_an_etcd_with_tls_is_logged() -> Result<()> {
    let authority = Authority::new("authority")?;
    let mut etcd = Etcd::absent()?.with_tls(&authority, &authority.certificate(NAMES)?)?;
    etcd.restart().await?;
    let url = etcd.url().replace("https://", "http://");
    let nginx =
        Nginx::start(Configuration::new().http(&cluster("main", &url)).http(&upstream("", "")))
            .await?;
    eventually(SOON, "the trouble is named", async || {
        let trouble = nginx.upstream().await?.trouble.ok_or("none")?;
        ensure!(trouble.contains("https://"), "{trouble}");
        Ok(())
    })
    .await
}
