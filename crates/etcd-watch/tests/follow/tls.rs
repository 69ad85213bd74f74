//! TLS on both sides: right, wrong, expired, and mended while the prefix is followed.

use etcd_watch::{Cause, Cluster, Tls};

use crate::certificates::{Authority, Files, Pair, options};
use crate::etcd::Etcd;
use crate::followed::{Followed, PREFIX, cluster, cluster_with, key};
use crate::relay::{Mode, Relay};

/// The host of all endpoints.
const HOST: &str = "127.0.0.1";

struct Setting {
    authority: Authority,
    files: Files,
    etcd: Etcd,
    relay: Relay,
}

impl Setting {
    /// An etcd that shows a certificate for its host, and files that fit.
    async fn start() -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        files.write("clients.pem", &authority.pem);
        files.write_pair("etcd", &authority.sign(HOST));
        files.write("authority.pem", &authority.pem);
        files.write_pair("router", &authority.sign("router"));
        let arguments = files.arguments();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let etcd = Etcd::start_tls(options(&authority), &arguments).await;
        let relay = Relay::start(etcd.port).await;
        Self { authority, files, etcd, relay }
    }

    fn cluster(&self, tls: Tls) -> Cluster {
        cluster_with(&[self.relay.url().replace("http://", "https://")], tls, None)
    }

    fn follow(&self, tls: Tls) -> Followed {
        Followed::start(&self.cluster(tls), PREFIX)
    }

    /// Ends the connection, and has another one made.
    async fn cut(&self, followed: &mut Followed) {
        self.relay.set(Mode::Cut);
        followed.until_lost().await;
        self.relay.set(Mode::Open);
    }

    /// Writes a key, and waits until it is followed.
    async fn mended(&self, followed: &mut Followed, mark: &str) {
        self.etcd.kv().await.put(key(mark), mark, None).await.expect("a put");
        followed.until_exact(&self.etcd).await;
    }
}

#[tokio::test]
async fn right_on_both_sides() {
    let setting = Setting::start().await;
    let mut followed = setting.follow(setting.files.tls());
    setting.mended(&mut followed, "a").await;
    followed.until_alive().await;
    setting.cut(&mut followed).await;
    setting.mended(&mut followed, "b").await;
}

#[tokio::test]
async fn an_authority_that_is_not_etcds() {
    let setting = Setting::start().await;
    setting.files.write("authority.pem", &Authority::new().pem);
    let mut followed = setting.follow(setting.files.tls());
    let words = ["is not signed by ssl_trusted_certificate", "authority.pem"];
    assert_eq!(followed.until_lost_for(&words).await, Cause::Unreachable);
    setting.files.write("authority.pem", &setting.authority.pem);
    setting.mended(&mut followed, "a").await;
    assert_eq!(followed.losses.len(), 1);

    let mut of_the_system =
        setting.follow(Tls { trusted_certificate: None, ..setting.files.tls() });
    of_the_system.until_lost_for(&["ssl_trusted_certificate"]).await;
}

#[tokio::test]
async fn a_certificate_of_another_name_is_rejected() {
    let setting = Setting::start().await;
    setting.files.write_pair("etcd", &setting.authority.sign("etcd.internal"));
    let mut followed = setting.follow(setting.files.tls());
    let words = ["is not for this host: set \"ssl_name\"", "etcd.internal"];
    assert_eq!(followed.until_lost_for(&words).await, Cause::Unreachable);

    let named = |name: &str| Tls { name: Some(name.to_owned()), ..setting.files.tls() };
    let mut by_name = setting.follow(named("etcd.internal"));
    by_name.until_alive().await;
    let mut by_another = setting.follow(named("etcd.other"));
    by_another.until_lost_for(&["is not for ssl_name \"etcd.other\""]).await;
    let mut by_none = setting.follow(named("a name"));
    by_none.until_lost_for(&["ssl_name \"a name\" is not a host name"]).await;

    setting.files.write_pair("etcd", &setting.authority.sign(HOST));
    setting.mended(&mut followed, "a").await;
}

