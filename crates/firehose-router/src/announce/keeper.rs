//! Keeps the key in etcd: sets it under a lease, renews that, sets it again where it was lost, and
//! leaves alone what others have set.

mod action;
mod etcd_key;

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use etcd_watch::{Cluster, Keys, Limits, Update, follow};
use retry_backoff::Backoff;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

pub(super) use self::action::KeySpec;
use self::{
    action::{KeyAction, StoredKey, is_abandoned, next_action},
    etcd_key::{Change, EtcdKey},
};
use super::messages;

/// How long it may take to revoke the lease, all attempts together: a node that ends does not wait
/// for an etcd that is away.
pub(super) const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// The first wait before another attempt, and the longest one.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// How often somebody else's key is read. Its deletion is heard of at once; that its lease expires
/// has to be looked for.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How many leases of its own an announcer remembers: those that it thinks lost may still hold the
/// key.
const REMEMBERED_LEASES: usize = 8;

/// The longest part of somebody else's value that is logged, in characters.
const SHOWN_VALUE: usize = 200;

/// Keeps the key.
pub(super) struct Keeper {
    etcd: EtcdKey,
    /// Whether the key may be taken over from somebody else: once.
    may_take_over: bool,
    lease: Option<Lease>,
    /// The ids of this announcer's leases up to now.
    own_leases: VecDeque<i64>,
    state: watch::Sender<KeySpec>,
    /// What it has written last, while its key has not been lost.
    written: Option<String>,
    /// What others have made of that, where that was logged.
    changed: Option<String>,
    /// The lease of the one who has the key, where that was logged.
    waits_for: Option<i64>,
    /// Whether it was logged that etcd cannot be reached, or refuses.
    is_failing: bool,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    id: i64,
    renewed_at: Instant,
}

impl Keeper {
    /// A keeper of the key called `name`, and its state. `ttl` is in seconds.
    pub(super) fn new(
        cluster: Cluster,
        name: String,
        ttl: i64,
        may_take_over: bool,
    ) -> (Self, watch::Receiver<KeySpec>) {
        let (state, receiver) = watch::channel(KeySpec::Absent);
        let keeper = Self {
            etcd: EtcdKey::new(cluster, name, ttl),
            may_take_over,
            lease: None,
            own_leases: VecDeque::new(),
            state,
            written: None,
            changed: None,
            waits_for: None,
            is_failing: false,
        };
        (keeper, receiver)
    }

