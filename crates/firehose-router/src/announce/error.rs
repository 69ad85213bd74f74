//! What keeps a node from being announced.

use std::io;

use thiserror::Error;
use upstream_peers::ValueError;

use super::{check::CheckError, docker::DockerError};
use crate::etcd::EtcdOptionsError;

/// A mistake in the options, or a lack of this host's.
#[derive(Debug, Error)]
pub(super) enum AnnounceError {
    #[error("{0}")]
    Options(#[from] EtcdOptionsError),
    #[error("{0}")]
    Check(#[from] CheckError),
    #[error("{0}")]
    Docker(#[from] DockerError),
    #[error("--addr or --container is required")]
    NoAddress,
    #[error("--addr \"{0}\" has no port: HOST:PORT is required")]
    NoPort(String),
    #[error("invalid value \"{0}\", made of --addr and --value: {1}")]
    Value(String, ValueError),
    #[error("signal handlers cannot be installed: {0}")]
    Signals(io::Error),
    #[error("the options could not be read: {0}")]
    Stopped(tokio::task::JoinError),
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{AnnounceError, CheckError, DockerError};

    #[test]
    fn messages_are_worded_so() {
        let (url, name) = ("tcp://docker:2375".to_owned(), "firehose-01".to_owned());
        let refused = || io::ErrorKind::ConnectionRefused.into();
        let errors: [(AnnounceError, &str); 16] = [
            (AnnounceError::NoAddress, "--addr or --container is required"),
            (
                AnnounceError::NoPort("node".to_owned()),
                "--addr \"node\" has no port: HOST:PORT is required",
            ),
            (
                AnnounceError::Signals(refused()),
                "signal handlers cannot be installed: connection refused",
            ),
            (
                CheckError::Unknown("icmp".to_owned()).into(),
                "invalid --check \"icmp\": it must be \"tcp\", \"tls\", \"send=TEXT \
                 expect=TEXT\", \"none\" or a URL that begins with \"http://\"",
            ),
            (
                CheckError::Connection {
                    given: "tcp name=a".to_owned(),
                    error: peer_check::WrittenError::NameWithoutTls,
                }
                .into(),
                "invalid --check \"tcp name=a\": \"name\" cannot be used without \"tls\"",
            ),
            (
                CheckError::NoUrl("tcp".to_owned()).into(),
                "--check-method requires a URL in --check, which is \"tcp\"",
            ),
            (
                DockerError::Url("ssh://host".to_owned()).into(),
                "DOCKER_HOST \"ssh://host\" is neither unix:///PATH nor tcp://HOST:PORT",
            ),
            (
                DockerError::Io(url.clone(), refused()).into(),
                "Docker does not answer at tcp://docker:2375: connection refused",
            ),
            (
                DockerError::Late(url).into(),
                "Docker does not answer at tcp://docker:2375 within 5 s",
            ),
            (
                DockerError::Name("a/b".to_owned()).into(),
                "invalid name \"a/b\" in --container: only letters, digits, \"_\", \".\" and \"-\" \
                 are allowed",
            ),
            (
                DockerError::Answer("status 500".to_owned()).into(),
                "invalid response from Docker: status 500",
            ),
            (
                DockerError::NoContainer(name.clone()).into(),
                "there is no container \"firehose-01\"",
            ),
            (
                DockerError::NotRunning(name.clone()).into(),
                "the container \"firehose-01\" is not running",
            ),
            (
                DockerError::Restarting(name.clone()).into(),
                "Docker reports that the container \"firehose-01\" is being restarted",
            ),
            (
                DockerError::NoAddress(name, 7474).into(),
                "Docker reports that the container \"firehose-01\" is running, but neither \
                 publishes its port 7474 nor has an address of its own",
            ),
            (
                AnnounceError::Value(
                    "node:80 wait=5".to_owned(),
                    upstream_peers::parse_server("key", b"node:80 wait=5").expect_err("an error"),
                ),
                "invalid value \"node:80 wait=5\", made of --addr and --value: unknown parameter \
                 \"wait=5\"",
            ),
        ];
        for (error, message) in errors {
            assert_eq!(error.to_string(), message);
        }
    }
}
