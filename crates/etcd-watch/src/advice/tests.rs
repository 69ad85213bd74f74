//! What is said of each kind of trouble.

use std::time::Duration;

use super::{reason, reason_for};
use crate::cluster::{ClusterConfig, Identity, Login, Tls};
use crate::range::Range;
use crate::setting_names::SettingNames;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

fn config(login: Option<Login>) -> ClusterConfig {
    ClusterConfig {
        name: "main".to_owned(),
        endpoints: vec![],
        connect_timeout: Duration::from_secs(1),
        tls: Tls::default(),
        login,
        setting_names: SettingNames::DIRECTIVES,
    }
}

fn login(user: &str) -> Option<Login> {
    Some(Login { user: user.to_owned(), password_file: "/run/password".into() })
}

#[test]
fn who_may_not_read_what() {
    let trouble = Trouble::refused(
        Cause::Canceled,
        Kind::PermissionDenied,
        "list: etcdserver: permission denied",
    );
    let text = reason(&trouble, &config(login("router")), &Range::new(b"/firehose/upstream/"));
    assert_eq!(
        text,
        "permission denied for user \"router\": grant the role of that user read permission on \
         \"/firehose/upstream/\" (list: etcdserver: permission denied)"
    );
    let text = reason_for("readwrite", &trouble, &config(None), &Range::of_key(b"/a"));
    assert!(text.contains("that user readwrite permission on"), "{text}");
    let text = reason(&trouble, &config(None), &Range::of_key(b"/a"));
    assert!(text.contains("clients without a user") && text.contains("the key \"/a\""), "{text}");
}

/// Advice names settings that the program has, and no others.
#[test]
fn what_to_set_is_called_as_it_is_there() {
    const NONE: &str = "/none";
    let kinds = [
        Kind::ConnectionRefused,
        Kind::NameUnresolved,
        Kind::NoHttp2,
        Kind::UntrustedCertificate,
        Kind::OtherName,
        Kind::ClientCertificate,
        Kind::NoAuthentication,
        Kind::UserWanted,
        Kind::PermissionDenied,
        Kind::LoginFailed,
    ];
    let of_directives = ["ssl_", "\"endpoint\"", "\"user\"", "password_file"];
    let identity = Identity { certificate: NONE.into(), key: NONE.into() };
    let tls = Tls {
        trusted_certificate: Some(NONE.into()),
        identity: Some(identity),
        name: Some(NONE.to_owned()),
    };
    for (setting_names, prefix) in
        [(SettingNames::FLAGS, "--etcd-"), (SettingNames::SOURCE_FLAGS, "--from")]
    {
        for (tls, login) in [(tls.clone(), login("router")), (Tls::default(), None)] {
            let config = ClusterConfig { tls, setting_names, ..config(login) };
            for kind in kinds {
                let trouble = Trouble {
                    endpoint: Some("https://etcd".into()),
                    ..Trouble::refused(Cause::Canceled, kind, "said")
                };
                let text = reason(&trouble, &config, &Range::new(b"/firehose/"));
                assert!(!of_directives.iter().any(|word| text.contains(word)), "{text}");
                // The others have nothing to set.
                let flags = text.split(' ').filter(|word| word.starts_with("--"));
                assert!(flags.into_iter().all(|flag| flag.starts_with(prefix)), "{text}");
            }
        }
    }
    let text = reason(
        &Trouble::refused(Cause::Canceled, Kind::UserWanted, "list: user name is empty"),
        &ClusterConfig { setting_names: SettingNames::FLAGS, ..config(None) },
        &Range::new(b"/firehose/"),
    );
    assert_eq!(
        text,
        "etcd asks for a user: set --etcd-user and --etcd-password-file (list: user name is \
         empty)"
    );
}

#[test]
fn all_are_one_line_of_limited_length() {
    let kinds = [
        Kind::Broken,
        Kind::ConnectionRefused,
        Kind::UntrustedCertificate,
        Kind::OtherName,
        Kind::ClientCertificate,
        Kind::UserWanted,
        Kind::TokenVoid,
        Kind::PermissionDenied,
        Kind::LoginFailed,
    ];
    let range = Range::new("/ä\n".repeat(300).as_bytes());
    for kind in kinds {
        for config in [config(login(&"u\n".repeat(300))), config(None)] {
            let trouble = Trouble {
                endpoint: Some("http://ä".repeat(300).into()),
                ..Trouble::refused(Cause::Canceled, kind, &"etcd\n".repeat(300))
            };
            let text = reason(&trouble, &config, &range);
            assert!(text.chars().count() <= 300 && !text.contains(char::is_control), "{text}");
        }
    }
}

