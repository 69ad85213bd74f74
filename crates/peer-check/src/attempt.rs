//! One check of one peer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::bodies::Bodies;
use crate::config::{CheckConfig, CheckKind, LONGEST, SHORTEST};
use crate::exchange::Exchange;
use crate::failure::{Failure, Fault};
use crate::heard::Heard;
use crate::page::Page;
use crate::peer::Address;
use crate::talk::{talk, unexpected};
use crate::tls::Tls;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CheckOutcome {
    Passed,
    Failed(Failure),
    /// For a lack of this machine's own.
    NotMade,
}

/// What all attempts have in common.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    timeout: Duration,
    what: Arc<What>,
    bodies: Bodies,
}

/// What one attempt is.
#[derive(Debug)]
struct What {
    /// Why there is no TLS, where it cannot be.
    tls: Option<Result<Tls, String>>,
    question: Question,
}

/// What a peer that is connected is asked.
#[derive(Debug)]
enum Question {
    Nothing,
    Page(Page),
    Exchange(Exchange),
}

impl Attempts {
    pub(crate) fn new(config: &CheckConfig) -> Self {
        let exchange = |exchange: &Option<Exchange>| {
            exchange.clone().map_or(Question::Nothing, Question::Exchange)
        };
        let what = match &config.kind {
            CheckKind::Tcp { exchange: given } => What { tls: None, question: exchange(given) },
            CheckKind::Tls { name, exchange: given } => {
                What { tls: Some(Tls::new(name.as_deref())), question: exchange(given) }
            }
            CheckKind::Http { method, uri, host, status } => {
                let page = Page::new(*method, uri, host.as_deref(), status);
                What { tls: None, question: Question::Page(page) }
            }
        };
        let timeout = config.timeout.clamp(SHORTEST, LONGEST);
        Self { timeout, what: Arc::new(what), bodies: Bodies::new(timeout) }
    }

    /// One check of `target`.
    pub(crate) fn make(
        &self,
        target: &Address,
    ) -> impl Future<Output = CheckOutcome> + Send + use<> {
        let (this, target) = (self.clone(), target.clone());
        async move {
            let mut heard = Heard::default();
            match timeout(this.timeout, this.attempt(&target, &mut heard)).await {
                Ok(Ok(())) => CheckOutcome::Passed,
                Ok(Err(Trouble::Peer(failure))) => CheckOutcome::Failed(failure),
                Ok(Err(Trouble::Here)) => CheckOutcome::NotMade,
                Err(_) => CheckOutcome::Failed(unexpected(&heard).unwrap_or_else(|| {
                    let reason = format!("timed out after {:?}", this.timeout);
                    Failure::new(Fault::TimedOut, reason)
                })),
            }
        }
    }

    async fn attempt(&self, target: &Address, heard: &mut Heard) -> Result<(), Trouble> {
        match target {
            Address::Ip(address) => {
                let stream = TcpStream::connect(address).await.map_err(not_connected)?;
                self.secure(target, stream, heard).await
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(not_connected)?;
                self.secure(target, stream, heard).await
            }
        }
    }

    async fn secure<S>(&self, target: &Address, stream: S, heard: &mut Heard) -> Result<(), Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match &self.what.tls {
            None => self.ask(target, stream, heard).await,
            Some(tls) => {
                let tls = tls.as_ref().map_err(|reason| Failure::new(Fault::Other, reason))?;
                let stream = tls.handshake(stream).await?;
                self.ask(target, stream, heard).await
            }
        }
    }

    async fn ask<S>(
        &self,
        target: &Address,
        mut stream: S,
        heard: &mut Heard,
    ) -> Result<(), Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match &self.what.question {
            // Nothing was sent: there is nothing to wait for.
            Question::Nothing if self.what.tls.is_none() => {}
            Question::Nothing => self.bodies.part(stream),
            Question::Exchange(exchange) => {
                talk(exchange, &mut stream, heard).await?;
                self.bodies.part(stream);
            }
            Question::Page(page) => {
                let status = page.ask(target, &mut stream).await?;
                self.bodies.drain(stream);
                if !page.is_good(status) {
                    return Err(Failure::of_status(status).into());
                }
            }
        }
        Ok(())
    }
}

/// Why a check did not pass.
enum Trouble {
    Peer(Failure),
    /// This machine lacks what it takes to make a check.
    Here,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Peer(failure)
    }
}

fn not_connected(error: io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL) => {
            Trouble::Here
        }
        _ => Trouble::Peer(Failure::of_system(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_this_machine_is_not_the_peer_s_failure() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL] {
            assert!(
                matches!(not_connected(io::Error::from_raw_os_error(code)), Trouble::Here),
                "{code}"
            );
        }
        for (code, expected) in [
            (libc::ECONNREFUSED, "connection refused"),
            (libc::ECONNRESET, "connection reset"),
            (libc::ETIMEDOUT, "connection timed out"),
            (libc::EHOSTUNREACH, "No route to host (os error 113)"),
        ] {
            match not_connected(io::Error::from_raw_os_error(code)) {
                Trouble::Peer(Failure { fault, reason }) => {
                    assert_eq!((fault, &*reason), (Fault::System(code), expected));
                }
                Trouble::Here => panic!("{expected} is of the peer"),
            }
        }
    }
}
