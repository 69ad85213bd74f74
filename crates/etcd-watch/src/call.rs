//! One call to etcd, by the connection that all prefixes share.

use std::future::Future;
use std::time::Duration;

use etcd_client::{Client, Error};

use crate::advice::reason_for;
use crate::connection::Cluster;
use crate::listening_time::listening_timeout;
use crate::range::Range;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// How long the longest look at the connection takes before etcd is called; a login is a part of
/// it.
const CONNECTING: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// One line of at most 300 characters, without secrets.
    pub reason: String,
    /// Whether etcd has refused to do it, so that certainly nothing was changed.
    pub is_refusal: bool,
}

impl Cluster {
    /// Calls etcd, logged in where that is needed; where the endpoint turns out to be at fault, the
    /// next call goes to the next one. `what` names the call in the error, and `keys` is what a
    /// missing permission would be about: a key, or a prefix with a slash at its end.
    ///
    /// An attempt that fails is not repeated here, but for one whose token turned out to be void:
    /// whether it may be made twice only the caller knows.
    ///
    /// # Errors
    ///
    /// When etcd does not answer within the deadline, or answers with an error: one line of at most
    /// 300 characters, without secrets, with what mends it where that is known.
    pub async fn call<T, F>(
        &self,
        what: &'static str,
        keys: &str,
        deadline: Duration,
        call: impl Fn(Client) -> F,
    ) -> Result<T, String>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let permission = if what == "get" { "read" } else { "readwrite" };
        let called = self.call_with(permission, what, keys, deadline, call).await;
        called.map_err(|error| error.reason)
    }

    /// The same for a call that is a part of a change, which etcd may refuse to make.
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call).
    pub async fn call_for_change<T, F>(
        &self,
        what: &'static str,
        keys: &str,
        deadline: Duration,
        call: impl Fn(Client) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call_with("readwrite", what, keys, deadline, call).await
    }

    async fn call_with<T, F>(
        &self,
        permission: &str,
        what: &'static str,
        keys: &str,
        deadline: Duration,
        call: impl Fn(Client) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let range = if keys.ends_with('/') {
            Range::new(keys.as_bytes())
        } else {
            Range::of_key(keys.as_bytes())
        };
        let in_words = |trouble: Trouble| CallError {
            reason: reason_for(permission, &trouble, self.config(), &range),
            is_refusal: is_refusal(trouble.kind),
        };
        let connection = match listening_timeout(CONNECTING, self.connection()).await {
            Ok(connection) => connection.map_err(in_words)?,
            Err(_) => return Err(in_words(Trouble::late(Cause::Unreachable, what, CONNECTING))),
        };
        let answered = listening_timeout(
            deadline,
            self.with_token(&connection, |client| {
                let answer = call(client);
                async move {
                    answer.await.map_err(|error| Trouble::call(what, &error, Cause::Unreachable))
                }
            }),
        );
        let trouble = match answered.await {
            Ok(Ok(answer)) => {
                self.note_answer(&connection).await;
                return Ok(answer);
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::late(Cause::Unreachable, what, deadline),
        };
        if trouble.turn {
            self.turn(&connection).await;
        }
        Err(in_words(Trouble {
            endpoint: trouble.endpoint.or(Some(connection.endpoint)),
            ..trouble
        }))
    }
}

fn is_refusal(kind: Kind) -> bool {
    matches!(kind, Kind::PermissionDenied | Kind::UserWanted | Kind::LoginFailed)
}
