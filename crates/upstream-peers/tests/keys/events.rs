//! Any sequence of events ends in the same table as a fresh list.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;
use upstream_peers::{Allow, Membership, Parameters, Peer, Reading, Target, parse_value};

const KEYS: [&str; 6] = ["a", "b", "a/b", "10.0.0.1:80", "", "b\n"];

const VALUES: [&str; 15] = [
    "10.0.0.1:80",
    "10.0.0.1",
    "10.0.0.2 weight=2",
    "10.0.0.2 down",
    "node.example",
    "node.example weight=3",
    "Other.example:81",
    r#"{"addr":"10.0.0.1"}"#,
    r#"{"nodes":{"10.0.0.1:80":1,"10.0.0.3:80":2,"node.example:80":1}}"#,
    r#"{"nodes":{"10.0.0.3:80":2,"node.example:80":3,"10.0.0.9:80":1}}"#,
    r#"{"nodes":{"other.example:81":1,"node.example:80":1}}"#,
    "",
    "{",
    "10.0.0.1:0",
    "{}",
];

#[derive(Clone, Debug)]
enum Event {
    Put(&'static str, &'static str),
    Delete(&'static str),
    /// The connection was lost: these events come as a list of what is there after them.
    Away(Vec<Event>),
}

fn event() -> impl Strategy<Value = Event> {
    let put =
        (select(&KEYS[..]), select(&VALUES[..])).prop_map(|(key, value)| Event::Put(key, value));
    let one = prop_oneof![3 => put, 1 => select(&KEYS[..]).prop_map(Event::Delete)];
    prop_oneof![8 => one.clone(), 1 => prop::collection::vec(one, 0..6).prop_map(Event::Away)]
}

/// etcd, and the rule of the last good value by itself.
#[derive(Clone, Default)]
struct Model {
    /// With the revision at which the key was made.
    current: BTreeMap<&'static str, (&'static str, i64)>,
    revision: i64,
    good: BTreeMap<&'static str, &'static str>,
    allow: Allow,
}

impl Model {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Put(key, value) => {
                self.revision += 1;
                let made = self.current.get(key).map_or(self.revision, |&(_, made)| made);
                self.current.insert(key, (value, made));
                self.see(key);
            }
            Event::Delete(key) => {
                self.revision += 1;
                self.current.remove(key);
                self.good.remove(key);
            }
            Event::Away(events) => {
                let mut after = Self { good: BTreeMap::new(), ..self.clone() };
                events.iter().for_each(|event| after.apply(event));
                (self.current, self.revision) = (after.current, after.revision);
                self.good.retain(|key, _| self.current.contains_key(key));
                let keys: Vec<_> = self.current.keys().copied().collect();
                keys.into_iter().for_each(|key| self.see(key));
            }
        }
    }

    fn see(&mut self, key: &'static str) {
        let (value, _) = self.current[key];
        if self.is_good(key, value) {
            self.good.insert(key, value);
        }
    }

    fn is_good(&self, key: &str, value: &str) -> bool {
        let content = parse_value(key, value.as_bytes(), &Reading::default());
        content.is_ok_and(|content| {
            content.into_values().iter().all(|value| match &value.target {
                Target::Address(address) => self.allow.permits(address),
                Target::Name { .. } => true,
            })
        })
    }

    fn rejected(&self) -> Vec<&str> {
        let bad = self.current.iter().filter(|(key, (value, _))| !self.is_good(key, value));
        bad.map(|(key, _)| *key).collect()
    }

    fn list(&self) -> Vec<(&[u8], &[u8], i64)> {
        self.current
            .iter()
            .map(|(key, (value, made))| (key.as_bytes(), value.as_bytes(), *made))
            .collect()
    }

    /// The list without malformed values.
    fn good_list(&self) -> Vec<(&[u8], &[u8], i64)> {
        let made = |key| self.current[key].1;
        self.good.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes(), made(key))).collect()
    }
}

fn resolve(host: &str) -> [IpAddr; 2] {
    [[10, 9, 0, host.len() as u8].into(), [10, 9, 0, 1].into()]
}

fn peers(members: &Membership) -> Vec<Peer> {
    members.peers(resolve)
}

/// Everywhere; or where some values and a part of each name's addresses are outside.
fn allow() -> impl Strategy<Value = Allow> {
    select(vec![vec![], vec!["10.0.0.1", "10.9.0.1"]]).prop_map(|words| {
        let mut allow = Allow::default();
        assert!(words.into_iter().all(|word| allow.add(word).is_ok()));
        allow
    })
}

proptest! {
    #[test]
    fn any_sequence_ends_as_a_fresh_list(
        events in prop::collection::vec(event(), 0..60),
        allow in allow(),
    ) {
        let mut model = Model { allow: allow.clone(), ..Model::default() };
        let mut members = Membership::new(Parameters::default()).within(allow.clone());
        for event in &events {
            model.apply(event);
            let before = peers(&members);
            let total = members.rejected_total();
            let outcome = match event {
                Event::Put(key, value) => {
                    members.put(key.as_bytes(), value.as_bytes(), model.current[key].1)
                }
                Event::Delete(key) => members.delete(key.as_bytes()),
                Event::Away(_) => members.replace(model.list()),
            };
            prop_assert_eq!(outcome.changed, peers(&members) != before, "{:?}", event);
            prop_assert_eq!(members.rejected_total() - total, outcome.rejected.len() as u64);
            prop_assert!(peers(&members).iter().all(|peer| allow.permits(&peer.address)));
        }

        let mut fresh = Membership::new(Parameters::default()).within(allow);
        let _ = fresh.replace(model.good_list());
        prop_assert_eq!(peers(&members), peers(&fresh));
        prop_assert!(members.names().eq(fresh.names()));
        prop_assert_eq!(members.len(), fresh.len());

        let mut rejected: Vec<_> =
            members.rejected().map(|(key, _)| key.replace("\\n", "\n")).collect();
        rejected.sort_unstable();
        prop_assert_eq!(rejected, model.rejected());

        // What is there written again, and listed again, is neither a change nor news.
        for (key, value, made) in model.list() {
            let outcome = members.put(key, value, made);
            prop_assert!(!outcome.changed && outcome.rejected.is_empty());
        }
        let outcome = members.replace(model.list());
        prop_assert!(!outcome.changed && outcome.rejected.is_empty());
        prop_assert_eq!(peers(&members), peers(&fresh));
    }
}
