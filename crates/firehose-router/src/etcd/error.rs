//! What is wrong with the flags of etcd.

use etcd_watch::EndpointError;
use thiserror::Error;

/// Why the flags name no etcd.
#[derive(Debug, Error)]
pub(crate) enum EtcdOptionsError {
    #[error("etcd endpoint \"{url}\" {error}")]
    Endpoint { url: String, error: EndpointError },
    #[error("--etcd-cert and --etcd-key (ETCD_CERT, ETCD_KEY) must both be set")]
    HalfIdentity,
    #[error("--etcd-user (ETCD_USER) needs a password: set --etcd-password-file or ETCD_PASSWORD")]
    NoPassword,
    #[error("a password is set, but --etcd-user (ETCD_USER) is not")]
    NoUser,
    #[error("the value of {0} is not valid UTF-8")]
    NotUtf8(&'static str),
    #[error(
        "ETCD_IP (--etcd-ip) is \"{ip}\", but ETCD_PORT (--etcd-port) is \"tcp://{linked}\" (set \
         by Docker links or Kubernetes), which is another host: set ETCD_ENDPOINTS instead of both"
    )]
    TwoPlaces { ip: String, linked: String },
}

#[cfg(test)]
mod tests {
    use etcd_watch::check_endpoint;

    use super::EtcdOptionsError;

    #[test]
    fn messages_are_worded_so() {
        let endpoint = |url: &str| EtcdOptionsError::Endpoint {
            url: url.to_owned(),
            error: check_endpoint(url).expect_err("an error"),
        };
        for (error, expected) in [
            (
                endpoint("ftp://a"),
                "etcd endpoint \"ftp://a\" must begin with \"http://\" or \"https://\"",
            ),
            (endpoint("http://"), "etcd endpoint \"http://\" has no host"),
            (endpoint("http://a:port"), "etcd endpoint \"http://a:port\" has an invalid port"),
            (
                endpoint("http://u:p@a"),
                "etcd endpoint \"http://u:p@a\" must not contain a user name or a password",
            ),
            (
                endpoint("http://a/b"),
                "etcd endpoint \"http://a/b\" must not have a path other than \"/\"",
            ),
            (
                EtcdOptionsError::HalfIdentity,
                "--etcd-cert and --etcd-key (ETCD_CERT, ETCD_KEY) must both be set",
            ),
            (
                EtcdOptionsError::NoPassword,
                "--etcd-user (ETCD_USER) needs a password: set --etcd-password-file or \
                 ETCD_PASSWORD",
            ),
            (EtcdOptionsError::NoUser, "a password is set, but --etcd-user (ETCD_USER) is not"),
            (
                EtcdOptionsError::NotUtf8("ETCD_PASSWORD"),
                "the value of ETCD_PASSWORD is not valid UTF-8",
            ),
            (
                EtcdOptionsError::TwoPlaces { ip: "a".to_owned(), linked: "b:1".to_owned() },
                "ETCD_IP (--etcd-ip) is \"a\", but ETCD_PORT (--etcd-port) is \"tcp://b:1\" (set \
                 by Docker links or Kubernetes), which is another host: set ETCD_ENDPOINTS instead \
                 of both",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
