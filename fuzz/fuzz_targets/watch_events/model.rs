//! What the members should be: etcd's keys, and the last good value of each.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use etcd_client::proto::{PbEvent, PbWatchResponse};
use upstream_peers::{
    Allow, KeyContent, OwnParameters, Parameters, Peer, Reading, SocketAddress, Source, Target,
    Value, parse_value,
};

use crate::follower::{CLUSTER, LISTED, PREFIX, resolve};

const PUT: i32 = 0;
const DELETE: i32 = 1;

pub struct Model {
    allow: Allow,
    /// The values, with the revisions at which the keys were made.
    current: BTreeMap<Vec<u8>, (Vec<u8>, i64)>,
    good: BTreeMap<Vec<u8>, Good>,
}

/// What a good value says.
enum Good {
    /// The name of its peers, and the servers.
    Servers(String, Vec<Value>),
    /// The weight of another key's.
    Setting(Option<u32>),
}

impl Model {
    pub fn new(allow: Allow) -> Self {
        Self { allow, current: BTreeMap::new(), good: BTreeMap::new() }
    }

    /// Whether a response is one that a watch goes on after.
    pub fn makes_sense(&self, response: &PbWatchResponse, is_first: bool) -> bool {
        let is_of_the_prefix = |event: &PbEvent| {
            let is_known = event.r#type == PUT || event.r#type == DELETE;
            is_known && event.kv.as_ref().is_some_and(|pair| pair.key.starts_with(PREFIX))
        };
        let Some(header) = &response.header else { return false };
        header.cluster_id == CLUSTER
            && !response.canceled
            && response.compact_revision == 0
            && response.events.iter().all(is_of_the_prefix)
            && (!is_first
                || response.created && response.events.is_empty() && header.revision >= LISTED)
    }

    pub fn apply(&mut self, events: Vec<PbEvent>) {
        for event in events {
            let Some(pair) = event.kv else { continue };
            let key = pair.key[PREFIX.len()..].to_vec();
            if event.r#type == PUT {
                self.current.insert(key.clone(), (pair.value, pair.create_revision));
                self.see(key);
            } else {
                self.current.remove(&key);
                self.good.remove(&key);
            }
        }
    }

    fn see(&mut self, key: Vec<u8>) {
        if let Some(value) = self.value(&key) {
            self.good.insert(key, value);
        }
    }

    /// What the current value says, if it is a good one.
    fn value(&self, key: &[u8]) -> Option<Good> {
        let key_text = str::from_utf8(key).ok()?;
        match parse_value(key_text, &self.current[key].0, &Reading::default()).ok()? {
            KeyContent::Setting { weight, .. } => Some(Good::Setting(weight)),
            KeyContent::Servers { name, values } => {
                let is_permitted = |value: &Value| match &value.target {
                    Target::Address(address) => self.allow.permits(address),
                    Target::Name { .. } => true,
                };
                let is_good = values.iter().all(is_permitted);
                is_good.then(|| Good::Servers(name.to_owned(), values))
            }
        }
    }

    /// The list is what was told.
    pub fn list(&mut self) {
        self.good.retain(|key, _| self.current.contains_key(key));
        let keys: Vec<_> = self.current.keys().cloned().collect();
        keys.into_iter().for_each(|key| self.see(key));
    }

    pub fn current(&self) -> impl Iterator<Item = (&[u8], &[u8], i64)> {
        self.current.iter().map(|(key, (value, made))| (&key[..], &value[..], *made))
    }

    pub fn rejected(&self) -> usize {
        self.current.keys().filter(|key| self.value(key).is_none()).count()
    }

    pub fn good(&self) -> usize {
        self.good.values().filter(|good| matches!(good, Good::Servers(..))).count()
    }

    /// What another key sets.
    fn weight(&self, key: &[u8], name: &str) -> Option<u32> {
        let is_beside = key.ends_with(b"/url") && key != name.as_bytes();
        match self.good.get(format!("{name}/weight").as_bytes()) {
            Some(&Good::Setting(weight)) if is_beside => weight,
            _ => None,
        }
    }

    pub fn peers(&self) -> Vec<Peer> {
        let servers = || {
            self.good.iter().filter_map(|(key, good)| match good {
                Good::Servers(name, values) => Some((key, name, values)),
                Good::Setting(_) => None,
            })
        };
        let all = servers().flat_map(|(_, _, values)| values);
        let first = all.map(|value| value.priority).min().unwrap_or_default();
        let mut peers = Vec::new();
        for (key, name, values) in servers() {
            let mut addresses: BTreeMap<SocketAddress, &Value> = BTreeMap::new();
            for value in values {
                match &value.target {
                    Target::Address(address) => {
                        addresses.entry(address.clone()).or_insert(value);
                    }
                    Target::Name { host, port } => {
                        for ip in resolve(host).into_iter().filter(|&ip| self.allow.permits_ip(ip))
                        {
                            let address = SocketAddress::Ip((ip, *port).into());
                            addresses.entry(address).or_insert(value);
                        }
                    }
                }
            }
            peers.extend(addresses.into_iter().map(|(address, value)| {
                let mut overrides = value.overrides.clone();
                overrides.weight = overrides.weight.or(self.weight(key, name));
                let mut parameters = overrides.apply(Parameters::default());
                let is_standby = value.priority > first && !parameters.backup;
                parameters.backup |= is_standby;
                Peer {
                    key: name.as_str().into(),
                    address,
                    server: value.server.as_str().into(),
                    parameters,
                    own: OwnParameters::of(&overrides),
                    route: overrides.route,
                    labels: value.labels.clone(),
                    create_revision: self.current[key].1,
                    source: Source {
                        key: (key.as_slice() != name.as_bytes())
                            .then(|| String::from_utf8_lossy(key).into()),
                        priority: value.priority,
                        is_standby,
                        scheme: value.scheme.clone(),
                    },
                }
            }));
        }
        peers.sort_by_key(|peer| {
            (peer.key.clone(), peer.address.clone(), Reverse(peer.create_revision))
        });
        peers.dedup_by(|later, first| later.key == first.key && later.address == first.address);
        peers
    }
}
