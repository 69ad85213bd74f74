//! Whoever tells where the node is: Docker, name servers. While they do not answer, what they said
//! last counts.

use std::{fmt::Display, pin::Pin, time::Duration};

use thiserror::Error;
use tokio::time::timeout;

/// Why a look has not found the node in service.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum LookError {
    /// The node has failed its check.
    #[error("{0}")]
    Node(String),
    /// Whoever knows where it was says that it is gone.
    #[error("{0}")]
    Gone(String),
    /// Nothing has been learned about the node: somebody else does not answer, or not so that it
    /// can be used.
    #[error("{0}")]
    Channel(String),
}

/// Why a question has no answer that can be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The answer is that the node is not there: what was said before holds no more.
    Gone(String),
    /// There is no answer, or one that says nothing.
    Silence(String),
}

type Asking<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// Somebody who is asked where the node is, with the last answer.
pub(super) struct Channel<T> {
    /// As lines call it.
    who: String,
    /// The question that is under way. It outlives a look that has waited for long enough: the
    /// answer may be there at the next one.
    asking: Option<Asking<T>>,
    last: Option<T>,
    is_silent: bool,
}

impl<T: Clone + Display> Channel<T> {
    pub(super) fn new(who: impl Into<String>) -> Self {
        Self { who: who.into(), asking: None, last: None, is_silent: false }
    }

    /// The last answer.
    pub(super) fn last(&self) -> Option<&T> {
        self.last.as_ref()
    }

    /// Asks `question`, unless one is under way. Where no answer comes within `patience`, it is the
    /// last one.
    ///
    /// # Errors
    ///
    /// Where the answer is that the node is gone, or there has never been one.
    pub(super) async fn ask<F>(
        &mut self,
        patience: Duration,
        question: impl FnOnce() -> F,
    ) -> Result<T, LookError>
    where
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let asking = self.asking.get_or_insert_with(|| Box::pin(question()));
        let answer = match timeout(patience, asking).await {
            Ok(answer) => {
                self.asking = None;
                answer
            }
            Err(_) => {
                Err(Refusal::Silence(format!("{} does not answer within {patience:?}", self.who)))
            }
        };
        let is_silent = matches!(answer, Err(Refusal::Silence(_)));
        let was_silent = std::mem::replace(&mut self.is_silent, is_silent && self.last.is_some());
        if was_silent && !is_silent {
            tracing::info!("{} answers again", self.who);
        }
        match (answer, &self.last) {
            (Ok(answer), _) => Ok(self.last.insert(answer).clone()),
            (Err(Refusal::Gone(reason)), _) => {
                self.last = None;
                Err(LookError::Gone(reason))
            }
            (Err(Refusal::Silence(reason)), Some(last)) => {
                if !was_silent {
                    tracing::warn!("{reason}: the node is checked where it was last, at {last}");
                }
                Ok(last.clone())
            }
            (Err(Refusal::Silence(reason)), None) => Err(LookError::Channel(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

    use tokio::time::sleep;

    use super::{Channel, LookError, Refusal};

    const PATIENCE: Duration = Duration::from_secs(1);

    fn silence() -> Refusal {
        Refusal::Silence("nobody answers".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_leaves_what_was_said_and_a_word_does_not() {
        let mut channel = Channel::new("it");
        let asked = channel.ask(PATIENCE, || ready(Err(silence()))).await;
        assert_eq!(asked, Err(LookError::Channel("nobody answers".to_owned())));
        assert_eq!(channel.ask(PATIENCE, || ready(Ok(1))).await, Ok(1));
        assert_eq!(channel.ask(PATIENCE, || ready(Err(silence()))).await, Ok(1));
        assert_eq!(channel.ask(PATIENCE, || ready(Ok(2))).await, Ok(2));
        let gone = || ready(Err(Refusal::Gone("it is gone".to_owned())));
        assert_eq!(
            channel.ask(PATIENCE, gone).await,
            Err(LookError::Gone("it is gone".to_owned()))
        );
        // Where it was might be another's by now.
        let asked = channel.ask(PATIENCE, || ready(Err(silence()))).await;
        assert!(matches!(asked, Err(LookError::Channel(_))), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_is_there_at_a_later_look() {
        let mut channel = Channel::new("it");
        assert_eq!(channel.ask(PATIENCE, || ready(Ok(1))).await, Ok(1));
        let mut asked = 0;
        let mut slow = || {
            asked += 1;
            async {
                sleep(PATIENCE * 5 / 2).await;
                Ok(2)
            }
        };
        assert_eq!(channel.ask(PATIENCE, &mut slow).await, Ok(1));
        assert_eq!(channel.ask(PATIENCE, &mut slow).await, Ok(1));
        assert_eq!(channel.ask(PATIENCE, &mut slow).await, Ok(2));
        assert_eq!(asked, 1);
    }
}
