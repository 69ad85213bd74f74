//! Whether the member in use reaches its quorum.
//!
//! A member that is cut off answers pings and progress requests, and its watches have no news. It
//! ends them by itself (`require_leader`) only after some three election timeouts. A linearizable
//! read needs the quorum: one is made beside each progress request, for all prefixes of the
//! connection together.

use std::time::Duration;

use etcd_client::{Client, GetOptions};
use tokio::time::Instant;

use crate::connection::{Cluster, Connection};
use crate::listening_time::listening_timeout;
use crate::quorum_state::Store;
use crate::trouble::{Kind, Trouble};
use crate::update::Cause;

/// For how long what another prefix has found out is good enough: half the time between two
/// progress requests, so that it adds little to the time within which a lost quorum is noticed.
const FRESH: Duration = Duration::from_millis(750);

/// What a prefix wants to know.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The key to read: it exists or not, but a user who may list the range may read it.
    pub(crate) key: Vec<u8>,
    /// Where the store was at least, as the prefix knows.
    pub(crate) known: Store,
    /// Whether no other prefix's answer will do, since what is in question is the permission as
    /// well.
    pub(crate) is_own: bool,
    /// How long the answer may take.
    pub(crate) deadline: Duration,
}

/// Finds out whether the member reaches its quorum, and where the store is. One prefix asks, and
/// those that want to know meanwhile wait for its answer.
pub(crate) async fn verify(
    cluster: &Cluster,
    connection: &Connection,
    question: Question,
) -> Result<Store, Trouble> {
    let mut quorum = connection.quorum.lock().await;
    if let Some(failure) = &quorum.failure {
        return Err(failure.clone());
    }
    let is_fresh = quorum.verified_at.is_some_and(|at| at.elapsed() <= FRESH);
    if is_fresh && !question.is_own {
        return Ok(quorum.store);
    }
    let begun = Instant::now();
    let known = question.known.revision.max(quorum.store.revision);
    let result =
        cluster.with_token(connection, |client| read(client, &question)).await.and_then(|now| {
            if now.cluster_id != question.known.cluster_id || now.revision < known {
                let said = "quorum: etcd's revision went back, or another cluster answers: it was \
                     restored";
                return Err(Trouble::nonsense(said));
            }
            Ok(now)
        });
    match &result {
        Ok(now) => {
            quorum.verified_at = Some(begun);
            quorum.store = *now;
        }
        // What etcd refuses to one prefix, it may grant to another.
        Err(trouble) if trouble.turn => quorum.failure = Some(trouble.clone()),
        Err(_) => {}
    }
    result
}

async fn read(client: Client, question: &Question) -> Result<Store, Trouble> {
    let options = GetOptions::new().with_count_only();
    let mut kv = client.kv_client();
    match listening_timeout(question.deadline, kv.get(question.key.clone(), Some(options))).await {
        Ok(Ok(answer)) => {
            let header = answer
                .0
                .header
                .ok_or_else(|| Trouble::nonsense("quorum: etcd's answer has no header"))?;
            Ok(Store { cluster_id: header.cluster_id, revision: header.revision })
        }
        Ok(Err(error)) => {
            let trouble = Trouble::call("quorum", &error, Cause::Broken);
            let is_silent = trouble.turn && trouble.kind == Kind::NoQuorum;
            Err(Trouble { cause: if is_silent { Cause::Silent } else { trouble.cause }, ..trouble })
        }
        Err(_) => {
            let late = Trouble::late(Cause::Silent, "quorum", question.deadline);
            Err(Trouble { kind: Kind::NoQuorum, ..late })
        }
    }
}
