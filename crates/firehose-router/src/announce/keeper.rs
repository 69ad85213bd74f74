//! The key in etcd: set under a lease, kept alive, set again where it is lost, and nobody else's.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use etcd_watch::{
    Cluster, Keys, Limits, Update,
    etcd_client::{Client, Compare, CompareOp, Error, PutOptions, Txn, TxnOp},
    follow,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// The longest time that etcd may take for one call; with a short lease a third of that.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long giving the lease back may take, all attempts together: a node that ends does not wait
/// for an etcd that is away.
pub(super) const RELEASE: Duration = Duration::from_secs(3);

/// Between attempts, doubled each time, with jitter.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How often another's key is looked at. Its deletion is heard of at once; only its lease's end has
/// to be looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What etcd says of a lease that it does not know (`ErrGRPCLeaseNotFound`).
const LEASE_NOT_FOUND: &str = "lease not found";

/// How many leases of its own an announcer remembers: those that it thinks lost may still hold the
/// key.
const REMEMBERED: usize = 8;

/// What is to be in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// The key with this value.
    Up(String),
    /// No key of ours.
    Down,
}

/// What is in etcd, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// No key of ours.
    Nothing,
    /// The key, with this value.
    Key(String),
}

/// Keeps the key.
pub(super) struct Keeper {
    cluster: Cluster,
    key: String,
    ttl: i64,
    /// Whether it may be taken from somebody else: once.
    may_take: bool,
    lease: Option<Lease>,
    /// Leases that were ours.
    former: VecDeque<i64>,
    held: watch::Sender<Held>,
    /// Whether it was said that the key is another's.
    waits_for: Option<i64>,
    trouble: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    id: i64,
    renewed_at: Instant,
}

/// The key as it was found.
#[derive(Clone, Debug)]
struct Found {
    value: String,
    lease: i64,
    mod_revision: i64,
}

/// What is to be done about the key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// It is as it should be.
    Nothing,
    /// It is put where it is at this revision; 0: where there is none.
    Put { value: String, at: i64 },
    /// It is ours, and goes.
    Delete { at: i64 },
    /// It is another's.
    Wait,
}

impl Keeper {
    pub(super) fn new(
        cluster: Cluster,
        key: String,
        ttl: i64,
        may_take: bool,
    ) -> (Self, watch::Receiver<Held>) {
        let (held, receiver) = watch::channel(Held::Nothing);
        let keeper = Self {
            cluster,
            key,
            ttl,
            may_take,
            lease: None,
            former: VecDeque::new(),
            held,
            waits_for: None,
            trouble: None,
        };
        (keeper, receiver)
    }

    /// Keeps what is wanted in etcd, for ever.
    pub(super) async fn run(&mut self, mut want: watch::Receiver<Want>) -> Infallible {
        let (sender, mut updates) = mpsc::channel(16);
        let following =
            follow(self.cluster.clone(), Keys::One(self.key.clone()), Limits::default(), sender);
        let keeping = async {
            let mut wait = RETRY.0;
            loop {
                let wanted = want.borrow_and_update().clone();
                let next = match self.reconcile(&wanted).await {
                    Ok(next) => {
                        wait = RETRY.0;
                        self.ends_trouble();
                        next
                    }
                    Err(reason) => {
                        self.begins_trouble(reason);
                        let jitter = wait.mul_f64(0.5 + fastrand::f64());
                        wait = (wait * 2).min(RETRY.1);
                        Instant::now() + jitter
                    }
                };
                let mut is_time = false;
                while !is_time {
                    is_time = tokio::select! {
                        // Cancel safe: `changed` and `recv` give what they take in the same poll,
                        // and the moment is an absolute one.
                        () = sleep_until(next) => true,
                        Ok(()) = want.changed() => true,
                        // That there is news is all that counts of it: the key is looked at anew.
                        Some(update) = updates.recv() => {
                            matches!(update, Update::Changed { .. } | Update::Listed { .. })
                        }
                    };
                }
                while updates.try_recv().is_ok() {}
            }
        };
        tokio::select! {
            // Cancel safe: neither ends before both are dropped.
            () = following => std::future::pending().await,
            never = keeping => never,
        }
    }

