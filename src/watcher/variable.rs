//! One key: what etcd says of it is the value of variables.

use std::{
    hash::{DefaultHasher, Hasher},
    rc::Rc,
    time::Duration,
};

use etcd_watch::{Cluster, Event, Item, Keys, Limits, Update};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use super::{
    claim::Claim, contact::Contact, following::Following, lines::Lines, plan::VariablePlan,
};
use crate::{
    config::{Kind, LONGEST_TIME},
    live::{HOLD, Live, MAX_VALUE_LENGTH, Succession},
};

/// How often the clock is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// Updates that may wait; more wait in etcd's stream.
pub(super) const MAX_WAITING: usize = 64;

/// Follows the key for as long as the lease is held; `changed` tells whoever goes by a variable
/// that one has changed.
pub(super) async fn serve(
    cluster_name: Rc<str>,
    cluster: Cluster,
    plan: VariablePlan,
    claim: Rc<Claim>,
    changed: Rc<watch::Sender<()>>,
    lines: Lines,
) {
    let (sender, mut updates) = mpsc::channel(MAX_WAITING);
    let mut following =
        Following::start(cluster, Keys::One(plan.key.clone()), Limits::default(), sender);
    let mut variable = Variable::new(cluster_name, plan, lines);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let update = tokio::select! {
            // Cancel safe: `recv` and `tick` give what they take in the same poll.
            update = updates.recv() => match update {
                Some(update) => Some(update),
                None => return following.ended().await,
            },
            _ = looks.tick() => None,
        };
        let done = match update {
            Some(update) => claim.publishing(|_| variable.update(&update)),
            None if variable.is_due() => claim.publishing(|_| variable.end_hold()),
            None => Some(()),
        };
        if done.is_none() {
            return;
        }
        if std::mem::take(&mut variable.is_changed) {
            changed.send_replace(());
        }
    }
}

/// Why a value is not taken.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
enum Rejection {
    #[error("the value has {0} bytes, more than 4096")]
    TooLong(usize),
    #[error("the value is not UTF-8")]
    NotUtf8,
    #[error("the value has a control character")]
    ControlCharacter,
    #[error("the value is no number between 0 and 4294967295")]
    NotANumber,
    #[error(
        "the value is no time as nginx writes it (30s, 500ms, 1m30s), of {} at most",
        LONGEST_TIME.1
    )]
    NotATime,
}

struct Variable {
    /// The names of the variables, as lines show them.
    names: String,
    key: String,
    live: &'static Live,
    kind: Kind,
    value: Option<Vec<u8>>,
    is_changed: bool,
    contact: Contact,
    has_listed: bool,
    lines: Lines,
}

impl Variable {
    fn new(cluster_name: Rc<str>, plan: VariablePlan, lines: Lines) -> Self {
        let VariablePlan { names, key, live, kind } = plan;
        let mut bytes = [0; MAX_VALUE_LENGTH];
        let length = live.value.read(&mut bytes).ok().and_then(|reading| reading.length);
        let value = length.map(|length| bytes[..length].to_vec());
        let names = names.join("\", \"");
        let contact = Contact::new(
            cluster_name,
            format!("the key \"{key}\""),
            "the value in hand stays",
            lines.clone(),
        );
        Self { names, key, live, kind, value, is_changed: true, contact, has_listed: false, lines }
    }

    fn update(&mut self, update: &Update) {
        self.contact.note_update(update);
        match update {
            Update::Listed { cluster_id, revision, items, .. } => {
                self.list(*cluster_id, *revision, items)
            }
            Update::Changed { revision, events } => {
                for event in events {
                    match event {
                        Event::Put(item) => self.put(item),
                        Event::Delete { mod_revision, .. } => {
                            self.unset(mod_revision.unsigned_abs())
                        }
                    }
                }
                self.live.note_revision(*revision);
            }
            Update::Alive { revision } => self.live.note_revision(*revision),
            Update::Lost { .. } | Update::Limited { .. } | Update::Noted { .. } => {}
        }
    }

