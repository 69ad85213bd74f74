//! What a connection to an `https://` endpoint is verified by, and what it shows.

use std::time::Duration;

use etcd_client::{Certificate, Identity as PemIdentity, TlsOptions};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};

use crate::cluster::{Identity, Tls};
use crate::files::{Files, LARGE, SMALL, file_trouble, read};
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// Reads the files. What is wrong with one is found here, where it can be named: the connection would only say that it cannot be made.
pub(crate) async fn options(tls: &Tls, files: &dyn Files, timeout: Duration) -> Result<TlsOptions, Trouble> {
    // The timeout of the connection is that of TCP alone.
    let mut options = TlsOptions::new().timeout(timeout);
    options = match &tls.trusted_certificate {
        Some(file) => {
            let pem = read(files, TRUSTED, file, LARGE).await?;
            check_authorities(&pem).map_err(|what| file_trouble(TRUSTED, file, what))?;
            options.ca_certificate(Certificate::from_pem(pem))
        }
        None => options.with_enabled_roots(),
    };
    if let Some(name) = &tls.name {
        if ServerName::try_from(name.as_str()).is_err() {
            let reason =
                format!("ssl_name \"{name}\" is no host name: name one that etcd's certificate is for");
            return Err(Trouble::refused(Cause::Unreachable, Kind::File, &reason));
        }
        options = options.domain_name(name);
    }
    if let Some(identity) = &tls.identity {
        options = options.identity(pem_identity(identity, files).await?);
    }
    Ok(options)
}

/// The directive that names the authorities' certificates.
const TRUSTED: &str = "ssl_trusted_certificate";

/// The directive that names the client's certificate.
const CERTIFICATE: &str = "ssl_certificate";

/// The directive that names the client's key.
const KEY: &str = "ssl_certificate_key";

fn check_authorities(pem: &[u8]) -> Result<(), &'static str> {
    let certificates = certificates(pem)?;
    let (valid, _) = RootCertStore::empty().add_parsable_certificates(certificates);
    if valid == 0 { Err("has no certificate that can be read: name a file in PEM") } else { Ok(()) }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err("has no \"-----BEGIN CERTIFICATE-----\" in it: name a file in PEM")
        }
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("is damaged: name a file in PEM"),
    }
}

async fn pem_identity(identity: &Identity, files: &dyn Files) -> Result<PemIdentity, Trouble> {
    let certificate = read(files, CERTIFICATE, &identity.certificate, SMALL).await?;
    let key = read(files, KEY, &identity.key, SMALL).await?;
    let chain =
        certificates(&certificate).map_err(|what| file_trouble(CERTIFICATE, &identity.certificate, what))?;
    // The error is not passed on: it may quote the file.
    let private = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
        file_trouble(
            KEY,
            &identity.key,
            "has no key in it that can be read: name one in PEM without a password",
        )
    })?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| {
        let (directive, file, what) = match error {
            Error::InconsistentKeys(_) => (
                KEY,
                &identity.key,
                format!(
                    "does not fit ssl_certificate \"{}\": name both of one pair",
                    identity.certificate.display()
                ),
            ),
            Error::InvalidCertificate(_) => (
                CERTIFICATE,
                &identity.certificate,
                "is no certificate that can be read: make it anew".to_owned(),
            ),
            _ => {
                (KEY, &identity.key, "is a key of an unknown kind: make it anew, as ECDSA or RSA".to_owned())
            }
        };
        file_trouble(directive, file, &what)
    })?;
    Ok(PemIdentity::from_pem(certificate, key))
}
