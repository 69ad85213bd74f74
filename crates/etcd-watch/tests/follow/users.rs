//! Users, passwords, roles and tokens, right, wrong, and changed while prefixes are followed.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, KvClient, Permission};
use etcd_watch::{Cause, Cluster, Login, Tls, Update};
use tokio::time::Instant;

use crate::certificates::Files;
use crate::etcd::{Etcd, free_port};
use crate::followed::{Followed, PREFIX, cluster, cluster_with, key};

pub const USER: &str = "router";
pub const PASSWORD: &str = "the-first-secret";
const OTHER: &str = "the-second-secret";

/// Makes logins cheap: 16 rounds of hashing instead of 1 024.
const CHEAP: [&str; 2] = ["--bcrypt-cost", "4"];

/// Tokens that are not kept by etcd, signed with what any machine has.
const JWT: &str = "jwt,sign-method=HS256,priv-key=/etc/passwd,ttl=1s";

/// The logins that succeeded, and those that were refused, in etcd's metrics.
const LOGINS: [&str; 3] =
    ["grpc_server_handled_total", "grpc_method=\"Authenticate\"", "grpc_code=\"OK\""];
const REFUSED: [&str; 3] =
    ["grpc_server_handled_total", "grpc_method=\"Authenticate\"", "grpc_code=\"InvalidArgument\""];

/// An etcd with a user who may read the prefix.
pub struct Users {
    pub etcd: Etcd,
    files: Files,
}

impl Users {
    /// One that asks for users.
    pub async fn start(more: &[&str]) -> Self {
        let users = Self::start_without_asking(more).await;
        users.ask().await;
        users
    }

    async fn start_without_asking(more: &[&str]) -> Self {
        let etcd = Etcd::start_with(&[&CHEAP, more].concat()).await;
        let mut client = etcd.client().await;
        client.user_add("root", PASSWORD, None).await.expect("a user");
        client.role_add("root").await.expect("a role");
        client.user_grant_role("root", "root").await.expect("a grant");
        client.user_add(USER, PASSWORD, None).await.expect("a user");
        client.role_add(USER).await.expect("a role");
        let permission = Permission::read(PREFIX).with_prefix();
        client.role_grant_permission(USER, permission).await.expect("a permission");
        client.user_grant_role(USER, USER).await.expect("a grant");
        Self { etcd, files: Files::new() }
    }

    async fn ask(&self) {
        self.etcd.client().await.auth_enable().await.expect("authentication");
    }

    pub async fn root(&self) -> Client {
        let options =
            ConnectOptions::new().with_user("root", PASSWORD).with_auto_token_refresh(true);
        self.etcd.client_with(options).await
    }

    pub async fn kv(&self) -> KvClient {
        self.root().await.kv_client()
    }

    fn write(&self, password: &str) {
        self.files.write("password", password);
    }

    /// The user, with this in his password's file.
    pub fn login(&self, password: &str) -> Login {
        self.write(password);
        Login { user: USER.to_owned(), password_file: self.files.path("password") }
    }

    pub fn cluster(&self, password: &str) -> Cluster {
        cluster_with(&[self.etcd.url()], Tls::default(), Some(self.login(password)))
    }

    fn follow(&self, password: &str) -> Followed {
        Followed::start(&self.cluster(password), PREFIX)
    }

    /// Writes a key, and waits until it is followed.
    async fn mended(&self, followed: &mut Followed, mark: &str) {
        let mut kv = self.kv().await;
        kv.put(key(mark), mark, None).await.expect("a put");
        followed.until_exact_as(&mut kv).await;
        for (_, reason) in &followed.losses {
            assert!(!reason.contains(PASSWORD) && !reason.contains(OTHER), "{reason}");
        }
    }

    async fn change_password(&self, password: &str) {
        self.root().await.user_change_password(USER, password).await.expect("another password");
    }
}

#[tokio::test]
async fn a_password_in_a_file() {
    let users = Users::start(&[]).await;
    let cluster = users.cluster(&format!("{PASSWORD}\r\n"));
    assert!(!format!("{cluster:?}").contains(PASSWORD));
    let mut followed = Followed::start(&cluster, PREFIX);
    users.mended(&mut followed, "a").await;
    assert!(!format!("{cluster:?}").contains(PASSWORD));
    assert!(followed.losses.is_empty());
}

