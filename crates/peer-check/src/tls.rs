//! TLS with a peer that is checked.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, InvalidMessage, SignatureScheme,
};

use crate::failure::{Failure, Fault};

/// Whether a handshake can have this name in its SNI: a host name in ASCII, not an address.
#[must_use]
pub fn is_tls_name(name: &str) -> bool {
    matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)))
}

/// How handshakes are made.
#[derive(Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// With this name in the SNI, or without one.
    ///
    /// # Errors
    ///
    /// Where the name is none.
    pub(crate) fn new(name: Option<&str>) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(schemes)))
            .with_no_client_auth();
        // Each check is a whole handshake.
        config.resumption = Resumption::disabled();
        config.enable_sni = name.is_some();
        let name = match name {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(|e| e.to_string())?,
            // It is neither sent nor compared with the certificate.
            None => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        Ok(Self { config: Arc::new(config), name })
    }

    /// Makes a connection a TLS one.
    pub(crate) async fn handshake<S>(&self, stream: S) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.name.clone(), stream).await.map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                Failure::new(Fault::Closed, "connection closed during the TLS handshake")
            } else {
                failure(&error)
            }
        })
    }
}

/// The failure of a TLS connection: TLS's own, or the system's.
pub(crate) fn failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            Failure::new(Fault::Tls, "TLS failed: the peer does not speak TLS")
        }
        Some(error) => Failure::new(Fault::Tls, format!("TLS failed: {error}")),
        None => Failure::of_system(error),
    }
}

/// Takes every certificate, as nginx does by default (`proxy_ssl_verify off`): a check says whether
/// a peer answers, and whom requests may trust is for them to say. Nothing secret is sent, and
/// nothing of the peer's is believed but that it passes.
#[derive(Debug)]
struct AnyCertificate(Vec<SignatureScheme>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Tls, is_tls_name};

    #[test]
    fn names_are_host_names() {
        for name in ["db.internal", "localhost", "a-b.example", "node_1.internal"] {
            assert!(is_tls_name(name) && Tls::new(Some(name)).is_ok(), "{name}");
        }
        for name in
            ["", "10.0.0.7", "2001:db8::1", "a b", "a:443", "é.example", "*.example", "a..b"]
        {
            assert!(!is_tls_name(name), "{name}");
        }
        assert!(Tls::new(None).is_ok());
    }
}
