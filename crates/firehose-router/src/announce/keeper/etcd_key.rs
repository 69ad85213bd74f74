//! The calls to etcd that a key and its lease take. Errors are what etcd or the connection says, in
//! one line.

use std::time::Duration;

use etcd_watch::{
    Cluster,
    etcd_client::{Client, Compare, CompareOp, Error, PutOptions, Txn, TxnOp},
};

use super::action::StoredKey;

/// The longest time that etcd may take for one call; with a short lease a third of that.
const DEADLINE: Duration = Duration::from_secs(3);

/// What etcd says of a lease that it does not know (`ErrGRPCLeaseNotFound`).
const LEASE_NOT_FOUND: &str = "lease not found";

/// A key, in a cluster.
pub(super) struct EtcdKey {
    cluster: Cluster,
    name: String,
    /// Of the leases, in seconds.
    ttl: i64,
}

/// What came of a change that was made on a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Made,
    /// The key was not as it was read.
    Conflict,
    /// The lease has expired.
    LeaseLost,
}

impl EtcdKey {
    pub(super) fn new(cluster: Cluster, name: String, ttl: i64) -> Self {
        Self { cluster, name, ttl }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ttl(&self) -> i64 {
        self.ttl
    }

    /// How long after it was renewed a lease is renewed again.
    pub(super) fn renewal_interval(&self) -> Duration {
        Duration::from_secs(self.ttl.unsigned_abs()) / 3
    }

    /// Asks for a lease. Returns its id.
    pub(super) async fn grant_lease(&self) -> Result<i64, String> {
        let ttl = self.ttl;
        let granted = self
            .call("lease", |client| async move { client.lease_client().grant(ttl, None).await });
        Ok(granted.await?.id())
    }

    /// Renews a lease. Says whether there is one.
    pub(super) async fn renew_lease(&self, lease: i64) -> Result<bool, String> {
        let renewed = self.call("lease", |client| async move {
            // The client itself takes the first answer, and makes an error of a lease that is
            // unknown.
            client.lease_client().keep_alive(lease).await
        });
        unless_lease_is_lost(renewed.await.map(|_| true), false)
    }

    /// Ends a lease, and with it the keys that go with it. One that has expired is no error.
    pub(super) async fn revoke_lease(&self, lease: i64) -> Result<(), String> {
        let revoked =
            self.call("lease", |client| async move { client.lease_client().revoke(lease).await });
        unless_lease_is_lost(revoked.await.map(drop), ())
    }

    /// The seconds that are left of a lease, -1 where it has expired, and those that it was granted
    /// for.
    pub(super) async fn time_to_live(&self, lease: i64) -> Result<(i64, i64), String> {
        let left = self.call("lease", |client| async move {
            client.lease_client().time_to_live(lease, None).await
        });
        let left = left.await?;
        Ok((left.ttl(), left.granted_ttl()))
    }

    /// The key as it is; `None` where there is none.
    pub(super) async fn read(&self) -> Result<Option<StoredKey>, String> {
        let name = &self.name;
        let answer = self
            .call("get", |client| async move { client.kv_client().get(name.as_str(), None).await })
            .await?;
        Ok(answer.kvs().first().map(|pair| StoredKey {
            value: String::from_utf8_lossy(pair.value()).into_owned(),
            lease: pair.lease(),
            mod_revision: pair.mod_revision(),
        }))
    }

    /// Sets the key, to go with `lease`, if its last revision is `mod_revision` (0: there is none).
    pub(super) async fn put(
        &self,
        value: &str,
        mod_revision: i64,
        lease: i64,
    ) -> Result<Change, String> {
        let options = PutOptions::new().with_lease(lease);
        let put = TxnOp::put(self.name.as_str(), value, Some(options));
        unless_lease_is_lost(self.change("put", put, mod_revision).await, Change::LeaseLost)
    }

    /// Deletes the key, if its last revision is `mod_revision`.
    pub(super) async fn delete(&self, mod_revision: i64) -> Result<Change, String> {
        self.change("delete", TxnOp::delete(self.name.as_str(), None), mod_revision).await
    }

    async fn change(
        &self,
        what: &'static str,
        operation: TxnOp,
        mod_revision: i64,
    ) -> Result<Change, String> {
        let (name, operation) = (&self.name, &operation);
        let answer = self.call(what, |client| async move {
            let is_as_read = Compare::mod_revision(name.as_str(), CompareOp::Equal, mod_revision);
            let change = Txn::new().when([is_as_read]).and_then([operation.clone()]);
            client.kv_client().txn(change).await
        });
        Ok(if answer.await?.succeeded() { Change::Made } else { Change::Conflict })
    }

    async fn call<T, F>(&self, what: &'static str, call: impl Fn(Client) -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = DEADLINE.min(self.renewal_interval());
        self.cluster.call(what, &self.name, deadline, call).await
    }
}

fn unless_lease_is_lost<T>(result: Result<T, String>, lost: T) -> Result<T, String> {
    match result {
        Err(reason) if reason.contains(LEASE_NOT_FOUND) => Ok(lost),
        result => result,
    }
}