    /// Removes the key and the lease, for as long as that may take.
    pub(super) async fn release(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let releasing = async {
            let mut wait = RETRY.0;
            loop {
                let revoked = self.call("lease", |client| async move {
                    client.lease_client().revoke(lease.id).await
                });
                match revoked.await {
                    Ok(_) => return Ok(()),
                    // It is gone already, and the key with it.
                    Err(reason) if reason.contains(LEASE_NOT_FOUND) => return Ok(()),
                    Err(reason) => {
                        self.last_trouble(&reason);
                        tokio::time::sleep(wait).await;
                        wait = (wait * 2).min(RETRY.1);
                    }
                }
            }
        };
        let released: Result<(), Infallible> = match tokio::time::timeout(RELEASE, releasing).await
        {
            Ok(released) => released,
            Err(_) => {
                tracing::warn!(
                    "key \"{}\" could not be removed: etcd does so itself when its lease ends, \
                     within {} s",
                    self.key,
                    self.ttl
                );
                return;
            }
        };
        let Ok(()) = released;
        if *self.held.borrow() != Held::Nothing {
            tracing::info!("key \"{}\" is removed", self.key);
        }
        self.held.send_replace(Held::Nothing);
    }

    fn last_trouble(&self, reason: &str) {
        if self.trouble.is_none() {
            tracing::warn!("key \"{}\" cannot be removed yet: {reason}", self.key);
        }
    }

    /// Brings etcd to what is wanted. Returns when to look again.
    async fn reconcile(&mut self, want: &Want) -> Result<Instant, String> {
        if *want == Want::Down && self.lease.is_none() {
            self.held.send_replace(Held::Nothing);
            return Ok(Instant::now() + self.third());
        }
        let lease = self.keep_lease().await?;
        let found = self.look().await?;
        let step = next_step(want, found.as_ref(), |lease| self.is_ours(lease), lease.id);
        match step {
            Step::Nothing => self.has(want),
            Step::Put { value, at } => {
                if !self.put(&value, at, lease.id).await? {
                    // Somebody else was faster: what is there now is looked at.
                    return Ok(Instant::now());
                }
                self.waits_for = None;
                self.may_take = false;
                if *self.held.borrow() != Held::Key(value.clone()) {
                    tracing::info!("key \"{}\" is set to \"{value}\"", self.key);
                } else {
                    tracing::warn!("key \"{}\" was lost: it is set again", self.key);
                }
                self.has(want);
            }
            Step::Delete { at } => {
                if !self.delete(at).await? {
                    return Ok(Instant::now());
                }
                tracing::info!("key \"{}\" is removed", self.key);
                self.has(want);
            }
            Step::Wait => {
                if let Some(found) = found {
                    return self.wait_for(want, &found, lease.id).await;
                }
            }
        }
        Ok(lease.renewed_at + self.third())
    }

    fn has(&self, want: &Want) {
        let held = match want {
            Want::Up(value) => Held::Key(value.clone()),
            Want::Down => Held::Nothing,
        };
        self.held.send_if_modified(|before| std::mem::replace(before, held.clone()) != held);
    }

