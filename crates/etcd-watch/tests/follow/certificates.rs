//! Certificates of the test's own, in files as etcd and a cluster's configuration name them.

use std::path::PathBuf;

use etcd_client::{Certificate as PemCertificate, Identity as PemIdentity, TlsOptions};
use etcd_watch::{Identity, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// A certificate and its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name, for both sides of a connection.
    pub fn sign(&self, name: &str) -> Pair {
        self.sign_for(name, 2000, 2100)
    }

    pub fn sign_expired(&self, name: &str) -> Pair {
        self.sign_for(name, 2000, 2001)
    }

    pub fn sign_future(&self, name: &str) -> Pair {
        self.sign_for(name, 2090, 2100)
    }

    fn sign_for(&self, name: &str, from: i32, until: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// A folder of certificates.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, whole at each moment.
    pub fn write(&self, name: &str, content: &str) {
        let new = self.path("new");
        std::fs::write(&new, content).expect("a file");
        std::fs::rename(new, self.path(name)).expect("a file");
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write_pair(&self, name: &str, pair: &Pair) {
        self.write(&format!("{name}.key"), &pair.key);
        self.write(&format!("{name}.pem"), &pair.certificate);
    }

    /// etcd's arguments: it shows `etcd.pem`, and takes who is signed by `clients.pem`. It reads
    /// the first one for each connection.
    pub fn arguments(&self) -> [String; 7] {
        let path = |name| self.path(name).display().to_string();
        [
            "--cert-file".to_owned(),
            path("etcd.pem"),
            "--key-file".to_owned(),
            path("etcd.key"),
            "--trusted-ca-file".to_owned(),
            path("clients.pem"),
            "--client-cert-auth".to_owned(),
        ]
    }

    /// A configuration with `authority.pem`, `router.pem` and `router.key`.
    pub fn tls(&self) -> Tls {
        Tls {
            trusted_certificate: Some(self.path("authority.pem")),
            identity: Some(Identity {
                certificate: self.path("router.pem"),
                key: self.path("router.key"),
            }),
            name: None,
        }
    }
}

/// The options of the test itself.
pub fn options(authority: &Authority) -> TlsOptions {
    let pair = authority.sign("test");
    TlsOptions::new()
        .ca_certificate(PemCertificate::from_pem(&authority.pem))
        .identity(PemIdentity::from_pem(pair.certificate, pair.key))
}
