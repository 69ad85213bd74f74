//! One prefix whose keys name networks of clients.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use client_networks::{NamedNetworks, NetworkError, NetworksUpdate, shown};
use etcd_watch::{Cause, Cluster, Event, Item, Keys, Limits, Update};
use live_value::Origin;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    claim::Claim,
    contact::Contact,
    following::Following,
    lines::Lines,
    plan::GeoPlan,
    variable::{LOOK, MAX_WAITING, hash},
};
use crate::live::{HOLD, LiveNetworks, Succession};

/// How many keys of one list are told of as rejected; the rest is counted.
const TOLD: usize = 8;

/// How long a change waits for others that come with it: a script that writes a hundred keys makes
/// few publications, and who waits for one key does not notice.
const GATHER: Duration = Duration::from_millis(5);

/// How much of a prefix is taken: more than the networks of any provider.
const LIMITS: Limits =
    Limits { keys: 200_000, bytes: 64 << 20, remedy: "delete those that are no networks of yours" };

/// A publication of many networks takes long, and is followed by a pause of so many times its
/// length: what comes meanwhile is published together.
const PAUSE: u32 = 2;

/// How often at most a list is asked for, because networks that were left out have room now.
const LIST_PERIOD: Duration = Duration::from_secs(10);

/// Follows the prefix for as long as the lease is held.
pub(super) async fn serve(
    cluster_name: Rc<str>,
    cluster: Cluster,
    plan: GeoPlan,
    claim: Rc<Claim>,
    lines: Lines,
) {
    // The prefix itself is a key that somebody has written about it, and that names nobody.
    let keys = Keys::Beginning(plan.prefix.clone());
    let follow = || {
        let (sender, updates) = mpsc::channel(MAX_WAITING);
        (Following::start(cluster.clone(), keys.clone(), LIMITS, sender), updates)
    };
    let (mut following, mut updates) = follow();
    let mut listed = Instant::now();
    let mut geo = Geo::new(cluster_name, plan, lines);
    let mut has_settled = false;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = GATHER;
    loop {
        let mut news = Vec::new();
        tokio::select! {
            // Cancel safe: `recv` and `tick` give what they take in the same poll. What follows an
            // update is not a branch: nothing ends it.
            update = updates.recv() => {
                let Some(update) = update else { return following.ended().await };
                news.push(update);
                tokio::time::sleep(pause).await;
                while let Ok(update) = updates.try_recv() {
                    news.push(update);
                }
            }
            _ = looks.tick() => {}
        }
        // What is heard goes to shared memory bit by bit: all of it needs the right to write.
        let began = Instant::now();
        let done = claim.publishing(|_| {
            news.iter().for_each(|update| geo.update(update));
            geo.look_at_the_clock();
            geo.publish();
        });
        if done.is_none() {
            return;
        }
        let has_heard = geo.has_listed || geo.contact.is_lost();
        if has_heard && !std::mem::replace(&mut has_settled, true) {
            claim.settle();
        }
        if !news.is_empty() {
            pause = GATHER.max(began.elapsed() * PAUSE);
        }
        if geo.networks.has_room_again() && listed.elapsed() > LIST_PERIOD {
            // Those that were left out are not kept anywhere but in etcd.
            (following, updates) = follow();
            listed = Instant::now();
        }
    }
}

struct Geo {
    /// The names of the variables, as lines show them.
    names: String,
    prefix: String,
    live: LiveNetworks,
    /// Whether what is said before etcd has been heard outlives a wiped etcd.
    holds_initial: bool,
    networks: NamedNetworks,
    /// What another or a restored etcd has, and its id, while that is no network: those in hand
    /// stay.
    successor: Option<(u64, NamedNetworks)>,
    /// The cluster and the revision that what is in hand has come to be of.
    origin: Option<(u64, u64)>,
    revision: u64,
    /// Keys whose present values are no networks.
    malformed: BTreeSet<String>,
    is_changed: bool,
    contact: Contact,
    has_listed: bool,
    /// There are more keys than are taken.
    is_refused: bool,
    lines: Lines,
}

