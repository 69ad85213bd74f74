//! One key, or the keys below a prefix, that live variables are made of.

use std::{mem, rc::Rc, time::Duration};

use client_networks::shown;
use etcd_watch::{
    Cause, Cluster, Event, Holding, Item, Keys, Origin, OutageReport, Replaced, Replica, Update,
    Watched, messages::state_of_etcd,
};
use live_value::messages::{LiveKeys, Messages};
use map_keys::wipe;
use tokio::{
    sync::{
        mpsc::{self, UnboundedSender},
        watch,
    },
    time::{Instant, sleep_until},
};

use super::{
    claim::Claim,
    contact::Contact,
    following::Following,
    lines::Lines,
    malformed_keys::{self, MalformedKeys},
    plan::LivePlan,
    saved_values::SavedValues,
};
use crate::{
    live::{Content, ContentUpdate, HOLD, LiveMemory, RejectedValue, hash_of},
    nginx::{bell, clock},
};

/// How often it is seen whether a hold is over, and whether values that were left out have room.
const LOOK: Duration = Duration::from_millis(250);

/// Updates that may wait; more wait in etcd's stream.
const MAX_WAITING: usize = 64;

/// From one publication to the next, at least. A change after a rest is published at once. A script
/// that writes a hundred keys makes few publications, and who waits for one does not notice.
const GATHER: Duration = Duration::from_millis(5);

/// A publication of many values takes long, and is followed by a pause of so many times its length:
/// what comes meanwhile is published together.
const PAUSE: u32 = 2;

/// How often at most a list is asked for, because values that were left out have room now.
const LIST_PERIOD: Duration = Duration::from_secs(10);

/// Follows the keys for as long as the lease is held; `changed` tells all that use variables that
/// one has changed. What lies in shared memory is in hand with the call: upstreams begin after it.
pub(super) fn serve(
    cluster_name: Rc<str>,
    cluster: Cluster,
    plan: LivePlan,
    claim: Rc<Claim>,
    changed: Rc<watch::Sender<()>>,
    outages: UnboundedSender<OutageReport>,
    lines: Lines,
) -> impl Future<Output = ()> {
    let limits = plan.content.limits();
    let keys = match plan.messages.keys.clone() {
        LiveKeys::One(key) => Keys::One(key),
        // A key that is the prefix itself is one that somebody has written about it.
        LiveKeys::Prefix(prefix) => Keys::Beginning(prefix),
    };
    // What lies in shared memory may have to be put in order.
    let new = |_: &_| FollowedValues::new(cluster_name, plan, outages, lines);
    let begun = claim.publishing(new);
    async move {
        let Some(live) = begun else { return };
        let follow = || {
            let (sender, updates) = mpsc::channel(MAX_WAITING);
            (Following::start(cluster.clone(), keys.clone(), limits, sender), updates)
        };
        keep_up(live, follow, &claim, &changed).await;
    }
}

/// Takes in what etcd says, for as long as the lease is held; `follow` begins to ask for it.
async fn keep_up(
    mut live: FollowedValues,
    follow: impl Fn() -> (Following, mpsc::Receiver<Update>),
    claim: &Claim,
    changed: &watch::Sender<()>,
) {
    let (mut following, mut updates) = follow();
    let mut listed = Instant::now();
    let mut has_settled = false;
    let mut publish_at = Instant::now();
    loop {
        let mut news = Vec::new();
        let (look_at, is_waiting) = (Instant::now() + LOOK, live.is_waiting());
        tokio::select! {
            // Cancel safe: `recv` gives what it takes in the same poll. What follows an update is
            // not a branch: nothing ends it.
            update = updates.recv() => {
                let Some(update) = update else { return following.ended().await };
                news.push(update);
                if publish_at > Instant::now() {
                    sleep_until(publish_at).await;
                }
                while let Ok(update) = updates.try_recv() {
                    news.push(update);
                }
            }
            () = live.saved.reported() => {}
            () = sleep_until(look_at), if is_waiting => {}
        }
        // What is read goes to shared memory bit by bit: all of it needs the right to write.
        let began = Instant::now();
        let is_published = claim.publishing(|_| {
            let now = clock::now();
            news.iter().for_each(|update| live.apply_update(update, now));
            live.end_hold(now);
            live.saved.show_report();
            live.publish()
        });
        match is_published {
            None => return,
            Some(true) => {
                if live.replica.in_hand().is_heard() {
                    changed.send_replace(());
                    bell::ring();
                }
            }
            Some(false) => {}
        }
        if live.replica.in_hand().is_secret() {
            news.iter_mut().for_each(wipe_values);
        }
        if live.is_settled() && !mem::replace(&mut has_settled, true) {
            claim.settle();
            if let Some(settings) = live.replica.in_hand().settings() {
                settings.settle();
                // Peers wait for it, whatever there is.
                changed.send_replace(());
            }
        }
        if !news.is_empty() {
            publish_at = Instant::now() + GATHER.max(began.elapsed() * PAUSE);
        }
        if live.replica.in_hand().wants_list() && listed.elapsed() > LIST_PERIOD {
            // Those that were left out are not kept anywhere but in etcd.
            (following, updates) = follow();
            listed = Instant::now();
        }
    }
}