#[tokio::test]
async fn a_wrong_password() {
    let users = Users::start(&[]).await;
    let mut followed = users.follow(OTHER);
    let words = ["authentication failed, user \"router\"", "password_file", "/password"];
    assert_eq!(followed.until_lost_for(&words).await, Cause::Canceled);
    // Waits of 50, 100, 200 and 400 ms, each halved at the least.
    let (refused, begin) = (users.etcd.metric(&REFUSED).await, Instant::now());
    users.etcd.metric_becomes(&REFUSED, |now| now >= refused + 4.0).await;
    assert!(begin.elapsed() > Duration::from_millis(250), "four logins in {:?}", begin.elapsed());
    for (content, words) in [
        ("", "contains no password"),
        ("\n", "contains no password"),
        ("\u{fffd}".repeat(40_000).as_str(), "is larger than 64 KiB"),
    ] {
        users.write(content);
        if followed.losses.last().is_some_and(|(_, reason)| reason.contains(words)) {
            continue;
        }
        followed.until_lost_for(&["password_file", words]).await;
    }
    std::fs::remove_file(users.files.path("password")).expect("a file");
    followed.until_lost_for(&["password_file", "cannot be read"]).await;
    users.write(PASSWORD);
    users.mended(&mut followed, "a").await;
    assert_eq!(followed.losses.len(), 4);
}

#[tokio::test]
async fn a_password_that_is_changed() {
    let users = Users::start(&[]).await;
    let mut followed = users.follow(PASSWORD);
    users.mended(&mut followed, "a").await;
    users.change_password(OTHER).await;
    // Its token is void, and nothing else is there to log in with.
    assert_eq!(followed.until_lost_for(&["authentication failed"]).await, Cause::Canceled);
    users.write(OTHER);
    users.mended(&mut followed, "b").await;
    assert_eq!(followed.losses.len(), 1);

    // A file that is there before its password is: nobody notices.
    users.write(PASSWORD);
    let logins = users.etcd.metric(&LOGINS).await;
    users.change_password(PASSWORD).await;
    // One is that of who changes it.
    users.etcd.metric_becomes(&LOGINS, |now| now > logins + 1.0).await;
    users.mended(&mut followed, "c").await;
    assert_eq!(followed.losses.len(), 1);
}

#[tokio::test]
async fn a_role_that_is_revoked_and_granted_again() {
    let users = Users::start(&[]).await;
    let mut followed = users.follow(PASSWORD);
    users.mended(&mut followed, "a").await;
    let mut root = users.root().await;
    root.user_revoke_role(USER, USER).await.expect("a revocation");
    let revoked = Instant::now();
    let words = ["permission denied for user \"router\"", "grant the role", PREFIX];
    assert_eq!(followed.until_lost_for(&words).await, Cause::Canceled);
    eprintln!("noticed after {:?}", revoked.elapsed());
    root.user_grant_role(USER, USER).await.expect("a grant");
    users.mended(&mut followed, "b").await;
    assert_eq!(followed.losses.len(), 1);
}

/// Tokens that run out between two questions are renewed beside the watch, which goes on.
async fn tokens_that_run_out(arguments: &[&str]) {
    let users = Users::start(arguments).await;
    let mut followed = users.follow(PASSWORD);
    users.mended(&mut followed, "a").await;
    let logins = users.etcd.metric(&LOGINS).await;
    // Three tokens of the follower's; those of the root do not count, since it is idle.
    users.etcd.metric_becomes(&LOGINS, |now| now >= logins + 3.0).await;
    while followed.take_one() {}
    users.mended(&mut followed, "b").await;
    assert!(followed.losses.is_empty(), "{:?}", followed.losses);
    assert_eq!(followed.causes, [Cause::Start]);
}

#[tokio::test]
async fn simple_tokens_that_run_out() {
    tokens_that_run_out(&["--auth-token-ttl", "1"]).await;
}

#[tokio::test]
async fn signed_tokens_that_run_out() {
    tokens_that_run_out(&["--auth-token", JWT]).await;
}

/// All signed tokens are of an old revision, once anything about users changes.
#[tokio::test]
async fn signed_tokens_and_another_user() {
    let users = Users::start(&["--auth-token", &JWT.replace("1s", "1h")]).await;
    let mut followed = users.follow(PASSWORD);
    users.mended(&mut followed, "a").await;
    let logins = users.etcd.metric(&LOGINS).await;
    users.root().await.user_add("another", PASSWORD, None).await.expect("a user");
    users.etcd.metric_becomes(&LOGINS, |now| now > logins + 1.0).await;
    users.mended(&mut followed, "b").await;
    assert!(followed.losses.is_empty(), "{:?}", followed.losses);
}

#[tokio::test]
async fn tokens_that_a_restart_voids() {
    let mut users = Users::start(&[]).await;
    let mut followed = users.follow(PASSWORD);
    for mark in ["a", "b"] {
        users.mended(&mut followed, mark).await;
        users.etcd.restart();
        assert_eq!(followed.until_lost().await, Cause::Broken);
        followed.until_alive().await;
    }
    users.mended(&mut followed, "c").await;
    assert!(
        followed.losses.iter().all(|(cause, _)| *cause == Cause::Broken),
        "{:?}",
        followed.losses
    );
}