    /// The key is another's: it is waited for, taken over from one that has died, or taken at once
    /// where that was asked for.
    async fn wait_for(
        &mut self,
        want: &Want,
        found: &Found,
        lease: i64,
    ) -> Result<Instant, String> {
        let Want::Up(value) = want else { return Ok(Instant::now() + LOOK) };
        let shown: String = found.value.escape_debug().take(200).collect();
        if self.may_take {
            if self.put(value, found.mod_revision, lease).await? {
                tracing::warn!(
                    "key \"{}\" is taken over from another announcer, who had set it to \
                     \"{shown}\"",
                    self.key
                );
                self.may_take = false;
                self.waits_for = None;
                self.has(want);
            }
            return Ok(Instant::now());
        }
        if self.waits_for != Some(found.lease) {
            self.waits_for = Some(found.lease);
            let lost =
                if *self.held.borrow() == Held::Nothing { "is held" } else { "was taken over" };
            let by =
                if found.lease == 0 { "somebody, without a lease" } else { "another announcer" };
            tracing::warn!(
                "key \"{}\" {lost} by {by} (value \"{shown}\"): waiting until it is gone \
                 (--take-over takes it at once)",
                self.key
            );
            self.held.send_replace(Held::Nothing);
        }
        if found.lease != 0
            && self.is_abandoned(found.lease).await?
            && self.put(value, found.mod_revision, lease).await?
        {
            tracing::warn!(
                "key \"{}\" is taken over: its announcer has not renewed its lease",
                self.key
            );
            self.waits_for = None;
            self.has(want);
            return Ok(Instant::now());
        }
        Ok(Instant::now() + LOOK)
    }

    /// Whether nobody renews a lease any more: whoever lives does so each third of its time.
    async fn is_abandoned(&self, lease: i64) -> Result<bool, String> {
        let left = self.call("lease", |client| async move {
            client.lease_client().time_to_live(lease, None).await
        });
        let left = left.await?;
        Ok(is_abandoned(left.ttl(), left.granted_ttl()))
    }

    fn is_ours(&self, lease: i64) -> bool {
        self.former.contains(&lease)
    }

    fn third(&self) -> Duration {
        Duration::from_secs(self.ttl.unsigned_abs()) / 3
    }

    fn deadline(&self) -> Duration {
        DEADLINE.min(self.third())
    }

    async fn call<T, F>(&self, what: &'static str, call: impl Fn(Client) -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.cluster.call(what, &self.key, self.deadline(), call).await
    }

    /// The lease, renewed where it is time.
    async fn keep_lease(&mut self) -> Result<Lease, String> {
        if let Some(lease) = self.lease {
            if lease.renewed_at.elapsed() < self.third() {
                return Ok(lease);
            }
            let asked_at = Instant::now();
            let renewed = self.call("lease", |client| async move {
                // The client itself takes the first answer, and makes an error of a lease that is
                // unknown.
                client.lease_client().keep_alive(lease.id).await
            });
            match renewed.await {
                Ok(_) => return Ok(*self.lease.insert(Lease { renewed_at: asked_at, ..lease })),
                Err(reason) if reason.contains(LEASE_NOT_FOUND) => {}
                Err(reason) => return Err(reason),
            }
            self.loses_lease();
        }
        let (asked_at, ttl) = (Instant::now(), self.ttl);
        let granted = self
            .call("lease", |client| async move { client.lease_client().grant(ttl, None).await })
            .await?;
        let lease = Lease { id: granted.id(), renewed_at: asked_at };
        if self.former.len() == REMEMBERED {
            self.former.pop_front();
        }
        self.former.push_back(lease.id);
        Ok(*self.lease.insert(lease))
    }

    fn loses_lease(&mut self) {
        tracing::warn!("the lease of key \"{}\" is lost: another one is asked for", self.key);
        self.lease = None;
    }

    async fn look(&self) -> Result<Option<Found>, String> {
        let key = &self.key;
        let answer = self
            .call("get", |client| async move { client.kv_client().get(key.as_str(), None).await })
            .await?;
        Ok(answer.kvs().first().map(|pair| Found {
            value: String::from_utf8_lossy(pair.value()).into_owned(),
            lease: pair.lease(),
            mod_revision: pair.mod_revision(),
        }))
    }