/// Overwrites the values that came with an update.
fn wipe_values(update: &mut Update) {
    match update {
        Update::Listed { items, .. } => items.iter_mut().for_each(|item| wipe(&mut item.value)),
        Update::Changed { events, .. } => events.iter_mut().for_each(|event| match event {
            Event::Put(item) => wipe(&mut item.value),
            Event::Delete { .. } => {}
        }),
        _ => {}
    }
}

/// The keys, as the watcher keeps them.
struct FollowedValues {
    messages: Messages,
    memory: LiveMemory,
    replica: Replica<Box<dyn Content>>,
    malformed: MalformedKeys,
    /// At which revision the values in hand came to be others than those in shared memory, if they
    /// are.
    changed_at: Option<i64>,
    contact: Contact,
    saved: SavedValues,
    has_listed: bool,
    /// There are more keys than are taken.
    is_refused: bool,
    lines: Lines,
}

impl FollowedValues {
    fn new(
        cluster_name: Rc<str>,
        plan: LivePlan,
        outages: UnboundedSender<OutageReport>,
        lines: Lines,
    ) -> Self {
        let LivePlan { messages, memory, content, state } = plan;
        let watched = Watched { keys: messages.watched(), noun: messages.nouns.values };
        let contact = Contact::new(cluster_name, watched, outages, lines.clone());
        let mut replica = Replica::new(content.restored(&memory), memory.state.origin(), HOLD);
        if let Some(holding) = memory.state.holding() {
            replica = replica.resume(holding);
        }
        Self {
            messages,
            memory,
            replica,
            malformed: MalformedKeys::default(),
            changed_at: None,
            contact,
            saved: SavedValues::new(memory, state),
            has_listed: false,
            is_refused: false,
            lines,
        }
    }

    /// Whether something will have to be done soon of which nobody tells.
    fn is_waiting(&self) -> bool {
        self.replica.holding().is_some() || self.replica.in_hand().wants_list()
    }

    /// Whether the keys were listed, or cannot be just now.
    fn is_settled(&self) -> bool {
        self.has_listed || self.is_refused || self.contact.is_lost()
    }

    fn apply_update(&mut self, update: &Update, now: u64) {
        self.contact.note_update(update);
        match update {
            Update::Listed { cluster_id, revision, items, .. } => {
                let listed = Origin { cluster_id: *cluster_id, revision: *revision };
                self.apply_list(listed, items, now);
            }
            Update::Changed { revision, events, .. } => {
                self.replica.note_revision(*revision);
                let rejected: Vec<_> =
                    events.iter().flat_map(|event| self.apply_event(event)).collect();
                malformed_keys::log(&rejected, &self.messages, self.memory.state, &self.lines);
            }
            Update::Alive { revision } => self.replica.note_revision(*revision),
            Update::Lost { cause: Cause::TooLarge, reason } | Update::Limited { reason } => {
                // What is in hand stays, and neither a new value nor a deletion acts: the status is
                // to say so.
                self.is_refused = true;
                self.memory.state.reject(reason, hash_of(reason));
            }
            Update::Lost { .. } | Update::Noted { .. } => {}
        }
    }

    fn apply_list(&mut self, listed: Origin, items: &[Item], now: u64) {
        (self.is_refused, self.has_listed) = (false, true);
        let known = mem::take(&mut self.malformed);
        let listing = self.replica.list(listed, now, |in_hand| in_hand.successor());
        let update = self.replica.newest_mut().replace(items);
        let revision = match (&self.messages.keys, items) {
            (LiveKeys::One(_), [item]) => item.mod_revision,
            _ => listed.revision,
        };
        let mut rejected = self.note_update(update, revision);
        rejected.retain(|rejection| !known.has(rejection));
        rejected.extend(self.adopt_successor(revision));
        malformed_keys::log(&rejected, &self.messages, self.memory.state, &self.lines);
        if let Some(Holding { continuity, .. }) = self.replica.holding()
            && listing.begins_hold
        {
            self.lines.warn(self.messages.held(state_of_etcd(continuity), HOLD / 1_000));
        }
    }

