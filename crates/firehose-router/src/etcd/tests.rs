//! What flags and variables add up to.

use clap::Parser;

use super::{EtcdOptions, EtcdOptionsError};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    etcd: EtcdOptions,
}

fn read(flags: &[&str]) -> Result<super::Etcd, EtcdOptionsError> {
    let flags = Flags::try_parse_from([&["x"], flags].concat()).expect("flags");
    flags.etcd.read()
}

fn endpoints(flags: &[&str]) -> Vec<String> {
    read(flags).expect("endpoints").config.endpoints
}

#[test]
fn where_etcd_is() {
    for (flags, expected) in [
        (&[][..], "http://127.0.0.1:2379"),
        (&["--etcd-endpoints", "https://a:1,b:2, http://c,"], "https://a:1 http://b:2 http://c"),
        (&["--etcd-ip", "10.0.0.1"], "http://10.0.0.1:2379"),
        (&["--etcd-ip", "10.0.0.1", "--etcd-port", "4001"], "http://10.0.0.1:4001"),
        (&["--etcd-ip", "fd00::1", "--etcd-port", "4001"], "http://[fd00::1]:4001"),
        (&["--etcd-port", "4001"], "http://127.0.0.1:4001"),
        (&["--etcd-ip", "", "--etcd-port", ""], "http://127.0.0.1:2379"),
        // As Kubernetes and Docker's links have it.
        (&["--etcd-port", "tcp://10.0.0.2:2379"], "http://10.0.0.2:2379"),
        (&["--etcd-ip", "10.0.0.2", "--etcd-port", "tcp://10.0.0.2:4001"], "http://10.0.0.2:4001"),
        (&["--etcd-ip", "fd00::1", "--etcd-port", "tcp://[fd00::1]:4001"], "http://[fd00::1]:4001"),
        (&["--etcd-endpoints", "a:1", "--etcd-ip", "10.0.0.1", "--etcd-port", "x"], "http://a:1"),
        (&["--etcd-endpoints", "a:1", "--etcd-ip", "b", "--etcd-port", "tcp://c:1"], "http://a:1"),
    ] {
        assert_eq!(endpoints(flags).join(" "), expected, "{flags:?}");
    }
    let two = read(&["--etcd-ip", "10.0.0.1", "--etcd-port", "tcp://10.0.0.2:4001"]);
    let said = two.map(|_| ()).expect_err("two places").to_string();
    assert!(
        ["10.0.0.1", "10.0.0.2:4001", "ETCD_ENDPOINTS"].iter().all(|word| said.contains(word)),
        "{said}"
    );
    for wrong in ["ftp://a", "http://a/b", "http://user:secret@a", "a:port"] {
        assert!(
            matches!(read(&["--etcd-endpoints", wrong]), Err(EtcdOptionsError::Endpoint { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn what_goes_together() {
    assert!(matches!(read(&["--etcd-cert", "a"]), Err(EtcdOptionsError::HalfIdentity)));
    assert!(matches!(read(&["--etcd-key", "a"]), Err(EtcdOptionsError::HalfIdentity)));
    assert!(matches!(read(&["--etcd-user", "a"]), Err(EtcdOptionsError::NoPassword)));
    assert!(matches!(read(&["--etcd-password-file", "a"]), Err(EtcdOptionsError::NoUser)));
    let all =
        ["--etcd-cert", "a", "--etcd-key", "b", "--etcd-user", "c", "--etcd-password-file", "d"];
    let etcd = read(&all).expect("all of them");
    assert!(etcd.config.tls.identity.is_some() && etcd.config.login.is_some());
}

#[test]
fn prefixes_are_normalized_or_rejected() {
    for (given, upstream) in [("/firehose", "/firehose/upstream/"), ("/a/b/", "/a/b/upstream/")] {
        assert_eq!(read(&["--prefix", given]).expect("a prefix").upstream_prefix(), upstream);
    }
    for wrong in ["", "/", "firehose", "/a b", "/a;b", "/a$b", "/a\nb"] {
        assert!(Flags::try_parse_from(["x", "--prefix", wrong]).is_err(), "{wrong:?}");
    }
}
