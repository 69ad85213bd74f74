//! Lookups of the node's address, at Docker and at name servers. While these do not answer, their
//! last answer counts.

use std::{fmt::Display, pin::Pin, time::Duration};

use thiserror::Error;
use tokio::time::timeout;

use super::messages;

/// Why the node has not passed a check, in one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum NodeError {
    /// The node has failed its check.
    #[error("{0}")]
    Failed(String),
    /// The node is not there any more, as Docker says.
    #[error("{0}")]
    Gone(String),
    /// Nothing has been learned about the node: a lookup has no answer, or the check could not be
    /// made.
    #[error("{0}")]
    Unknown(String),
}

/// Why a lookup has no address, in one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    /// The answer is that there is no node: earlier answers hold no more.
    Gone(String),
    /// There is no answer, or none that can be used.
    NoAnswer(String),
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, LookupError>> + Send>>;

/// A lookup that is made again and again, with its last answer.
pub(super) struct Lookup<T> {
    /// As log lines call it.
    name: String,
    /// The lookup under way. It goes on where a check has waited for long enough: the answer may be
    /// there at the next one.
    pending: Option<Pending<T>>,
    last: Option<T>,
    is_failing: bool,
}

impl<T: Clone + Display> Lookup<T> {
    /// One without an answer, which log lines call `name`.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), pending: None, last: None, is_failing: false }
    }

    /// The last answer.
    pub(super) fn last(&self) -> Option<&T> {
        self.last.as_ref()
    }

    /// Makes the lookup that `start` starts, unless one is under way. Where there is no answer
    /// within `limit`, the last one is returned.
    ///
    /// # Errors
    ///
    /// Where the answer is that the node is gone, or there has never been one.
    pub(super) async fn run<F>(
        &mut self,
        limit: Duration,
        start: impl FnOnce() -> F,
    ) -> Result<T, NodeError>
    where
        F: Future<Output = Result<T, LookupError>> + Send + 'static,
    {
        let pending = self.pending.get_or_insert_with(|| Box::pin(start()));
        let answer = match timeout(limit, pending).await {
            Ok(answer) => {
                self.pending = None;
                answer
            }
            Err(_) => Err(LookupError::NoAnswer(messages::no_answer_within(&self.name, limit))),
        };
        let is_failing = matches!(answer, Err(LookupError::NoAnswer(_)));
        let was_failing =
            std::mem::replace(&mut self.is_failing, is_failing && self.last.is_some());
        if was_failing && !is_failing {
            tracing::info!("{}", messages::answers_again(&self.name));
        }
        match (answer, &self.last) {
            (Ok(answer), _) => Ok(self.last.insert(answer).clone()),
            (Err(LookupError::Gone(reason)), _) => {
                self.last = None;
                Err(NodeError::Gone(reason))
            }
            (Err(LookupError::NoAnswer(reason)), Some(last)) => {
                if !was_failing {
                    tracing::warn!("{}", messages::last_address_used(reason, last));
                }
                Ok(last.clone())
            }
            (Err(LookupError::NoAnswer(reason)), None) => Err(NodeError::Unknown(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

    use tokio::time::sleep;

    use super::{Lookup, LookupError, NodeError};

    const LIMIT: Duration = Duration::from_secs(1);

    fn no_answer() -> LookupError {
        LookupError::NoAnswer("nobody answers".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_the_last_one_counts_until_the_node_is_gone() {
        let mut lookup = Lookup::new("it");
        let answer = lookup.run(LIMIT, || ready(Err(no_answer()))).await;
        assert_eq!(answer, Err(NodeError::Unknown("nobody answers".to_owned())));
        assert_eq!(lookup.run(LIMIT, || ready(Ok(1))).await, Ok(1));
        assert_eq!(lookup.run(LIMIT, || ready(Err(no_answer()))).await, Ok(1));
        assert_eq!(lookup.run(LIMIT, || ready(Ok(2))).await, Ok(2));
        let gone = || ready(Err(LookupError::Gone("it is gone".to_owned())));
        assert_eq!(lookup.run(LIMIT, gone).await, Err(NodeError::Gone("it is gone".to_owned())));
        // Where it was might be another's by now.
        let answer = lookup.run(LIMIT, || ready(Err(no_answer()))).await;
        assert!(matches!(answer, Err(NodeError::Unknown(_))), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_is_there_at_a_later_check() {
        let mut lookup = Lookup::new("it");
        assert_eq!(lookup.run(LIMIT, || ready(Ok(1))).await, Ok(1));
        let mut started = 0;
        let mut slow = || {
            started += 1;
            async {
                sleep(LIMIT * 5 / 2).await;
                Ok(2)
            }
        };
        assert_eq!(lookup.run(LIMIT, &mut slow).await, Ok(1));
        assert_eq!(lookup.run(LIMIT, &mut slow).await, Ok(1));
        assert_eq!(lookup.run(LIMIT, &mut slow).await, Ok(2));
        assert_eq!(started, 1);
    }
}
