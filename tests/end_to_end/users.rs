//! An etcd that asks for a user, and all that can go wrong with one while nginx runs.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use harness::*;

const USER: &str = "router";
/// Passwords, by words that nothing else says.
const FIRST: &str = "s3cret-1";
const SECOND: &str = "s3cret-2";

struct Setting {
    folder: Folder,
    router: Router,
}

impl Setting {
    /// A router that has its peers as the user, of an etcd with more arguments.
    async fn start(arguments: &[&str]) -> Result<Self> {
        let mut etcd =
            Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]).with_arguments(arguments);
        etcd.restart().await?;
        let nodes = start_nodes(2).await?;
        etcd.register(&nodes).await?;
        etcd.add_user(USER, FIRST, PREFIX).await?;
        etcd.ask_for_users().await?;
        let folder = Folder::new("secrets")?;
        set_permissions(folder.path(), Permissions::from_mode(0o700))?;
        let nginx = Nginx::start(configuration(&folder, &etcd.url(), FIRST)?).await?;
        let setting = Self { folder, router: Router { nginx, nodes, etcd } };
        setting.router.settled().await?;
        Ok(setting)
    }

    /// Waits until the status names this trouble; a line of the log says it once, and requests are
    /// served.
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
        Ok(())
    }

    /// Waits until all is well again, without a reload; no password was told meanwhile.
    async fn mended(&self) -> Result<()> {
        let nginx = &self.router.nginx;
        let workers = nginx.workers()?;
        let node = Node::start("late").await?;
        self.router.etcd.register(std::slice::from_ref(&node)).await?;
        self.router.settled().await?;
        // The report is published a moment after the list.
        eventually(SOON, "the trouble is over", async || {
            let upstream = self.router.nginx.upstream().await?;
            ensure!(upstream.trouble.is_none(), "{:?}", upstream.trouble);
            Ok(())
        })
        .await?;
        self.router.etcd.delete(&key("late")).await?;
        self.router.settled().await?;
        assert_eq!(nginx.workers()?, workers);
        let told = format!("{}{}", nginx.log(), get(&nginx.address(), "/etcd").await?.text());
        for password in [FIRST, SECOND] {
            assert!(!told.contains(password), "{password} in {told}");
        }
        Ok(())
    }
}

fn write_password(folder: &Folder, password: &str) -> Result<()> {
    let file = folder.write("password.new", &format!("{password}\n"))?;
    set_permissions(&file, Permissions::from_mode(0o600))?;
    Ok(std::fs::rename(file, folder.path().join("password"))?)
}

fn configuration(folder: &Folder, url: &str, password: &str) -> Result<Configuration> {
    write_password(folder, password)?;
    let cluster = format!(
        "etcd_cluster main {{ endpoint {url}; user {USER}; password_file {}/password; }}",
        folder.path().display()
    );
    Ok(Configuration::new().workers(2).http(&cluster).http(&upstream("", "")))
}

#[tokio::test]
async fn password_readable_by_root_alone_survives_a_restart_of_etcd() -> Result<()> {
    let mut setting = Setting::start(&[]).await?;
    setting.mended().await?;
    // Its tokens are void.
    setting.router.etcd.kill().await?;
    setting.router.etcd.restart().await?;
    setting.mended().await
}

#[tokio::test]
async fn expired_tokens_are_renewed_without_a_log_line() -> Result<()> {
    let setting =
        Setting::start(&["--auth-token", "jwt,sign-method=HS256,priv-key=/etc/passwd,ttl=2s"])
            .await?;
    let before = setting.router.settled().await?.resyncs;
    // A login costs etcd a call to its method; each is one more token that has run out.
    let logins = "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Authenticate\",\
                  grpc_service=\"etcdserverpb.Auth\",grpc_type=\"unary\"}";
    let first = setting.router.etcd.metric(logins).await?;
    eventually(SOON, "three tokens have run out", async || {
        let now = setting.router.etcd.metric(logins).await?;
        ensure!(now >= first + 3.0, "{now} logins, {first} before");
        Ok(())
    })
    .await?;
    setting.mended().await?;
    assert_eq!(setting.router.settled().await?.resyncs, before);
    assert!(
        setting.router.nginx.log_lines("cannot watch").is_empty(),
        "{}",
        setting.router.nginx.log()
    );
    Ok(())
}

#[tokio::test]
async fn password_changed_in_etcd_and_then_in_the_file_is_used() -> Result<()> {
    let setting = Setting::start(&[]).await?;
    setting.router.etcd.change_password(USER, SECOND).await?;
    setting.trouble(&["authentication failed", "password_file"]).await?;
    write_password(&setting.folder, SECOND)?;
    setting.mended().await?;

    // A file that is empty, or gone, is named.
    write_password(&setting.folder, "")?;
    setting.router.etcd.change_password(USER, FIRST).await?;
    setting.trouble(&["password_file", "no password"]).await?;
    write_password(&setting.folder, FIRST)?;
    setting.mended().await
}

#[tokio::test]
async fn revoked_role_is_logged_and_a_granted_one_used() -> Result<()> {
    let setting = Setting::start(&[]).await?;
    setting.router.etcd.set_role(USER, USER, false).await?;
    setting.trouble(&["permission denied", "grant the role"]).await?;
    setting.router.etcd.set_role(USER, USER, true).await?;
    setting.mended().await
}

#[tokio::test]
async fn auth_enabled_and_disabled_while_nginx_runs_is_followed() -> Result<()> {
    let mut etcd = Etcd::absent()?.with_arguments(&["--bcrypt-cost", "4"]);
    etcd.restart().await?;
    let nodes = start_nodes(1).await?;
    etcd.register(&nodes).await?;
    etcd.add_user(USER, FIRST, PREFIX).await?;
    let folder = Folder::new("secrets")?;
    // Whoever is about to switch it on gives the router its user first.
    let nginx = Nginx::start(configuration(&folder, &etcd.url(), FIRST)?).await?;
    let mut setting = Setting { folder, router: Router { nginx, nodes, etcd } };
    setting.mended().await?;
    setting.router.etcd.ask_for_users().await?;
    setting.mended().await?;
    setting.router.etcd.ask_for_no_users().await?;
    setting.mended().await
}

#[tokio::test]
async fn auth_without_a_configured_user_is_logged() -> Result<()> {
    let mut router = Router::start(2, 2).await?;
    router.etcd.ask_for_users().await?;
    eventually(SOON, "the trouble is named", async || {
        let trouble = router.nginx.upstream().await?.trouble.ok_or("none")?;
        ensure!(trouble.contains("set \"user\" and \"password_file\""), "{trouble}");
        Ok(())
    })
    .await?;
    assert_eq!(router.nginx.get("/").await?.status, 200);
    router.etcd.ask_for_no_users().await?;
    router.settled().await?;
    Ok(())
}
