//! What must succeed for the key to be there.

use std::{net::SocketAddr, time::Duration};

use nginx_syntax::quoted;
use peer_check::{
    Address, CheckConfig, CheckKind, CheckMethod, Probe, ProbeError, WrittenError, connection_check,
};
use thiserror::Error;
use tokio::net::lookup_host;
use upstream_peers::{SocketAddress, Target};

use super::{
    lookup::{Lookup, LookupError, NodeError},
    messages,
};

/// What is wrong with `--check` or `--check-method`.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum CheckError {
    #[error(
        "invalid --check {}: it must be \"tcp\", \"tls\", \"send=TEXT expect=TEXT\", \"none\" or a \
         URL that begins with \"http://\"",
        quoted(.0)
    )]
    Unknown(String),
    #[error("invalid --check {}: {error}", quoted(.given))]
    Connection { given: String, error: WrittenError },
    #[error("--check-method requires a URL in --check, which is \"{0}\"")]
    NoUrl(String),
}

/// A check.
pub(super) struct Check {
    /// None: the node is taken to answer.
    probe: Option<Probe>,
    /// Where, if not at the node's own address: `HOST:PORT`.
    elsewhere: Option<String>,
    timeout: Duration,
    /// Of the name that was asked for last.
    names: Names,
}

/// The name servers, and a name.
struct Names {
    name: String,
    lookup: Lookup<SocketAddr>,
}

impl Check {
    /// Reads `--check` and `--check-method`.
    ///
    /// # Errors
    ///
    /// Where it is none, or has a method and asks for nothing.
    pub(super) fn new(
        given: &str,
        method: Option<CheckMethod>,
        timeout: Duration,
    ) -> Result<Self, CheckError> {
        let wrong = || CheckError::Unknown(given.to_owned());
        let probe = |kind| {
            let config = CheckConfig { kind, interval: timeout, timeout, fall: 1, rise: 1 };
            config.verify().map_err(|_| wrong())?;
            Ok(Some(Probe::new(&config)))
        };
        let Some(rest) = given.strip_prefix("http://") else {
            let kind = if given == "none" { None } else { Some(connection(given)?) };
            return match (method, kind) {
                (Some(_), _) => Err(CheckError::NoUrl(given.to_owned())),
                (None, None) => Ok(Self::of(None, None, timeout)),
                (None, Some(kind)) => Ok(Self::of(probe(kind)?, None, timeout)),
            };
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let uri = if path.is_empty() { "/" } else { path }.to_owned();
        let host = (!authority.is_empty()).then(|| authority.to_owned());
        let elsewhere = host.clone().map(|host| {
            let has_port = host.rfind(':').is_some_and(|colon| host[colon..].find(']').is_none());
            if has_port { host } else { format!("{host}:80") }
        });
        let status = "200-399".parse().map_err(|_| wrong())?;
        let method = method.unwrap_or_default();
        Ok(Self::of(probe(CheckKind::Http { method, uri, host, status })?, elsewhere, timeout))
    }

    fn of(probe: Option<Probe>, elsewhere: Option<String>, timeout: Duration) -> Self {
        Self { probe, elsewhere, timeout, names: Names::new("") }
    }

    /// Checks once.
    ///
    /// # Errors
    ///
    /// Why it did not pass, in one line.
    pub(super) async fn make(&mut self, node: &Target) -> Result<(), NodeError> {
        let Some(probe) = &self.probe else { return Ok(()) };
        let target = match (&self.elsewhere, node) {
            (Some(elsewhere), _) => Address::Ip(self.names.resolve(elsewhere, self.timeout).await?),
            (None, Target::Name { host, port }) => {
                Address::Ip(self.names.resolve(&format!("{host}:{port}"), self.timeout).await?)
            }
            (None, Target::Address(SocketAddress::Ip(address))) => Address::Ip(*address),
            (None, Target::Address(SocketAddress::Unix(path))) => Address::Unix(path.into()),
        };
        probe.check(&target).await.map_err(|error| match error {
            ProbeError::Failed(reason) => NodeError::Failed(reason),
            ProbeError::NotMade => NodeError::Unknown(messages::CHECK_NOT_MADE.to_owned()),
        })
    }
}

/// A check of a connection.
fn connection(given: &str) -> Result<CheckKind, CheckError> {
    connection_check(given).map_err(|error| match error {
        WrittenError::Unknown => CheckError::Unknown(given.to_owned()),
        error => CheckError::Connection { given: given.to_owned(), error },
    })
}

impl Names {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lookup: Lookup::new(format!("name resolution of {name}")) }
    }

    /// The address of a name. One that cannot be resolved keeps its last address, as it does in the
    /// router: whether the node is gone is for its check to say.
    async fn resolve(&mut self, name: &str, limit: Duration) -> Result<SocketAddr, NodeError> {
        if self.name != name {
            *self = Self::new(name);
        }
        let name = self.name.clone();
        self.lookup.run(limit, || look_up(name)).await
    }
}

async fn look_up(name: String) -> Result<SocketAddr, LookupError> {
    let failed = |reason: String| LookupError::NoAnswer(messages::not_resolved(&name, reason));
    match lookup_host(&name).await {
        Ok(mut addresses) => addresses.next().ok_or_else(|| failed("it has no address".to_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_check::CheckMethod;

    use super::{Check, CheckError};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_method_is_for_a_url() {
        for method in [CheckMethod::Get, CheckMethod::Head] {
            assert!(Check::new("http:///", Some(method), SECOND).is_ok());
            for given in ["tcp", "tls", "none", "send=PING expect=+PONG"] {
                let error = Check::new(given, Some(method), SECOND).map(|_| ());
                assert_eq!(error, Err(CheckError::NoUrl(given.to_owned())));
            }
        }
    }

    #[test]
    fn checks_are_read_or_rejected() {
        let check = |given| Check::new(given, None, SECOND).map(|check| check.elsewhere);
        for (given, elsewhere) in [
            ("tcp", None),
            ("tls", None),
            ("tls name=db.internal", None),
            ("send=PING expect=+PONG", None),
            ("tls send=PING\\r\\n expect=+PONG", None),
            ("none", None),
            ("http:///healthz", None),
            ("http://", None),
            ("http://node.internal/healthz", Some("node.internal:80")),
            ("http://127.0.0.1:7474/a?b=c", Some("127.0.0.1:7474")),
            ("http://[::1]/", Some("[::1]:80")),
            ("http://[::1]:81", Some("[::1]:81")),
        ] {
            assert_eq!(check(given), Ok(elsewhere.map(str::to_owned)), "{given}");
        }
        for given in ["", "udp", "https://node/", "healthz", "http://a/b c"] {
            assert_eq!(check(given), Err(CheckError::Unknown(given.to_owned())), "{given}");
        }
        for (given, reason) in [
            ("send=PING", "\"send\" cannot be used without \"expect\""),
            ("tcp name=a", "\"name\" cannot be used without \"tls\""),
            (
                "tls port=1",
                "invalid parameter \"port=1\", it must be \"name=\", \"send=\" or \"expect=\"",
            ),
        ] {
            let error = check(given).expect_err(given);
            assert_eq!(error.to_string(), format!("invalid --check \"{given}\": {reason}"));
        }
    }
}
