//! Networks that keys name, in shared memory.

use core::{net::IpAddr, ops::Deref, sync::atomic::AtomicU64};

use client_networks::{count_in, is_in};
use live_value::{Origin, SharedWords, TornRead, WordsReading};

use super::value_state::Known;
use crate::config::GeoConf;

/// What lies in shared memory of a prefix: the networks as a table in which clients are looked up,
/// and what is known of them. Each process has one of its own, which says where that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveNetworks {
    known: &'static Known<0>,
    table: SharedWords<'static>,
}

impl Deref for LiveNetworks {
    type Target = Known<0>;

    fn deref(&self) -> &Known<0> {
        self.known
    }
}

impl LiveNetworks {
    /// Those that lie there.
    pub(crate) fn new(known: &'static Known<0>, words: &'static [AtomicU64]) -> Self {
        Self { known, table: SharedWords::new(words) }
    }

    /// Whether etcd has ever said what there is: its first word is published, also where that is
    /// that there is nothing.
    pub(crate) fn has_been_heard(&self) -> bool {
        self.table.generation() != 0
    }

    /// Words that a table has at most.
    pub(crate) fn room(&self) -> usize {
        self.table.capacity()
    }

    /// Has `read` look at the table, where it lies.
    ///
    /// # Errors
    ///
    /// Where too much was written meanwhile.
    pub(crate) fn read<T>(
        &self,
        read: impl Fn(&[AtomicU64]) -> T,
    ) -> Result<WordsReading<T>, TornRead> {
        self.table.read(read)
    }

    /// Writes the last good networks, or that there are none.
    pub(crate) fn publish(&self, table: Option<&[u64]>, origin: Origin) {
        self.table.write(table, origin);
    }

    /// Goes on with those of a prefix's memory of another size.
    pub(crate) fn go_on(&self, old: &Self) {
        // Before the table: a table that is newer than what is known of it is compared with etcd
        // once more, an older one would pass for etcd's last word.
        self.known.go_on(old.known);
        let Ok(WordsReading { value, origin, generation }) = old.read(|words| {
            let mut networks = client_networks::NamedNetworks::with_room(self.room());
            networks.go_on(words);
            networks.to_table()
        }) else {
            return;
        };
        // What is written is heard.
        if generation != 0 {
            self.table.write(value.as_deref(), origin);
        }
    }
}

/// `None` where nothing could be read: the request must not pass for one that is allowed.
pub(crate) fn is_inside(
    conf: &GeoConf,
    live: &LiveNetworks,
    client: Option<IpAddr>,
) -> Option<bool> {
    // Whoever comes by a unix socket is in no network.
    let found = live.read(|table| client.is_some_and(|address| is_in(table, address))).ok()?;
    Some(match found.value {
        Some(is_inside) => is_inside,
        // Of the same look: whoever asked once more might find that etcd was heard meanwhile, and
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

/// How many networks there are, and the revision of the last change.
pub(crate) fn count(conf: &GeoConf, live: &LiveNetworks) -> (usize, u64) {
    let Ok(WordsReading { value, origin, generation }) = live.read(count_in) else { return (0, 0) };
    let initial = || conf.initial.as_ref().map_or(0, |initial| initial.count);
    (value.unwrap_or_else(|| if generation != 0 { 0 } else { initial() }), origin.revision)
}
