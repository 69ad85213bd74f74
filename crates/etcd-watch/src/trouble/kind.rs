//! What kind of trouble an error stands for: who is to do what about it.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use etcd_client::Error;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// A kind of trouble, by what mends it.
///
/// The order is that of what is most worth telling, from the least, where the endpoints of a
/// cluster fail each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The connection or the stream ended.
    Broken,
    /// An answer makes no sense.
    Nonsense,
    /// Nobody listens.
    ConnectionRefused,
    /// An answer is late.
    Late,
    /// Answers come, and bring too little.
    Slow,
    /// The host cannot be resolved.
    NameUnresolved,
    /// What listens there ends the connection, or speaks no HTTP/2.
    NoHttp2,
    /// Any other.
    Other,
    /// The member does not reach its quorum.
    NoQuorum,
    /// What answers speaks HTTP, and not gRPC.
    NotEtcd,
    /// The revisions that are still to come are compacted.
    Compacted,
    /// There is more than is taken.
    TooMany,
    /// The endpoint speaks no TLS.
    NoTls,
    /// The endpoint's certificate is not signed by an authority that is trusted.
    UntrustedCertificate,
    /// The endpoint's certificate has expired.
    ExpiredCertificate,
    /// The endpoint's certificate is not valid yet.
    FutureCertificate,
    /// The endpoint's certificate is for another name.
    OtherName,
    /// The endpoint's certificate is not taken for another reason.
    BadCertificate,
    /// The endpoint does not take what this side shows, or that it shows nothing.
    ClientCertificate,
    /// A file is missing, or is not what it should be.
    File,
    /// A user is given, and authentication is not enabled.
    NoAuthentication,
    /// The token is void: it has expired, or etcd has forgotten it.
    TokenVoid,
    /// A user must log in, and there was no token.
    UserWanted,
    /// The user may not read the keys.
    PermissionDenied,
    /// User or password are wrong.
    LoginFailed,
}

/// What etcd says (its package `rpctypes`; the last two come from its packages `auth` and `mvcc` as
/// they are, where a version does not translate them), as parts of a status's message and of a
/// watch's `cancel_reason`.
const SAID: [(&str, Kind); 14] = [
    ("authentication failed, invalid user ID or password", Kind::LoginFailed),
    ("etcdserver: permission denied", Kind::PermissionDenied),
    ("etcdserver: user name is empty", Kind::UserWanted),
    ("etcdserver: user name not found", Kind::LoginFailed),
    ("etcdserver: invalid auth token", Kind::TokenVoid),
    ("revision of auth store is old", Kind::TokenVoid),
    ("authentication is not enabled", Kind::NoAuthentication),
    ("etcdserver: no leader", Kind::NoQuorum),
    ("etcdserver: not leader", Kind::NoQuorum),
    ("etcdserver: leader changed", Kind::NoQuorum),
    ("etcdserver: request timed out", Kind::NoQuorum),
    ("etcdserver: unhealthy cluster", Kind::NoQuorum),
    ("auth: revision in header is old", Kind::TokenVoid),
    ("required revision has been compacted", Kind::Compacted),
];

impl Kind {
    /// The kind of what etcd said.
    pub(crate) fn of_message(message: &str) -> Option<Self> {
        SAID.iter().find(|(part, _)| message.contains(part)).map(|(_, kind)| *kind)
    }

    /// The kind of a call's error.
    pub(crate) fn of(error: &Error) -> Self {
        if let Error::GRpcStatus(status) = error
            && let Some(kind) = Self::of_message(status.message())
        {
            return kind;
        }
        let mut source = source(error);
        while let Some(error) = source {
            if let Some(kind) = Self::of_part(error) {
                return kind;
            }
            source = error.source();
        }
        Self::of_text(&describe(error)).unwrap_or(Self::Other)
    }

    fn of_part(error: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<TlsError>() {
            return Some(Self::of_tls(error));
        }
        let error = error.downcast_ref::<io::Error>()?;
        match error.kind() {
            ErrorKind::ConnectionRefused => return Some(Self::ConnectionRefused),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => return Some(Self::Broken),
            _ => {}
        }
        // The source of such an error is that of what it wraps, which would be passed over.
        error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()).map(Self::of_tls)
    }

    fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(error) => match error {
                // What an authority unknown to this side signed with a name that is known.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::UntrustedCertificate
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::ExpiredCertificate
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::FutureCertificate
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                _ => Self::BadCertificate,
            },
            TlsError::AlertReceived(
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::HandshakeFailure,
            ) => Self::ClientCertificate,
            TlsError::InvalidMessage(_) => Self::NoTls,
            _ => Self::Other,
        }
    }

    /// What an error's text tells where its type is lost: HTTP/2 keeps the words alone of what goes
    /// wrong below it.
    fn of_text(text: &str) -> Option<Self> {
        const CERTIFICATE_ALERTS: [&str; 8] = [
            "BadCertificate",
            "UnsupportedCertificate",
            "CertificateRevoked",
            "CertificateExpired",
            "CertificateUnknown",
            "CertificateRequired",
            "UnknownCA",
            "HandshakeFailure",
        ];
        const CLOSED: [&str; 3] =
            ["frame with invalid size", "closed because of a broken pipe", "tls handshake eof"];
        const BROKEN: [&str; 3] =
            ["error reading a body from connection", "connection reset", "stream closed"];
        let alert = text.split_once("received fatal alert: ").map(|(_, alert)| alert);
        if alert.is_some_and(|alert| CERTIFICATE_ALERTS.iter().any(|name| alert.starts_with(name)))
        {
            Some(Self::ClientCertificate)
        } else if text.contains("grpc-status header missing") {
            Some(Self::NotEtcd)
        } else if text.contains("dns error") {
            Some(Self::NameUnresolved)
        } else if CLOSED.iter().any(|part| text.contains(part)) {
            Some(Self::NoHttp2)
        } else if BROKEN.iter().any(|part| text.contains(part)) {
            Some(Self::Broken)
        } else {
            None
        }
    }

    /// Whether a new login may mend it.
    pub(crate) fn asks_for_login(self) -> bool {
        matches!(self, Self::TokenVoid | Self::UserWanted)
    }

    /// Whether it is one of the ways in which an etcd that is away can show.
    pub(crate) fn is_away(self) -> bool {
        self <= Self::NoQuorum
    }
}

