//! What the members should be: etcd's keys, and the last good value of each.

use std::collections::{BTreeMap, BTreeSet};

use etcd_client::proto::{PbEvent, PbWatchResponse};
use upstream_peers::{Allow, Parameters, Peer, SocketAddress, Target, Value, parse_value};

use crate::follower::{CLUSTER, LISTED, PREFIX, resolve};

const PUT: i32 = 0;
const DELETE: i32 = 1;

pub struct Model {
    allow: Allow,
    /// The values, with the revisions at which the keys were made.
    current: BTreeMap<Vec<u8>, (Vec<u8>, i64)>,
    good: BTreeMap<Vec<u8>, Value>,
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

    /// The current value, if it is a good one.
    fn value(&self, key: &[u8]) -> Option<Value> {
        let value = parse_value(str::from_utf8(key).ok()?, &self.current[key].0).ok()?;
        match &value.target {
            Target::Address(address) if !self.allow.permits(address) => None,
            _ => Some(value),
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
        self.good.len()
    }

    pub fn peers(&self) -> Vec<Peer> {
        let mut peers = Vec::new();
        for (key, value) in &self.good {
            let addresses: BTreeSet<SocketAddress> = match &value.target {
                Target::Address(address) => [address.clone()].into(),
                Target::Name { host, port } => {
                    let permitted =
                        resolve(host).into_iter().filter(|&ip| self.allow.permits_ip(ip));
                    permitted.map(|ip| SocketAddress::Ip((ip, *port).into())).collect()
                }
            };
            peers.extend(addresses.into_iter().map(|address| Peer {
                key: str::from_utf8(key).expect("a good key").into(),
                address,
                server: value.server.as_str().into(),
                parameters: value.overrides.apply(Parameters::default()),
                route: value.overrides.route.clone(),
                create_revision: self.current[key].1,
            }));
        }
        peers
    }
}