#[tokio::test]
async fn etcds_certificate_expires_and_is_renewed() {
    let setting = Setting::start().await;
    let mut followed = setting.follow(setting.files.tls());
    setting.mended(&mut followed, "a").await;
    for (pair, words) in [
        (setting.authority.sign_expired(HOST), "has expired"),
        (setting.authority.sign_future(HOST), "is not valid yet"),
    ] {
        setting.files.write_pair("etcd", &pair);
        setting.cut(&mut followed).await;
        followed.until_lost_for(&[words]).await;
        setting.files.write_pair("etcd", &setting.authority.sign(HOST));
        setting.mended(&mut followed, words).await;
    }
}

/// What etcd does not take is told, and a new file is taken without a new start.
#[tokio::test]
async fn the_clients_certificate() {
    let setting = Setting::start().await;
    let right = setting.authority.sign("router");
    let mut without = setting.follow(Tls { identity: None, ..setting.files.tls() });
    without.until_lost_for(&["requires a client certificate: set \"ssl_certificate\""]).await;

    for pair in [setting.authority.sign_expired("router"), Authority::new().sign("router")] {
        setting.files.write_pair("router", &pair);
        let mut followed = setting.follow(setting.files.tls());
        followed.until_lost_for(&["rejects ssl_certificate", "router.pem"]).await;
        setting.files.write_pair("router", &right);
        setting.mended(&mut followed, "a").await;
    }
}

/// A file that is not what it should be is named, without its content.
#[tokio::test]
async fn files_that_are_wrong() {
    let setting = Setting::start().await;
    let (right, other) = (setting.authority.sign("router"), setting.authority.sign("router"));
    let large = "x".repeat(2 << 20);
    let wrong: [(&str, &str, &[&str]); 7] = [
        (
            "authority.pem",
            "secret",
            &["ssl_trusted_certificate", "authority.pem", "BEGIN CERTIFICATE"],
        ),
        ("authority.pem", &large, &["ssl_trusted_certificate", "larger than 1024 KiB"]),
        ("router.pem", "secret", &["ssl_certificate \"", "router.pem", "BEGIN CERTIFICATE"]),
        ("router.pem", &right.key, &["ssl_certificate \"", "router.pem"]),
        ("router.key", "secret", &["ssl_certificate_key", "router.key", "no private key"]),
        (
            "router.key",
            &other.key,
            &["ssl_certificate_key", "router.key", "does not match", "router.pem"],
        ),
        ("router.key", &large, &["ssl_certificate_key", "larger than 64 KiB"]),
    ];
    for (name, content, words) in wrong {
        setting.files.write("authority.pem", &setting.authority.pem);
        setting.files.write_pair("router", &right);
        setting.files.write(name, content);
        let mut followed = setting.follow(setting.files.tls());
        assert_eq!(followed.until_lost_for(words).await, Cause::Unreachable);
        assert!(!followed.losses[0].1.contains("secret"));
    }
    setting.files.write_pair("router", &Pair { key: other.key, ..right });
    std::fs::remove_file(setting.files.path("router.key")).expect("a file");
    let mut followed = setting.follow(setting.files.tls());
    followed.until_lost_for(&["ssl_certificate_key", "router.key", "cannot be read"]).await;
    // One trouble after the other, each told of.
    setting.files.write("router.key", "nothing");
    followed.until_lost_for(&["no private key"]).await;
    setting.files.write_pair("router", &setting.authority.sign("router"));
    setting.mended(&mut followed, "a").await;
    assert_eq!(followed.losses.len(), 2);
}

#[tokio::test]
async fn an_endpoint_that_asks_for_tls() {
    let setting = Setting::start().await;
    let mut followed = Followed::start(&cluster(&[setting.relay.url()]), PREFIX);
    followed.until_lost_for(&["begin its URL with \"https://\""]).await;
}