    /// Keeps what is wanted in etcd, for ever.
    pub(super) async fn run(&mut self, mut wanted: watch::Receiver<KeySpec>) -> Infallible {
        let (sender, mut updates) = mpsc::channel(16);
        let keys = Keys::One(self.etcd.name().to_owned());
        let following = follow(self.etcd.cluster().clone(), keys, Limits::default(), sender);
        let keeping = async {
            let mut backoff = new_backoff();
            loop {
                let now_wanted = wanted.borrow_and_update().clone();
                let next = match self.reconcile(&now_wanted).await {
                    Ok(next) => {
                        backoff.reset();
                        self.log_recovery();
                        next
                    }
                    Err(reason) => {
                        self.log_failure(&reason);
                        Instant::now() + backoff.next_wait()
                    }
                };
                let mut is_time = false;
                while !is_time {
                    is_time = tokio::select! {
                        // Cancel safe: `changed` and `recv` give what they take in the same poll,
                        // and the moment is an absolute one.
                        () = sleep_until(next) => true,
                        Ok(()) = wanted.changed() => true,
                        // That something has changed is all that counts: the key is read again.
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

    /// Revokes the lease, which removes the key. Gives up after [`RELEASE_TIMEOUT`].
    pub(super) async fn release(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let releasing = async {
            let mut backoff = new_backoff();
            while let Err(reason) = self.etcd.revoke_lease(lease.id).await {
                if !self.is_failing {
                    tracing::warn!(
                        "{}",
                        messages::key_cannot_be_removed_yet(self.etcd.name(), reason)
                    );
                    self.is_failing = true;
                }
                sleep(backoff.next_wait()).await;
            }
        };
        if timeout(RELEASE_TIMEOUT, releasing).await.is_err() {
            let Self { etcd, .. } = self;
            tracing::warn!("{}", messages::key_not_removed(etcd.name(), etcd.ttl()));
            return;
        }
        if *self.state.borrow() != KeySpec::Absent {
            tracing::info!("{}", messages::key_is_removed(self.etcd.name()));
        }
        self.state.send_replace(KeySpec::Absent);
    }

    /// Brings etcd to what is wanted. Returns when to look again.
    async fn reconcile(&mut self, wanted: &KeySpec) -> Result<Instant, String> {
        if *wanted == KeySpec::Absent && self.lease.is_none() {
            self.state.send_replace(KeySpec::Absent);
            return Ok(Instant::now() + self.etcd.renewal_interval());
        }
        let lease = self.keep_lease().await?;
        let stored = self.etcd.read().await?;
        let is_own = |lease| self.own_leases.contains(&lease);
        match next_action(wanted, stored.as_ref(), is_own, lease.id, self.written.as_deref()) {
            KeyAction::Nothing => self.set_state(wanted),
            KeyAction::Keep => {
                let value = stored.map(|stored| stored.value);
                if let Some(value) = value.as_ref().filter(|_| self.changed != value) {
                    let shown = shown(value);
                    tracing::info!("{}", messages::key_was_changed(self.etcd.name(), &shown));
                }
                self.changed = value;
                self.set_state(wanted);
            }
            KeyAction::Put { value, mod_revision } => {
                if !self.put(&value, mod_revision, lease.id).await? {
                    return Ok(Instant::now());
                }
                self.waits_for = None;
                self.may_take_over = false;
                if *self.state.borrow() == *wanted {
                    tracing::warn!("{}", messages::key_was_lost(self.etcd.name()));
                } else {
                    tracing::info!("{}", messages::key_is_set(self.etcd.name(), &value));
                }
                self.set_state(wanted);
            }
            KeyAction::Delete { mod_revision } => {
                if self.etcd.delete(mod_revision).await? != Change::Made {
                    return Ok(Instant::now());
                }
                tracing::info!("{}", messages::key_is_removed(self.etcd.name()));
                self.set_state(wanted);
            }
            KeyAction::Wait => {
                if let (KeySpec::Present(value), Some(stored)) = (wanted, stored) {
                    return self.wait_for_other(value, &stored, lease.id).await;
                }
            }
        }
        Ok(lease.renewed_at + self.etcd.renewal_interval())
    }

    /// The key is somebody else's: waits for it, takes it over where that one has died, or at once
    /// where that was asked for. Returns when to look again.
    async fn wait_for_other(
        &mut self,
        value: &str,
        stored: &StoredKey,
        lease: i64,
    ) -> Result<Instant, String> {
        let shown = shown(&stored.value);
        if self.may_take_over {
            if self.put(value, stored.mod_revision, lease).await? {
                tracing::warn!("{}", messages::key_is_taken_over(self.etcd.name(), &shown));
                self.may_take_over = false;
                self.waits_for = None;
                self.set_state(&KeySpec::Present(value.to_owned()));
            }
            return Ok(Instant::now());
        }
        if self.waits_for.replace(stored.lease) != Some(stored.lease) {
            let was_ours = matches!(*self.state.borrow(), KeySpec::Present(_));
            let has_lease = stored.lease != 0;
            let message = messages::key_is_held(self.etcd.name(), was_ours, has_lease, &shown);
            tracing::warn!("{message}");
            self.state.send_replace(KeySpec::Absent);
        }
        if stored.lease != 0
            && self.is_abandoned(stored.lease).await?
            && self.put(value, stored.mod_revision, lease).await?
        {
            tracing::warn!("{}", messages::abandoned_key_is_taken_over(self.etcd.name()));
            self.waits_for = None;
            self.set_state(&KeySpec::Present(value.to_owned()));
            return Ok(Instant::now());
        }
        Ok(Instant::now() + POLL_INTERVAL)
    }

    async fn is_abandoned(&self, lease: i64) -> Result<bool, String> {
        let (left, granted) = self.etcd.time_to_live(lease).await?;
        Ok(is_abandoned(left, granted))
    }

    /// Sets the key, if it is as it was read. Where it is not, or the lease turns out to be lost,
    /// which shows before it is to be renewed, the key has to be read again.
    async fn put(&mut self, value: &str, mod_revision: i64, lease: i64) -> Result<bool, String> {
        match self.etcd.put(value, mod_revision, lease).await? {
            Change::Made => {
                (self.written, self.changed) = (Some(value.to_owned()), None);
                Ok(true)
            }
            Change::Conflict => Ok(false),
            Change::LeaseLost => {
                self.forget_lease();
                Ok(false)
            }
        }
    }

    /// The lease, renewed where it is time.
    async fn keep_lease(&mut self) -> Result<Lease, String> {
        if let Some(lease) = self.lease {
            if lease.renewed_at.elapsed() < self.etcd.renewal_interval() {
                return Ok(lease);
            }
            let renewed_at = Instant::now();
            if self.etcd.renew_lease(lease.id).await? {
                return Ok(*self.lease.insert(Lease { renewed_at, ..lease }));
            }
            self.forget_lease();
        }
        let renewed_at = Instant::now();
        let lease = Lease { id: self.etcd.grant_lease().await?, renewed_at };
        if self.own_leases.len() == REMEMBERED_LEASES {
            self.own_leases.pop_front();
        }
        self.own_leases.push_back(lease.id);
        Ok(*self.lease.insert(lease))
    }

    fn forget_lease(&mut self) {
        tracing::warn!("{}", messages::lease_has_expired(self.etcd.name()));
        self.lease = None;
    }

    fn set_state(&self, state: &KeySpec) {
        self.state.send_if_modified(|before| std::mem::replace(before, state.clone()) != *state);
    }

    fn log_failure(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!("{}", messages::key_cannot_be_kept(self.etcd.name(), reason));
        }
    }

    fn log_recovery(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("{}", messages::key_is_kept_again(self.etcd.name()));
        }
    }
}

/// The beginning of a value that somebody else has written.
fn shown(value: &str) -> String {
    value.escape_debug().take(SHOWN_VALUE).collect()
}

fn new_backoff() -> Backoff {
    Backoff::new(FIRST_RETRY, LONGEST_RETRY)
}