#[tokio::test]
async fn users_that_are_asked_for_later() {
    let users = Users::start_without_asking(&[]).await;
    let mut nobody = Followed::of(&users.etcd);
    let mut somebody = users.follow(PASSWORD);
    nobody.until_alive().await;
    somebody.until_alive().await;
    let logins = users.etcd.metric(&LOGINS).await;
    users.ask().await;
    let words = ["etcd asks for a user: set \"user\" and \"password_file\""];
    assert_eq!(nobody.until_lost_for(&words).await, Cause::Canceled);
    users.etcd.metric_becomes(&LOGINS, |now| now > logins).await;
    users.mended(&mut somebody, "a").await;

    users.root().await.auth_disable().await.expect("no authentication");
    users.etcd.kv().await.put(key("b"), "b", None).await.expect("a put");
    nobody.until_exact(&users.etcd).await;
    somebody.until_exact(&users.etcd).await;
    users.ask().await;
    users.mended(&mut somebody, "c").await;
    assert!(somebody.losses.is_empty(), "{:?}", somebody.losses);
}

/// What keeps a prefix from being followed is told where it changes.
#[tokio::test]
async fn first_nobody_listens_and_then_the_password_is_wrong() {
    let users = Users::start(&[]).await;
    let mut followed = users.follow(PASSWORD);
    followed.until_alive().await;
    users.mended(&mut followed, "a").await;
    let port = free_port();
    let login = users.login(OTHER);
    let url = format!("http://127.0.0.1:{port}");
    let mut late = Followed::start(&cluster_with(&[url], Tls::default(), Some(login)), PREFIX);
    assert_eq!(late.until_lost_for(&["nothing listens at"]).await, Cause::Unreachable);
    let other = Etcd::start_at(port, &CHEAP).await;
    late.until_alive().await;
    let mut client = other.client().await;
    client.user_add("root", PASSWORD, None).await.expect("a user");
    client.role_add("root").await.expect("a role");
    client.user_grant_role("root", "root").await.expect("a grant");
    client.auth_enable().await.expect("authentication");
    late.until_lost_for(&["authentication failed"]).await;
    let begun = late.losses.len();
    drop(other);
    late.until_lost_for(&["nothing listens at"]).await;
    assert_eq!(late.losses.len(), begun + 1);
}

const PREFIXES: usize = 20;

/// Prefixes that share a connection log in once, however often and for whatever reason they have
/// to.
#[tokio::test]
async fn one_login_for_all_prefixes() {
    let mut users = Users::start(&[]).await;
    let root = users.root().await;
    let permission = Permission::read("/many/").with_prefix();
    root.auth_client().role_grant_permission(USER, permission).await.expect("a permission");
    let before = users.etcd.metric(&LOGINS).await;
    let cluster = users.cluster(PASSWORD);
    let start = |number| Followed::start(&cluster, &format!("/many/{number}/"));
    let mut all: Vec<_> = (0..PREFIXES).map(start).collect();
    for followed in &mut all {
        followed.until_alive().await;
    }
    assert_eq!(users.etcd.metric(&LOGINS).await - before, 1.0);

    // Void, with the connection as it is.
    users.write(OTHER);
    let before = users.etcd.metric(&LOGINS).await;
    users.change_password(OTHER).await;
    // One is that of who changes it.
    users.etcd.metric_becomes(&LOGINS, |now| now > before + 1.0).await;
    for followed in &mut all {
        followed.until(|update| matches!(update, Update::Alive { .. })).await;
        assert!(followed.losses.is_empty(), "{:?}", followed.losses);
    }
    assert_eq!(users.etcd.metric(&LOGINS).await - before, 2.0);

    // Void, with the connection; the metrics begin at zero.
    users.etcd.restart();
    for followed in &mut all {
        followed.until_lost().await;
        followed.until_alive().await;
    }
    assert_eq!(users.etcd.metric(&LOGINS).await, 1.0);

    // A password that is wrong is not tried by each.
    let change = Instant::now();
    users.change_password(PASSWORD).await;
    for followed in &mut all {
        followed.until_lost_for(&["authentication failed"]).await;
    }
    let refused = users.etcd.metric(&REFUSED).await;
    // Waits of 25, 50, 100, 200 ms and so on at the least lie between two.
    let most = (change.elapsed().as_secs_f64() / 0.025).log2().ceil() + 2.0;
    assert!(refused >= 1.0 && refused <= most, "{refused} logins, of at most {most}");
    users.write(PASSWORD);
    for followed in &mut all {
        followed.until_alive().await;
    }
}

#[tokio::test]
async fn nobody_may_read() {
    let users = Users::start(&[]).await;
    let login = users.login(PASSWORD);
    let as_user = cluster_with(&[users.etcd.url()], Tls::default(), Some(login));
    let mut followed = Followed::start(&as_user, "/elsewhere/");
    followed.until_lost_for(&["permission denied for user \"router\"", "\"/elsewhere/\""]).await;
    let mut nobody = Followed::start(&cluster(&[users.etcd.url()]), PREFIX);
    nobody.until_lost_for(&["etcd asks for a user"]).await;
    // The login of one prefix that may not read serves another.
    let mut other = Followed::start(&as_user, PREFIX);
    other.until_alive().await;
}
