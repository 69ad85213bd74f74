//! What a connection to an `https://` endpoint is verified by, and what it shows.

#[cfg(test)]
mod tests;

use etcd_client::{Certificate, Identity as PemIdentity, TlsOptions};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore};

use crate::cluster::{ClusterConfig, Identity};
use crate::files::{Files, LARGE, SMALL, file_trouble, read};
use crate::setting_names::SettingNames;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// Reads the files. What is wrong with one is found here, where it can be named: the connection
/// would only say that it cannot be made.
pub(crate) async fn options(
    config: &ClusterConfig,
    files: &dyn Files,
) -> Result<TlsOptions, Trouble> {
    let (tls, names) = (&config.tls, &config.setting_names);
    // The timeout of the connection is that of TCP alone.
    let mut options = TlsOptions::new().timeout(config.connect_timeout);
    options = match &tls.trusted_certificate {
        Some(file) => {
            let pem = read(files, names, names.trusted_certificate, file, LARGE).await?;
            check_authorities(&pem)
                .map_err(|what| file_trouble(names.trusted_certificate, file, what))?;
            options.ca_certificate(Certificate::from_pem(pem))
        }
        None => options.with_enabled_roots(),
    };
    if let Some(name) = &tls.name {
        if ServerName::try_from(name.as_str()).is_err() {
            let reason = format!(
                "{} \"{name}\" is not a host name: set a name that etcd's certificate is for",
                names.server_name
            );
            return Err(Trouble::refused(Cause::Unreachable, Kind::File, &reason));
        }
        options = options.domain_name(name);
    }
    if let Some(identity) = &tls.identity {
        options = options.identity(pem_identity(identity, names, files).await?);
    }
    Ok(options)
}

fn check_authorities(pem: &[u8]) -> Result<(), &'static str> {
    let certificates = certificates(pem)?;
    let (valid, _) = RootCertStore::empty().add_parsable_certificates(certificates);
    if valid == 0 {
        Err("contains no certificate that can be parsed: set a PEM file")
    } else {
        Ok(())
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err("contains no \"-----BEGIN CERTIFICATE-----\": set a PEM file")
        }
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("is not valid PEM: set a PEM file"),
    }
}

async fn pem_identity(
    identity: &Identity,
    names: &SettingNames,
    files: &dyn Files,
) -> Result<PemIdentity, Trouble> {
    let certificate = read(files, names, names.certificate, &identity.certificate, SMALL).await?;
    let key = read(files, names, names.certificate_key, &identity.key, SMALL).await?;
    let chain = certificates(&certificate)
        .map_err(|what| file_trouble(names.certificate, &identity.certificate, what))?;
    // The error is not passed on: it may quote the file.
    let private = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
        file_trouble(
            names.certificate_key,
            &identity.key,
            "contains no private key that can be parsed: set a PEM file without a passphrase",
        )
    })?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| {
        let (setting, file, what) = match error {
            Error::InconsistentKeys(_) => (
                names.certificate_key,
                &identity.key,
                format!(
                    "does not match {} \"{}\": set the key of that certificate",
                    names.certificate,
                    identity.certificate.display()
                ),
            ),
            Error::InvalidCertificate(_) => (
                names.certificate,
                &identity.certificate,
                "is not a valid certificate: create it again".to_owned(),
            ),
            _ => (
                names.certificate_key,
                &identity.key,
                "is a key of an unsupported type: create an ECDSA or RSA key".to_owned(),
            ),
        };
        file_trouble(setting, file, &what)
    })?;
    Ok(PemIdentity::from_pem(certificate, key))
}