impl Geo {
    fn new(cluster_name: Rc<str>, plan: GeoPlan, lines: Lines) -> Self {
        let GeoPlan { names, prefix, live, holds_initial } = plan;
        let in_hand = live.read(|table| {
            let mut networks = NamedNetworks::with_room(live.room());
            networks.go_on(table);
            networks
        });
        let in_hand = in_hand.ok().and_then(|found| found.value);
        let contact = Contact::new(
            cluster_name,
            format!("the prefix \"{prefix}\""),
            "the networks in hand stay",
            lines.clone(),
        );
        Self {
            names: names.join("\", \""),
            prefix,
            live,
            holds_initial,
            networks: in_hand.unwrap_or_else(|| NamedNetworks::with_room(live.room())),
            successor: None,
            origin: None,
            revision: 0,
            malformed: BTreeSet::new(),
            is_changed: false,
            contact,
            has_listed: false,
            is_refused: false,
            lines,
        }
    }

    fn update(&mut self, update: &Update) {
        self.contact.note_update(update);
        match update {
            Update::Listed { cluster_id, revision, items, .. } => {
                self.is_refused = false;
                self.list(*cluster_id, *revision, items);
            }
            Update::Changed { revision, events } => {
                for event in events {
                    match event {
                        Event::Put(item) => self.put(item),
                        Event::Delete { key, .. } => self.delete(key),
                    }
                }
                self.revision = revision.unsigned_abs();
            }
            Update::Alive { revision } => self.revision = revision.unsigned_abs(),
            Update::Lost { cause: Cause::TooLarge, reason } | Update::Limited { reason } => {
                // What is in hand stays, and neither a new network nor a deletion acts: the status
                // is to say so.
                self.is_refused = true;
                self.live.reject(reason, hash(reason.as_bytes()), self.revision);
            }
            Update::Lost { .. } | Update::Noted { .. } => {}
        }
    }

    fn list(&mut self, cluster_id: u64, revision: i64, items: &[Item]) {
        self.revision = revision.unsigned_abs();
        let succession = self.live.succession(cluster_id, self.revision);
        let listed = || items.iter().map(|item| (&item.key[..], &item.value[..]));
        self.malformed.clear();
        self.has_listed = true;
        // What is held stays so for its time: the next watcher may find that the new etcd has come
        // past the old one's revision.
        let is_new = succession != Succession::GoesOn || self.live.is_held();
        if is_new && self.has_in_hand() {
            let mut successor = NamedNetworks::with_room(self.live.room());
            self.note(successor.replace(listed()));
            if successor.count() == 0 && self.live.hold() {
                let what = if succession == Succession::Another {
                    "another cluster"
                } else {
                    "an older state"
                };
                self.lines.warn(format!(
                    "etcd: variable \"{}\": etcd is {what} than before, without a network below \
                     \"{}\"; those in hand stay until it has one, at most for {} s",
                    self.names,
                    self.prefix,
                    HOLD / 1_000,
                ));
            }
            self.successor = Some((cluster_id, successor));
            self.adopt_successor();
            return;
        }
        self.successor = None;
        // What goes by the networks of the start goes by them no more.
        self.is_changed |= !self.live.has_been_heard();
        self.origin = Some((cluster_id, self.revision));
        let outcome = self.networks.replace(listed());
        self.is_changed |= outcome.changed;
        self.note(outcome);
    }

    /// Whether there is something that can outlive a wiped etcd.
    fn has_in_hand(&self) -> bool {
        !self.networks.is_empty() || (self.holds_initial && !self.live.has_been_heard())
    }