    /// Sets the key, if it is as it was found. Says whether it was; also where the lease turns out
    /// to be lost, which shows before it is to be renewed.
    async fn put(&mut self, value: &str, at: i64, lease: i64) -> Result<bool, String> {
        let key = &self.key;
        let answer = self.call("put", |client| async move {
            let options = PutOptions::new().with_lease(lease);
            let put = TxnOp::put(key.as_str(), value, Some(options));
            let is_as_found = Compare::mod_revision(key.as_str(), CompareOp::Equal, at);
            client.kv_client().txn(Txn::new().when([is_as_found]).and_then([put])).await
        });
        match answer.await {
            Ok(answer) => Ok(answer.succeeded()),
            Err(reason) if reason.contains(LEASE_NOT_FOUND) => {
                self.loses_lease();
                Ok(false)
            }
            Err(reason) => Err(reason),
        }
    }

    async fn delete(&self, at: i64) -> Result<bool, String> {
        let key = &self.key;
        let answer = self.call("delete", |client| async move {
            let delete = TxnOp::delete(key.as_str(), None);
            let is_as_found = Compare::mod_revision(key.as_str(), CompareOp::Equal, at);
            client.kv_client().txn(Txn::new().when([is_as_found]).and_then([delete])).await
        });
        Ok(answer.await?.succeeded())
    }

    fn begins_trouble(&mut self, reason: String) {
        if self.trouble.is_none() {
            tracing::warn!(
                "key \"{}\" cannot be kept: {reason}; it is tried again and again",
                self.key
            );
            self.trouble = Some(reason);
        }
    }

    fn ends_trouble(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("key \"{}\" is kept again", self.key);
        }
    }
}

/// Whether a lease with so many seconds left of those that were granted is renewed by nobody.
/// etcd's seconds are whole ones; -1 is one that is gone, whose keys are gone with it.
fn is_abandoned(left: i64, granted: i64) -> bool {
    left >= 0 && left <= (granted / 6).max(1) && left < granted
}

fn next_step(
    want: &Want,
    found: Option<&Found>,
    is_ours: impl Fn(i64) -> bool,
    lease: i64,
) -> Step {
    match (want, found) {
        (Want::Down, None) => Step::Nothing,
        (Want::Down, Some(found)) if is_ours(found.lease) => {
            Step::Delete { at: found.mod_revision }
        }
        (Want::Down, Some(_)) => Step::Nothing,
        (Want::Up(value), None) => Step::Put { value: value.clone(), at: 0 },
        (Want::Up(value), Some(found)) if found.lease == lease && found.value == *value => {
            Step::Nothing
        }
        (Want::Up(value), Some(found)) if is_ours(found.lease) => {
            Step::Put { value: value.clone(), at: found.mod_revision }
        }
        (Want::Up(_), Some(_)) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Step, Want, is_abandoned, next_step};

    fn found(value: &str, lease: i64) -> Found {
        Found { value: value.to_owned(), lease, mod_revision: 9 }
    }

    #[test]
    fn steps() {
        let ours = |lease| lease == 7 || lease == 8;
        let up = Want::Up("a".to_owned());
        let put = |at| Step::Put { value: "a".to_owned(), at };
        for (want, found, step) in [
            (&Want::Down, None, Step::Nothing),
            (&Want::Down, Some(found("a", 8)), Step::Delete { at: 9 }),
            (&Want::Down, Some(found("a", 3)), Step::Nothing),
            (&up, None, put(0)),
            (&up, Some(found("a", 8)), Step::Nothing),
            (&up, Some(found("b", 8)), put(9)),
            // Of a lease before: it would go with that one.
            (&up, Some(found("a", 7)), put(9)),
            (&up, Some(found("a", 3)), Step::Wait),
            (&up, Some(found("a", 0)), Step::Wait),
        ] {
            assert_eq!(next_step(want, found.as_ref(), ours, 8), step, "{want:?} {found:?}");
        }
    }

    #[test]
    fn whoever_lives_renews_each_third() {
        for granted in 2..=600 {
            // Renewed a third of the time ago, and a second of etcd's rounding.
            let least = granted - granted / 3 - 1;
            assert!(granted < 4 || !is_abandoned(least, granted), "{least} of {granted}");
            assert!(is_abandoned(0, granted));
            assert!(!is_abandoned(-1, granted));
        }
        assert!(is_abandoned(10, 60) && !is_abandoned(11, 60));
    }
}