fn source(error: &Error) -> Option<&(dyn StdError + 'static)> {
    match error {
        Error::GRpcStatus(status) => status.source(),
        Error::TransportError(error) => error.source(),
        Error::IoError(error) => Some(error),
        _ => None,
    }
}

/// The message and what lies at the root of it: tonic's own is often no more than "transport
/// error".
pub(super) fn describe(error: &Error) -> String {
    let message = match error {
        // The display of a status adds the response's metadata, which is not for a log.
        Error::GRpcStatus(status) => status.message().to_owned(),
        Error::TransportError(error) => error.to_string(),
        other => other.to_string(),
    };
    let mut source = source(error);
    let mut root = None;
    while let Some(error) = source {
        root = Some(error.to_string());
        source = error.source();
    }
    match root {
        Some(root) if message.is_empty() => root,
        Some(root) if !message.contains(&root) => format!("{message}: {root}"),
        _ if message.is_empty() => "no reason given".to_owned(),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use etcd_client::Error;
    use rustls::{AlertDescription, CertificateError, Error as TlsError};
    use tonic::Status;

    use super::{Kind, describe};

    fn wrapped(error: TlsError) -> Error {
        Error::GRpcStatus(Status::from_error(Box::new(std::io::Error::other(error))))
    }

    #[test]
    fn of_what_etcd_says() {
        for (message, kind) in [
            ("etcdserver: authentication failed, invalid user ID or password", Kind::LoginFailed),
            (
                "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
                Kind::PermissionDenied,
            ),
            ("etcdserver: user name is empty", Kind::UserWanted),
            ("etcdserver: invalid auth token", Kind::TokenVoid),
            ("auth: revision in header is old", Kind::TokenVoid),
            ("etcdserver: authentication is not enabled", Kind::NoAuthentication),
            ("etcdserver: request timed out, possibly due to connection lost", Kind::NoQuorum),
        ] {
            assert_eq!(Kind::of_message(message), Some(kind));
            assert_eq!(Kind::of(&Error::GRpcStatus(Status::unknown(message))), kind);
        }
        assert_eq!(Kind::of_message("etcdserver: too many requests"), None);
    }

    #[test]
    fn errors_of_tls_have_kinds() {
        for (error, kind) in [
            (
                TlsError::InvalidCertificate(CertificateError::UnknownIssuer),
                Kind::UntrustedCertificate,
            ),
            (TlsError::InvalidCertificate(CertificateError::Expired), Kind::ExpiredCertificate),
            (TlsError::InvalidCertificate(CertificateError::NotValidYet), Kind::FutureCertificate),
            (TlsError::InvalidCertificate(CertificateError::NotValidForName), Kind::OtherName),
            (TlsError::InvalidCertificate(CertificateError::Revoked), Kind::BadCertificate),
            (
                TlsError::AlertReceived(AlertDescription::CertificateRequired),
                Kind::ClientCertificate,
            ),
            (TlsError::AlertReceived(AlertDescription::InternalError), Kind::Other),
        ] {
            assert_eq!(Kind::of(&wrapped(error.clone())), kind, "{error}");
        }
        let lost = Error::GRpcStatus(Status::unknown(
            "h2 protocol error: received fatal alert: BadCertificate",
        ));
        assert_eq!(Kind::of(&lost), Kind::ClientCertificate);
    }

    #[test]
    fn of_what_http_2_says() {
        for (message, kind) in [
            (
                "h2 protocol error: error reading a body from connection: connection reset",
                Kind::Broken,
            ),
            ("grpc-status header missing, mapped from HTTP status code 404", Kind::NotEtcd),
        ] {
            assert_eq!(Kind::of(&Error::GRpcStatus(Status::unknown(message))), kind);
        }
        for (kind, expected) in [
            (std::io::ErrorKind::ConnectionReset, Kind::Broken),
            (std::io::ErrorKind::ConnectionRefused, Kind::ConnectionRefused),
        ] {
            let status = Status::from_error(Box::new(std::io::Error::from(kind)));
            assert_eq!(Kind::of(&Error::GRpcStatus(status)), expected);
        }
    }

    #[test]
    fn the_root_is_told() {
        let error = std::io::Error::other(std::io::Error::other("the root"));
        let status = Status::from_error(Box::new(error));
        assert!(describe(&Error::GRpcStatus(status)).contains("the root"));
        assert_eq!(describe(&Error::GRpcStatus(Status::unknown(""))), "no reason given");
    }
}