    /// The successor takes the place of what is in hand, once it has a network, or nothing is in
    /// hand any more.
    fn adopt_successor(&mut self) {
        let has_in_hand = self.has_in_hand();
        let is_taken =
            |(_, networks): &mut (u64, NamedNetworks)| networks.count() > 0 || !has_in_hand;
        if let Some((cluster_id, networks)) = self.successor.take_if(is_taken) {
            self.origin = Some((cluster_id, self.revision));
            self.is_changed |= networks != self.networks || !self.live.has_been_heard();
            self.networks = networks;
        }
    }

    fn put(&mut self, item: &Item) {
        self.malformed.remove(&shown(&item.key));
        let outcome = match &mut self.successor {
            Some((_, networks)) => networks.put(&item.key, &item.value),
            None => {
                let outcome = self.networks.put(&item.key, &item.value);
                self.is_changed |= outcome.changed;
                outcome
            }
        };
        self.note(outcome);
        self.adopt_successor();
    }

    fn delete(&mut self, key: &[u8]) {
        self.malformed.remove(&shown(key));
        if let Some((_, networks)) = &mut self.successor {
            networks.delete(key);
        }
        // Whoever deletes a key means it, whichever cluster the networks in hand came from.
        self.is_changed |= self.networks.delete(key);
        self.adopt_successor();
    }

    fn note(&mut self, outcome: NetworksUpdate) {
        let count = outcome.rejected.len();
        self.malformed.extend(outcome.rejected.iter().map(|rejected| rejected.key.clone()));
        for rejected in outcome.rejected.into_iter().take(TOLD) {
            let mut reason =
                format!("key \"{}{}\" rejected: {}", self.prefix, rejected.key, rejected.error);
            if rejected.error == NetworkError::KeyEmpty {
                reason += &format!(
                    ": write networks to keys such as {}NAME, and delete this one",
                    self.prefix
                );
            }
            if self.live.reject(&reason, hash(reason.as_bytes()), self.revision) {
                self.lines.error(format!(
                    "etcd: variable \"{}\": {reason}; its last good networks stay, and where it \
                     never had any it names nobody",
                    self.names
                ));
            }
        }
        if count > TOLD {
            self.lines.error(format!(
                "etcd: variable \"{}\": {} more keys rejected",
                self.names,
                count - TOLD
            ));
        }
    }

    /// The time is up for which the networks outlive a wiped etcd; what etcd has is not known while
    /// it cannot be followed.
    fn look_at_the_clock(&mut self) {
        if self.has_listed && self.live.is_due() && !self.contact.is_lost() {
            self.live.end_hold();
            self.live.release();
            let (cluster_id, networks) = self.successor.take().unzip();
            self.networks = networks.unwrap_or_else(|| NamedNetworks::with_room(self.live.room()));
            self.origin = cluster_id.map(|cluster_id| (cluster_id, self.revision));
            self.is_changed = true;
        }
    }

    /// With the right to write. What is known of the table comes after it: whoever goes on where
    /// this one ends in between holds the new table to be the old etcd's, and not the old table to
    /// be all that the new etcd has.
    fn publish(&mut self) {
        self.publish_table();
        if let Some((cluster_id, revision)) = self.origin.take() {
            self.live.go_on_from(cluster_id, revision);
            self.live.release();
        }
        self.live.note_revision(self.revision.cast_signed());
        if self.has_listed && self.malformed.is_empty() && !self.is_refused {
            self.live.accept();
        }
    }

    fn publish_table(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        // Keys that name nothing that could be read are not none: nobody is let in for them.
        let table = (!self.networks.is_empty()).then(|| self.networks.to_table());
        let cluster_id =
            self.origin.map_or_else(|| self.live.cluster_id(), |(cluster_id, _)| cluster_id);
        self.live.publish(table.as_deref(), Origin { cluster_id, revision: self.revision });
        self.lines.notice(format!(
            "etcd: variable \"{}\": {} networks, revision {}",
            self.names,
            self.networks.count(),
            self.revision
        ));
    }
}