/// What is said of each kind, with what mends it; the rest says it in etcd's words alone.
#[test]
fn messages_are_worded_so() {
    let identity = Identity { certificate: "/c.pem".into(), key: "/k.pem".into() };
    let tls = Tls {
        trusted_certificate: Some("/ca.pem".into()),
        identity: Some(identity),
        name: Some("etcd".to_owned()),
    };
    let with_all = ClusterConfig { tls, ..config(login("router")) };
    let with_none = config(None);
    let text = |config: &ClusterConfig, endpoint: &str, kind| {
        let endpoint = Some(endpoint.into());
        let trouble = Trouble { endpoint, ..Trouble::refused(Cause::Canceled, kind, "e") };
        let text = reason(&trouble, config, &Range::new(b"/a/"));
        text.strip_suffix(" (e)").unwrap_or(&text).to_owned()
    };
    for (kind, expected) in [
        (
            Kind::ConnectionRefused,
            "nothing listens at http://e: start etcd there, or correct \"endpoint\"",
        ),
        (Kind::Late, "http://e does not answer: check its host, its load and the network"),
        (Kind::Slow, "http://e answers too slowly: check its host, its load and the network"),
        (
            Kind::NameUnresolved,
            "the host of http://e cannot be resolved: check DNS, or correct \"endpoint\"",
        ),
        (
            Kind::NoQuorum,
            "the member at http://e does not reach its quorum: check the other members and \
             the network",
        ),
        (
            Kind::NoTls,
            "http://e does not use TLS: begin its URL with \"http://\", or enable TLS in etcd",
        ),
        (
            Kind::NoHttp2,
            "http://e does not speak HTTP/2: it is not etcd, or it requires TLS; then begin its \
             URL with \"https://\"",
        ),
        (
            Kind::UntrustedCertificate,
            "the certificate of http://e is not signed by a CA of the system: set \
             \"ssl_trusted_certificate\" to the CA certificate of etcd",
        ),
        (
            Kind::ExpiredCertificate,
            "the certificate of http://e has expired: renew etcd's certificate",
        ),
        (
            Kind::FutureCertificate,
            "the certificate of http://e is not valid yet: check the clocks of both hosts",
        ),
        (
            Kind::BadCertificate,
            "the certificate of http://e is not valid: renew etcd's certificate",
        ),
        (
            Kind::ClientCertificate,
            "http://e requires a client certificate: set \"ssl_certificate\" and \
             \"ssl_certificate_key\"",
        ),
        (
            Kind::TokenVoid,
            "etcd rejects the token that it has just issued: check its logs and the clocks of \
             its members",
        ),
        (
            Kind::Broken,
            "lost the connection to http://e: if it does not come back, check the log of etcd \
             there, and the network",
        ),
        (
            Kind::Nonsense,
            "http://e gives answers that etcd does not give: check its version, and any proxy \
             before it",
        ),
        (
            Kind::NotEtcd,
            "http://e is not etcd, or a proxy before it does not pass gRPC: correct \"endpoint\"",
        ),
        (Kind::Other, "a call to http://e failed: check the log of etcd there"),
        (Kind::TooMany, "e"),
    ] {
        assert_eq!(text(&with_none, "http://e", kind), expected, "{kind:?}");
    }
    for (kind, expected) in [
        (
            Kind::NoHttp2,
            "https://e closes the connection: if it does not use TLS, begin its URL with \
             \"http://\"; if it rejects ssl_certificate \"/c.pem\", renew that certificate",
        ),
        (
            Kind::UntrustedCertificate,
            "the certificate of https://e is not signed by ssl_trusted_certificate \
             \"/ca.pem\": add the CA certificate of etcd to that file",
        ),
        (
            Kind::OtherName,
            "the certificate of https://e is not for ssl_name \"etcd\": set a name that it is \
             for, or renew it with this name",
        ),
        (
            Kind::ClientCertificate,
            "https://e rejects ssl_certificate \"/c.pem\" (it may have expired, or be signed \
             by a CA that etcd does not trust): renew it",
        ),
        (Kind::UserWanted, "etcd asks for a user, though \"router\" is logged in: check its logs"),
    ] {
        assert_eq!(text(&with_all, "https://e", kind), expected, "{kind:?}");
    }
}
