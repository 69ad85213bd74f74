//! `etcd_geo`: whether the client is in a network that a key below a prefix names.

use core::{net::IpAddr, sync::atomic::AtomicU64};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
};

use client_networks::{NamedNetworks, NetworkError, NetworksUpdate, count_in, is_in};
use etcd_watch::{Item, Keys, Limits, Origin};
use live_value::{WordsReading, messages::Nouns};

use super::{
    kind::{Content, ContentUpdate, Figure, LiveKind, Rejection, Request, Source, Value},
    memory::LiveMemory,
};
use crate::config::GeoConf;

/// How much of a prefix is taken: more than the networks of any provider.
const LIMITS: Limits =
    Limits { keys: 200_000, bytes: 64 << 20, remedy: "delete those that are no networks of yours" };

impl LiveKind for GeoConf {
    fn source(&self) -> Source<'_> {
        Source {
            directive: "etcd_geo",
            name: &self.name,
            cluster: &self.cluster,
            // The prefix itself is a key that somebody has written about it, and that names nobody.
            keys: Keys::Beginning(self.prefix.clone()),
            place: &self.place,
        }
    }

    fn zone_size(&self) -> usize {
        self.zone_size
    }

    fn origin(&self) -> Option<Origin> {
        let (cluster_id, revision) = self.origin?;
        Some(Origin { cluster_id, revision: revision.cast_signed() })
    }

    /// It must be known of which etcd they are, and they must let in fewer than all.
    fn holds_initial(&self) -> bool {
        self.origin.is_some() && self.initial.as_ref().is_none_or(|initial| initial.count > 0)
    }

    fn content(&self, room: usize) -> Box<dyn Content> {
        let networks = NamedNetworks::with_room(room);
        Box::new(Networks { prefix: self.prefix.clone(), room, networks })
    }

    fn look_up(
        &self,
        memory: Option<LiveMemory>,
        request: &dyn Request,
        give: &mut dyn FnMut(Value<'_>),
    ) {
        let is_inside = memory.and_then(|memory| is_inside(self, memory, request.client()));
        let text = |is_inside| if is_inside { "1" } else { "0" };
        give(is_inside.map_or(Value::Nothing, |is_inside| Value::Lasting(text(is_inside))));
    }

    fn figures(&self, memory: LiveMemory) -> BTreeMap<&'static str, Figure> {
        let initial = || self.initial.as_ref().map_or(0, |initial| initial.count);
        let count = match memory.read(count_in) {
            Ok(WordsReading { value: Some(count), .. }) => count,
            Ok(WordsReading { generation: 0, .. }) => initial(),
            Ok(_) | Err(_) => 0,
        };
        BTreeMap::from([("networks", Figure::Number(count))])
    }
}

/// `None` where nothing could be read: the request must not pass for one that is allowed.
fn is_inside(conf: &GeoConf, memory: LiveMemory, client: Option<IpAddr>) -> Option<bool> {
    // Whoever comes by a unix socket is in no network.
    let found = memory.read(|table| client.is_some_and(|address| is_in(table, address))).ok()?;
    Some(match found.value {
        Some(is_inside) => is_inside,
        // Of the same look: whoever asked once more might find that etcd was read meanwhile, and
        // take its networks for none.
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
    fn update(&self, update: NetworksUpdate) -> ContentUpdate {
        let rejected = update.rejected.into_iter().map(|rejected| {
            let mut reason = rejected.error.to_string();
            if rejected.error == NetworkError::KeyEmpty {
                let prefix = &self.prefix;
                reason +=
                    &format!(": write networks to keys such as {prefix}NAME, and delete this one");
            }
            let mut hasher = DefaultHasher::new();
            hasher.write(rejected.key.as_bytes());
            hasher.write(reason.as_bytes());
            Rejection { key: rejected.key, reason, hash: hasher.finish() }
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
            in_hand: "the networks in hand stay",
            one: "a network",
            last_good: "its last good networks stay, and where it never had any it names nobody",
        }
    }

    fn successor(&self) -> Box<dyn Content> {
        let networks = NamedNetworks::with_room(self.room);
        Box::new(Self { prefix: self.prefix.clone(), room: self.room, networks })
    }

    fn restore(&mut self, words: &[AtomicU64]) {
        self.networks.go_on(words);
    }

    fn encode(&self) -> Option<Vec<u64>> {
        // Keys that name nothing that could be read are not none: nobody is let in for them.
        (!self.networks.is_empty()).then(|| self.networks.to_table())
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