    /// Returns what is rejected.
    fn apply_event(&mut self, event: &Event) -> Vec<RejectedValue> {
        let mut rejected = Vec::new();
        let revision = match event {
            Event::Put(item) => {
                let before = self.malformed.remove(&shown(&item.key));
                let update = self.replica.newest_mut().put(item);
                rejected = self.note_update(update, item.mod_revision);
                // The same value once more is no news, but one that comes after another is.
                if let Some(hash) = before.filter(|&it| rejected.iter().all(|new| new.hash != it)) {
                    self.memory.state.forget(hash);
                }
                item.mod_revision
            }
            Event::Delete { key, mod_revision } => {
                if let Some(hash) = self.malformed.remove(&shown(key)) {
                    self.memory.state.forget(hash);
                }
                let (is_changed, _) = self.replica.delete(|content| content.delete(key));
                self.note_change(is_changed, *mod_revision);
                *mod_revision
            }
        };
        rejected.extend(self.adopt_successor(revision));
        rejected
    }

    /// Notes what a list or a value has done to what follows etcd. Returns what is rejected of it.
    fn note_update(&mut self, update: ContentUpdate, revision: i64) -> Vec<RejectedValue> {
        let ContentUpdate { is_changed, rejected } = update;
        self.note_change(is_changed && self.replica.successor().is_none(), revision);
        rejected.iter().for_each(|rejection| self.malformed.add(rejection, &self.messages));
        rejected
    }

    /// Notes whether the values in hand have changed.
    fn note_change(&mut self, is_changed: bool, revision: i64) {
        if is_changed {
            self.changed_at = Some(revision);
        }
    }

    /// The successor takes the place of what is in hand, once it may, or nothing is in hand any
    /// more. Returns what is rejected of it.
    fn adopt_successor(&mut self, revision: i64) -> Vec<RejectedValue> {
        let has_initial = self.memory.holds_initial();
        let replaced = self
            .replica
            .adopt_if(|in_hand, new| new.is_replacement() || (in_hand.is_empty() && !has_initial));
        match replaced {
            Some(replaced) => self.note_adoption(replaced, revision),
            None => Vec::new(),
        }
    }

    /// The successor takes the place of what is in hand, if its time is over.
    fn end_hold(&mut self, now: u64) {
        let Some(replaced) = self.replica.end_hold(now, !self.contact.is_lost()) else { return };
        self.replica.in_hand_mut().drop_former();
        let etcd = state_of_etcd(replaced.continuity);
        self.lines.warn(self.messages.hold_ended(etcd, HOLD / 1_000));
        let rejected = self.note_adoption(replaced, self.revision());
        malformed_keys::log(&rejected, &self.messages, self.memory.state, &self.lines);
    }

    fn note_adoption(
        &mut self,
        replaced: Replaced<Box<dyn Content>>,
        revision: i64,
    ) -> Vec<RejectedValue> {
        let update = self.replica.in_hand_mut().succeed(replaced.former);
        self.note_update(update, revision)
    }

    /// With the right to write. Returns whether the values have changed. What is known of them
    /// comes after them: if this one ends in between, its successor takes the new values for the
    /// old etcd's, and not the old values for all that the new etcd has.
    fn publish(&mut self) -> bool {
        let is_first =
            !self.memory.is_written() && self.has_listed && self.replica.holding().is_none();
        let changed_at = self.changed_at.take().or(is_first.then(|| self.revision()));
        if let Some(revision) = changed_at {
            let source = self.replica.origin().map_or(0, |origin| origin.cluster_id);
            let revision = revision.unsigned_abs();
            let content = self.replica.in_hand_mut();
            // The first list is no change where it has nothing that is valid.
            let has_changed = !is_first || content.is_set();
            let tag = live_value::Tag { source, revision: if has_changed { revision } else { 0 } };
            content.publish(&self.memory, tag);
            self.lines.notice(self.messages.changed(&content.summary(), revision));
        }
        if self.has_listed {
            let (origin, holding) = (self.replica.origin(), self.replica.holding());
            self.memory.state.store_origin(origin, holding);
            // Not while those in hand are not etcd's own.
            if holding.is_none() {
                self.saved.offer(origin);
            }
            if !self.is_refused {
                self.malformed.show(self.memory.state);
            }
        }
        changed_at.is_some()
    }

    /// etcd's revision.
    fn revision(&self) -> i64 {
        self.replica.latest().map_or(0, |latest| latest.revision)
    }
}
