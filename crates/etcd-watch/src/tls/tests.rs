//! What is said of each file that is wrong.

use std::collections::HashMap;
use std::future::ready;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::options;
use crate::cluster::{ClusterConfig, Identity, Tls};
use crate::files::{Files, ReadFile};
use crate::setting_names::SettingNames;

/// What is in each file.
struct Disk(HashMap<&'static str, String>);

impl Files for Disk {
    fn read(&self, file: &Path) -> ReadFile {
        let content = file.to_str().and_then(|name| self.0.get(name)).cloned();
        Box::pin(ready(Ok(content.unwrap_or_default().into_bytes())))
    }
}

fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["router".to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}

/// A certificate in PEM that is none.
fn nonsense() -> String {
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()
}

async fn message(name: &str, files: &[(&'static str, &str)]) -> Option<String> {
    let (certificate, key) = pair();
    let mut disk =
        HashMap::from([("/ca.pem", certificate.clone()), ("/c.pem", certificate), ("/k.pem", key)]);
    disk.extend(files.iter().map(|&(file, content)| (file, content.to_owned())));
    let config = ClusterConfig {
        name: "main".to_owned(),
        endpoints: vec![],
        connect_timeout: Duration::from_secs(1),
        tls: Tls {
            trusted_certificate: Some("/ca.pem".into()),
            identity: Some(Identity { certificate: "/c.pem".into(), key: "/k.pem".into() }),
            name: Some(name.to_owned()),
        },
        login: None,
        setting_names: SettingNames::DIRECTIVES,
    };
    options(&config, &Disk(disk)).await.err().map(|trouble| trouble.said)
}

#[tokio::test]
async fn messages_are_worded_so() {
    let (nonsense, other_key) = (nonsense(), pair().1);
    for (name, files, expected) in [
        (
            "etcd",
            ("/ca.pem", "x"),
            "ssl_trusted_certificate \"/ca.pem\" contains no \"-----BEGIN CERTIFICATE-----\": set \
             a PEM file",
        ),
        (
            "etcd",
            ("/ca.pem", "-----BEGIN CERTIFICATE-----\n"),
            "ssl_trusted_certificate \"/ca.pem\" is not valid PEM: set a PEM file",
        ),
        (
            "etcd",
            ("/ca.pem", &*nonsense),
            "ssl_trusted_certificate \"/ca.pem\" contains no certificate that can be parsed: set a \
             PEM file",
        ),
        (
            "no host",
            ("/other", ""),
            "ssl_name \"no host\" is not a host name: set a name that etcd's certificate is for",
        ),
        (
            "etcd",
            ("/c.pem", "x"),
            "ssl_certificate \"/c.pem\" contains no \"-----BEGIN CERTIFICATE-----\": set a PEM \
             file",
        ),
        (
            "etcd",
            ("/c.pem", &nonsense),
            "ssl_certificate \"/c.pem\" is not a valid certificate: create it again",
        ),
        (
            "etcd",
            ("/k.pem", "x"),
            "ssl_certificate_key \"/k.pem\" contains no private key that can be parsed: set a PEM \
             file without a passphrase",
        ),
        (
            "etcd",
            ("/k.pem", &other_key),
            "ssl_certificate_key \"/k.pem\" does not match ssl_certificate \"/c.pem\": set the key \
             of that certificate",
        ),
        (
            "etcd",
            ("/k.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "ssl_certificate_key \"/k.pem\" is a key of an unsupported type: create an ECDSA or \
             RSA key",
        ),
    ] {
        assert_eq!(message(name, &[files]).await.as_deref(), Some(expected));
    }
    assert_eq!(message("etcd", &[]).await, None);
}