    fn list(&mut self, cluster_id: u64, revision: i64, items: &[Item]) {
        let revision = revision.unsigned_abs();
        let succession = self.live.succession(cluster_id, revision);
        // What is held stays so for its time: the next watcher may find that the new etcd has come
        // past the old one's revision.
        let is_new = succession != Succession::GoesOn || self.live.is_held();
        self.has_listed = true;
        if let Some(item) = items.first() {
            self.live.go_on_from(cluster_id, revision);
            self.put(item);
        } else if is_new && self.value.is_some() {
            if self.live.hold() {
                let what = if succession == Succession::Another {
                    "another cluster"
                } else {
                    "an older state"
                };
                self.lines.warn(format!(
                    "etcd: variable \"{}\": etcd is {what} than before, without the key \"{}\"; \
                     the value in hand stays until it has it, at most for {} s",
                    self.names,
                    self.key,
                    HOLD / 1_000,
                ));
            }
        } else {
            self.live.go_on_from(cluster_id, revision);
            self.unset(revision);
        }
        if !self.live.has_been_heard() {
            // A variable that goes by what it had at the start goes by it no more, also where there
            // is nothing in its place.
            self.write(None, revision);
        }
    }

    fn put(&mut self, item: &Item) {
        self.live.release();
        let revision = item.mod_revision.unsigned_abs();
        match check(&item.value, self.kind) {
            Ok(value) => {
                self.live.accept();
                if self.value.as_deref() != Some(value) {
                    self.write(Some(value.to_vec()), revision);
                    self.lines.notice(format!(
                        "etcd: variable \"{}\": set ({} bytes), revision {revision}",
                        self.names,
                        value.len()
                    ));
                }
            }
            Err(rejection) => self.reject(&rejection.to_string(), hash(&item.value), revision),
        }
    }

    fn unset(&mut self, revision: u64) {
        self.live.release();
        self.live.accept();
        if self.value.is_some() {
            self.write(None, revision);
            self.lines
                .notice(format!("etcd: variable \"{}\": unset, revision {revision}", self.names));
        }
    }

    fn write(&mut self, value: Option<Vec<u8>>, revision: u64) {
        self.live.write(value.as_deref(), revision);
        self.value = value;
        self.is_changed = true;
    }

    /// The last good value stays. The same value is told of once, also where another watcher has
    /// done so.
    fn reject(&self, reason: &str, value: u64, revision: u64) {
        if self.live.reject(reason, value, revision) {
            self.lines.error(format!(
                "etcd: variable \"{}\": key \"{}\" rejected: {reason}; the last good value stays",
                self.names, self.key
            ));
        }
    }

    /// Whether the time is up for which the value outlives a wiped etcd. What etcd has is not known
    /// while it cannot be followed.
    fn is_due(&self) -> bool {
        self.has_listed && self.live.is_due() && !self.contact.is_lost()
    }

    fn end_hold(&mut self) {
        self.live.end_hold();
        self.unset(0);
    }
}

/// By which a rejected value is known again, also by another process of the same nginx.
pub(super) fn hash(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(value);
    hasher.finish()
}

/// The value as variables have it. A line break at its end, as files have one, is no part of it,
/// nor is space around what is no text.
fn check(value: &[u8], kind: Kind) -> Result<&[u8], Rejection> {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    if value.len() > MAX_VALUE_LENGTH {
        return Err(Rejection::TooLong(value.len()));
    }
    let value = if kind == Kind::Text { value } else { value.trim_ascii() };
    match str::from_utf8(value) {
        Err(_) => Err(Rejection::NotUtf8),
        // In a header, or a log, it could be the beginning of another one.
        Ok(text) if text.contains(char::is_control) => Err(Rejection::ControlCharacter),
        Ok(text) if kind.takes(text) => Ok(value),
        Ok(_) if kind == Kind::Time => Err(Rejection::NotATime),
        Ok(_) => Err(Rejection::NotANumber),
    }
}
