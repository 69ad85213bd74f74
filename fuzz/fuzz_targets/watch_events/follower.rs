//! Who follows etcd, as the module does, and is compared with the model.

use std::net::IpAddr;

use etcd_client::proto::{PbEvent, PbWatchResponse};
use etcd_watch::{Cause, Event, Update, fuzzing::Prefix};
use upstream_peers::{Allow, Membership, Parameters};

use crate::model::Model;

pub const PREFIX: &[u8] = b"/a/";
pub const CLUSTER: u64 = 9;
/// The revision of the list before each watch.
pub const LISTED: i64 = 10;

/// The longest reason that may come to a log, in bytes: what etcd says, what can be done about it,
/// and some words around them.
const LONGEST_REASON: usize = 1_000;

pub struct Follower {
    members: Membership,
    model: Model,
}

/// Each name has an address that is permitted, so that nothing needs to stand in.
pub fn resolve(host: &str) -> [IpAddr; 2] {
    [[10, 9, 0, host.len() as u8].into(), [10, 9, 0, 1].into()]
}

impl Follower {
    pub fn new(is_restricted: bool) -> Self {
        let mut allow = Allow::default();
        if is_restricted {
            for word in ["10.0.0.1", "10.9.0.1"] {
                assert!(allow.add(word).is_ok());
            }
        }
        let members = Membership::new(Parameters::default()).within(allow.clone());
        Self { members, model: Model::new(allow) }
    }

    /// Follows one watch to its end, and lists after it as after any trouble. Returns whether there
    /// was trouble before the end of the responses.
    pub fn watch(&mut self, responses: &mut dyn Iterator<Item = PbWatchResponse>) -> bool {
        let prefix = Prefix::new(PREFIX);
        let mut watch = prefix.watch(CLUSTER, LISTED);
        let mut told = LISTED;
        let mut is_first = true;
        let had_trouble = loop {
            let Some(response) = responses.next() else { break false };
            let makes_sense = self.model.makes_sense(&response, is_first);
            let events = response.events.clone();
            match watch.read(response) {
                Ok(update) => {
                    assert!(makes_sense, "{update:?}");
                    self.update(update, events, &mut told, is_first);
                }
                Err((cause, reason)) => {
                    assert!(!makes_sense, "{reason}");
                    assert!(
                        matches!(cause, Cause::Broken | Cause::Canceled | Cause::Compacted),
                        "{cause}"
                    );
                    assert!(
                        !reason.contains(char::is_control) && reason.len() <= LONGEST_REASON,
                        "{reason:?}"
                    );
                    break true;
                }
            }
            is_first = false;
        };
        self.list();
        had_trouble
    }

    fn update(&mut self, update: Update, heard: Vec<PbEvent>, told: &mut i64, is_first: bool) {
        match update {
            Update::Alive { revision } => {
                assert!(revision >= *told);
                *told = revision;
                assert!(heard.is_empty());
            }
            Update::Changed { revision, events, .. } => {
                assert!(!is_first && revision >= *told && !events.is_empty());
                *told = revision;
                for event in events {
                    let mod_revision = match &event {
                        Event::Put(item) => item.mod_revision,
                        Event::Delete { mod_revision, .. } => *mod_revision,
                    };
                    assert!(mod_revision <= revision);
                    self.apply(event);
                }
                self.model.apply(heard);
                self.compare();
            }
            Update::Listed { .. }
            | Update::Lost { .. }
            | Update::Limited { .. }
            | Update::Noted { .. } => {
                unreachable!("{update:?}")
            }
        }
    }

    fn apply(&mut self, event: Event) {
        let before = self.members.peers(resolve);
        let outcome = match event {
            Event::Put(item) => self.members.put(&item.key, &item.value, item.create_revision),
            Event::Delete { key, .. } => self.members.delete(&key),
        };
        assert_eq!(outcome.changed, self.members.peers(resolve) != before);
        for (key, reason) in outcome.rejected {
            let line = format!("{key} {reason}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }

    fn list(&mut self) {
        self.model.list();
        let _ = self.members.replace(self.model.current());
        self.compare();
    }

    fn compare(&self) {
        assert_eq!(self.members.peers(resolve), self.model.peers());
        assert_eq!(self.members.rejected().count(), self.model.rejected());
        assert_eq!(self.members.len(), self.model.good());
    }
}
