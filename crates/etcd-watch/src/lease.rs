//! Whether a lease still lives.

use std::time::Duration;

use crate::connection::Cluster;
use crate::listening_time::listening_timeout;
use crate::trouble::Trouble;
use crate::update::Cause;

/// How long etcd may take to answer. It answers in milliseconds; a peer is kept while its lease is
/// being looked up.
const DEADLINE: Duration = Duration::from_secs(2);

impl Cluster {
    /// Whether a lease lives: it has been granted, has not been revoked, and has not run out.
    ///
    /// # Errors
    ///
    /// When etcd does not answer within 2 s, or with an error; in words.
    pub async fn is_lease_alive(&self, lease: i64) -> Result<bool, String> {
        let answered = listening_timeout(DEADLINE, async {
            let connection = self.connection().await?;
            self.with_token(&connection, |client| async move {
                let answer = client.lease_client().time_to_live(lease, None).await;
                // -1 stands for a lease that etcd does not know.
                answer
                    .map(|answer| answer.ttl() >= 0)
                    .map_err(|error| Trouble::call("lease", &error, Cause::Unreachable))
            })
            .await
        });
        match answered.await {
            Ok(answer) => answer.map_err(|trouble| trouble.said),
            Err(_) => Err(format!("lease: no answer within {} s", DEADLINE.as_secs())),
        }
    }
}
