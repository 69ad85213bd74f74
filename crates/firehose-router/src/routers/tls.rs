//! TLS to routers.

use std::{path::Path, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::messages::quoted_path;

/// Makes a connection a TLS one. The router must have a certificate for `host` that an authority in
/// `cacert` has signed, or one that the system trusts.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    cacert: Option<&Path>,
) -> Result<TlsStream<TcpStream>, String> {
    let roots = match cacert {
        Some(file) => roots_of(file)?,
        None => system_roots()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.map_err(|error| format!("TLS: {error} (see --cacert)"))
}

fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let name = quoted_path(file);
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("--cacert {name} cannot be read: {error}"))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("--cacert {name} has no CA certificate"));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err("the system has no CA certificates: set --cacert".to_owned());
    }
    Ok(roots)
}
