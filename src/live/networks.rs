//! `etcd_geo`: whether the client is in a network that a key below a prefix names.

use core::{any::Any, net::IpAddr};
use std::collections::BTreeMap;

use client_networks::{NamedNetworks, NetworkError, NetworksUpdate, count_in, is_in};
use etcd_watch::{Item, Limits, Origin};
use live_value::{
    Tag, WordsReading,
    messages::{LiveKeys, Nouns},
};

use super::{
    content::{Content, ContentUpdate, RejectedValue, hash_of},
    kind::{Figure, LiveKind, Request, Source, Value, VariableKind},
    memory::LiveMemory,
};
use crate::config::GeoConf;

/// How much of a prefix is taken: more than the networks of any provider.
const LIMITS: Limits =
    Limits { keys: 200_000, bytes: 64 << 20, remedy: "delete keys that are not needed" };

impl LiveKind for GeoConf {
    fn source(&self) -> Source<'_> {
        Source {
            directive: "etcd_geo",
            name: &self.name,
            cluster: &self.cluster,
            keys: LiveKeys::Prefix(self.prefix.clone()),
            place: &self.place,
        }
    }

    fn is_same(&self, other: &dyn LiveKind) -> bool {
        (other as &dyn Any).downcast_ref().is_some_and(|other| self.says_the_same(other))
    }

    fn zone_size(&self) -> usize {
        self.zone_size
    }

    /// Networks that let in all are nothing to hold.
    fn initial_origin(&self) -> Option<Origin> {
        let (cluster_id, revision) = self.origin?;
        let is_held = self.initial.as_ref().is_none_or(|initial| initial.count > 0);
        is_held.then_some(Origin { cluster_id, revision: revision.cast_signed() })
    }

    fn content(&self, memory: LiveMemory) -> Box<dyn Content> {
        Box::new(Networks::new(&self.prefix, memory.room()))
    }

    fn figures(&self, memory: &LiveMemory) -> BTreeMap<&'static str, Figure> {
        let initial = || self.initial.as_ref().map_or(0, |initial| initial.count);
        let count = match memory.read(count_in) {
            Ok(WordsReading { value: Some(count), .. }) => count,
            Ok(WordsReading { generation: 0, .. }) => initial(),
            Ok(_) | Err(_) => 0,
        };
        BTreeMap::from([("networks", Figure::Number(count))])
    }
}

impl VariableKind for GeoConf {
    fn look_up<'r, R: Request>(
        &'static self,
        memory: Option<&LiveMemory>,
        request: &'r R,
    ) -> Value<'r> {
        match memory.and_then(|memory| is_inside(self, memory, request.client())) {
            Some(true) => Value::Text(b"1"),
            Some(false) => Value::Text(b"0"),
            None => Value::Nothing,
        }
    }
}

/// `None` where nothing could be read: the request must not pass for one that is allowed.
fn is_inside(conf: &GeoConf, memory: &LiveMemory, client: Option<IpAddr>) -> Option<bool> {
    // A client at a unix socket is in no network.
    let found = memory.read(|table| client.is_some_and(|address| is_in(table, address))).ok()?;
    Some(match found.value {
        Some(is_inside) => is_inside,
        // Of the same look: a second look might find that etcd was read meanwhile, and its networks
        // would pass for none.
        None if found.generation != 0 => conf.empty,
        None => match &conf.initial {
            // That nothing is known is not that there are none.
            None => false,
            Some(initial) if initial.ranges.is_empty() => conf.empty,
            Some(initial) => client.is_some_and(|address| initial.ranges.contains(address)),
        },
    })
}

/// The networks that the keys name, with the keys.
#[derive(Debug)]
struct Networks {
    prefix: String,
    /// Words that they may take.
    room: usize,
    networks: NamedNetworks,
}

impl Networks {
    fn new(prefix: &str, room: usize) -> Self {
        let networks = NamedNetworks::with_room(room);
        Self { prefix: prefix.to_owned(), room, networks }
    }

    /// As they lie in shared memory; `None` where there is nothing.
    fn encode(&self) -> Option<Vec<u64>> {
        // Keys that name nothing that could be read are not none: nobody is let in for them.
        (!self.networks.is_empty()).then(|| self.networks.to_table())
    }

    fn update(&self, update: NetworksUpdate) -> ContentUpdate {
        let rejected = update.rejected.into_iter().map(|rejected| {
            let mut reason = rejected.error.to_string();
            if rejected.error == NetworkError::KeyEmpty {
                let prefix = &self.prefix;
                reason +=
                    &format!(": put networks into keys such as {prefix}NAME, and delete this key");
            }
            let hash = hash_of((&rejected.key, &reason));
            RejectedValue { key: rejected.key, reason, hash }
        });
        ContentUpdate { is_changed: update.changed, rejected: rejected.collect() }
    }
}

impl Content for Networks {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn nouns(&self) -> Nouns {
        Nouns {
            subject: "variable",
            values: "networks",
            kept: "current networks are kept",
            removed: "current networks are removed",
            one: "network",
            last_valid: "the key's last valid networks are kept, if any",
        }
    }

    fn successor(&self) -> Box<dyn Content> {
        Box::new(Self::new(&self.prefix, self.room))
    }

    fn restore(&self, memory: &LiveMemory) -> Option<Box<dyn Content>> {
        let restored = memory.read(|words| {
            let mut restored = Self::new(&self.prefix, self.room);
            restored.networks.go_on(words);
            restored
        });
        Some(Box::new(restored.ok()?.value?))
    }

    fn publish(&mut self, memory: &LiveMemory, tag: Tag) {
        memory.write(self.encode().as_deref(), tag);
    }

    fn is_set(&self) -> bool {
        !self.networks.is_empty()
    }

    fn succeed(&mut self, former: Box<dyn Content>) -> ContentUpdate {
        let former = (&*former as &dyn Any).downcast_ref::<Self>();
        let is_changed = former.is_none_or(|former| former.encode() != self.encode());
        ContentUpdate { is_changed, rejected: Vec::new() }
    }

    fn replace(&mut self, items: &[Item]) -> ContentUpdate {
        let update =
            self.networks.replace(items.iter().map(|item| (&item.key[..], &item.value[..])));
        self.update(update)
    }

    fn put(&mut self, item: &Item) -> ContentUpdate {
        let update = self.networks.put(&item.key, &item.value);
        self.update(update)
    }

    fn delete(&mut self, key: &[u8]) -> bool {
        self.networks.delete(key)
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Keys that name no network do not take anybody's place.
    fn is_replacement(&self) -> bool {
        self.networks.count() > 0
    }

    fn wants_list(&self) -> bool {
        self.networks.has_room_again()
    }

    fn summary(&self) -> String {
        format!("{} networks", self.networks.count())
    }
}
