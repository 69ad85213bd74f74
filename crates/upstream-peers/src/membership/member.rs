//! One key of a prefix.

use std::net::IpAddr;
use std::sync::Arc;

use super::entry::{Entries, Entry, Given, Server};
use super::names::Names;
use super::tally::Counted;
use crate::address::{SocketAddress, Target};
use crate::parameters::Parameters;
use crate::value::ValueError;

/// What is known of a key: the peers it stands for, and what is wrong with its current value.
#[derive(Debug, Default)]
pub(super) struct Member {
    good: Good,
    /// The key's, whatever its value: a malformed value is written to a key that was made all the
    /// same.
    create_revision: i64,
    /// `None` if there is nothing of it, as with most keys.
    rest: Option<Box<Rest>>,
    /// As what the membership has counted it.
    pub(super) counted: Counted,
}

/// What few keys have.
#[derive(Debug, Default)]
struct Rest {
    rejection: Option<Rejection>,
    /// The name of the peers, if that is not the key.
    name: Option<Arc<str>>,
    /// The servers of the last good value that are not wanted.
    unselected: u32,
}

/// A value that was rejected. The value itself is not kept: it may be long, and is of no use.
#[derive(Debug)]
pub(super) struct Rejection {
    /// The value's hash, by which the same value is known again.
    pub(super) value: u64,
    pub(super) error: ValueError,
}

/// What a key's last good value says.
#[derive(Debug, Default)]
enum Good {
    /// It never had one.
    #[default]
    Never,
    /// Not known: these are the peers that it was found to have, in the order of their addresses.
    Seeded(Vec<Server>),
    /// Those of its servers that are wanted.
    Servers(Entries),
    /// No server, but perhaps the weight of one that another key names.
    Setting(Option<u32>),
}

impl Member {
    /// Takes a peer that was found, with its name if that is not the key.
    pub(super) fn seed(&mut self, server: Server, name: Option<Arc<str>>, create_revision: i64) {
        match &mut self.good {
            Good::Never | Good::Setting(_) => self.good = Good::Seeded(vec![server]),
            Good::Seeded(peers) => {
                match peers.binary_search_by(|other| other.address.cmp(&server.address)) {
                    Ok(place) => peers[place] = server,
                    Err(place) => peers.insert(place, server),
                }
            }
            Good::Servers(_) => return,
        }
        self.create_revision = create_revision;
        self.update_rest(|rest| rest.name = name);
    }

    /// Takes the weight that the peer which another key names was found to have.
    pub(super) fn seed_setting(&mut self, weight: u32) {
        if matches!(self.good, Good::Never) {
            self.good = Good::Setting(Some(weight));
        }
    }

    /// Forgets those of its peers known from before that are not wanted. Says whether there were
    /// any.
    pub(super) fn retain_seeded(&mut self, wants: impl Fn(&Server) -> bool) -> bool {
        let Good::Seeded(peers) = &mut self.good else { return false };
        let before = peers.len();
        peers.retain(wants);
        let is_changed = peers.len() != before;
        if peers.is_empty() {
            self.good = Good::Never;
        }
        is_changed
    }

    pub(super) fn create_revision(&self) -> i64 {
        self.create_revision
    }

    /// Says whether that makes other peers.
    pub(super) fn set_create_revision(&mut self, create_revision: i64) -> bool {
        std::mem::replace(&mut self.create_revision, create_revision) != create_revision
            && self.is_good()
    }

    /// The name of its peers, if that is not the key.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        self.rest.as_ref()?.name.as_ref()
    }

    /// Changes what few keys have.
    fn update_rest(&mut self, change: impl FnOnce(&mut Rest)) {
        let mut rest = self.rest.take().unwrap_or_default();
        change(&mut rest);
        let is_any = rest.rejection.is_some() || rest.name.is_some() || rest.unselected > 0;
        self.rest = is_any.then_some(rest);
    }

    /// The current value is a valid one, of which so many servers are not wanted.
    fn set_unselected(&mut self, unselected: usize) {
        if self.rest.is_some() || unselected > 0 {
            let unselected = u32::try_from(unselected).unwrap_or(u32::MAX);
            self.update_rest(|rest| (rest.rejection, rest.unselected) = (None, unselected));
        }
    }

    /// The name of its peers, if that is not the key. Says whether it is another one now.
    pub(super) fn set_name(&mut self, name: Option<&str>) -> bool {
        let is_other = self.name().map(|known| &**known) != name;
        if is_other {
            self.update_rest(|rest| rest.name = name.map(Arc::from));
        }
        is_other && self.is_good()
    }

    /// Takes a good value: the servers that are wanted, and the number of the others. Says whether
    /// the peers may be others now.
    pub(super) fn accept(
        &mut self,
        mut entries: Vec<Entry>,
        unselected: usize,
        names: &mut Names,
    ) -> bool {
        self.set_unselected(unselected);
        if self.good.means(&entries) {
            match &mut self.good {
                // They may say by themselves what the defaults have said so far, or the other way
                // round.
                Good::Servers(known) => {
                    for (known, entry) in known.iter_mut().zip(entries) {
                        known.parameters = entry.parameters;
                    }
                }
                // What a seeded key was found to have is what its value says.
                good => {
                    entries.iter_mut().for_each(|entry| good.share_text(entry));
                    *good = Good::Servers(entries.into());
                }
            }
            return false;
        }
        let previous = std::mem::take(&mut self.good);
        entries.iter().filter_map(Entry::host).for_each(|host| names.add(host));
        previous.release(names);
        let is_only = entries.len() == 1;
        for entry in &mut entries {
            previous.share_text(entry);
            entry.set_meanwhile(previous.meanwhile(entry, is_only));
        }
        let had_peers = previous.has_peers();
        self.good = Good::Servers(entries.into());
        had_peers || self.is_good()
    }

    /// Takes a value that names no server. Says whether peers are gone with the last one.
    pub(super) fn accept_setting(&mut self, weight: Option<u32>, names: &mut Names) -> bool {
        self.set_unselected(0);
        let previous = std::mem::replace(&mut self.good, Good::Setting(weight));
        previous.release(names);
        previous.has_peers()
    }

    /// The weight that it sets for the peer that another key names.
    pub(super) fn setting(&self) -> Option<u32> {
        match self.good {
            Good::Setting(weight) => weight,
            _ => None,
        }
    }

    /// Another key sets the weight of its servers. Says whether that makes other peers.
    pub(super) fn set_weight(&mut self, weight: Option<u32>, defaults: Parameters) -> bool {
        let set = |changed, given: &mut Given| changed | given.set_weight(weight, defaults);
        match &mut self.good {
            Good::Never | Good::Setting(_) => false,
            Good::Seeded(peers) => {
                peers.iter_mut().map(|peer| &mut peer.parameters).fold(false, set)
            }
            Good::Servers(entries) => {
                entries.iter_mut().map(|entry| &mut entry.parameters).fold(false, set)
            }
        }
    }

    /// Other parameters for a value that does not set them. Says whether that makes other peers.
    pub(super) fn set_defaults(&mut self, defaults: Parameters) -> bool {
        let Good::Servers(entries) = &mut self.good else { return false };
        entries
            .iter_mut()
            .fold(false, |changed, entry| changed | entry.parameters.set_defaults(defaults))
    }

    /// Takes a malformed value. Says whether it is another than before.
    pub(super) fn reject(&mut self, rejection: Rejection) -> bool {
        let known = self.rest.as_ref().and_then(|rest| rest.rejection.as_ref());
        let is_new = known.is_none_or(|known| known.value != rejection.value);
        self.update_rest(|rest| rest.rejection = Some(rejection));
        is_new
    }

    /// The key is gone. Says whether peers are gone with it.
    pub(super) fn remove(&self, names: &mut Names) -> bool {
        self.good.release(names);
        self.is_good()
    }

    /// The key is there again, as it was. Says whether peers are there with it.
    pub(super) fn put_back(&self, names: &mut Names) -> bool {
        self.hosts().for_each(|host| names.add(host));
        self.is_good()
    }

    /// Whether it stands for peers.
    pub(super) fn is_good(&self) -> bool {
        self.good.has_peers()
    }

    /// What it is now, to be counted.
    pub(super) fn counted_now(&self) -> Counted {
        Counted {
            is_good: self.is_good(),
            is_rejected: self.rejected().is_some(),
            is_dependent: self.is_dependent(),
            unselected: self.unselected_now(),
        }
    }

    /// Whether its peers depend on more than its value: they have another name, or a host name, or
    /// a priority beside which those of others count.
    pub(super) fn is_dependent(&self) -> bool {
        self.name().is_some()
            || self.entries().iter().any(|entry| entry.priority() != 0 || entry.host().is_some())
            || self.seeded().iter().any(|peer| peer.priority != 0)
    }

    /// The servers of its current value, if that is valid, that are not wanted.
    pub(super) fn unselected(&self) -> usize {
        self.unselected_now() as usize
    }

    fn unselected_now(&self) -> u32 {
        self.rest.as_ref().filter(|rest| rest.rejection.is_none()).map_or(0, |rest| rest.unselected)
    }

    pub(super) fn rejected(&self) -> Option<&ValueError> {
        self.rest.as_ref()?.rejection.as_ref().map(|rejection| &rejection.error)
    }

    /// The servers that its value says.
    pub(super) fn entries(&self) -> &[Entry] {
        self.good.entries()
    }

    /// Its peers that were found, and of which no value is known.
    pub(super) fn seeded(&self) -> &[Server] {
        match &self.good {
            Good::Seeded(peers) => peers,
            Good::Never | Good::Servers(_) | Good::Setting(_) => &[],
        }
    }

    /// The host names that its value says.
    fn hosts(&self) -> impl Iterator<Item = &str> {
        self.entries().iter().filter_map(Entry::host)
    }

    /// Whether it has a server without an address.
    pub(super) fn is_unresolved<A: AsRef<[IpAddr]>>(&self, resolve: impl Fn(&str) -> A) -> bool {
        self.entries().iter().any(|entry| entry.is_unresolved(&resolve))
    }

    /// Calls `peer` for each address, in their order, each once; of a host name's only for the
    /// first one if `is_one`.
    pub(super) fn each_peer<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
        is_one: bool,
        mut peer: impl FnMut(Server),
    ) {
        match &self.good {
            Good::Never | Good::Setting(_) => {}
            Good::Seeded(peers) => {
                // Several addresses of one text are those of a host name.
                let is_later = |at: usize| peers[..at].iter().any(|it| it.text == peers[at].text);
                let used = (0..peers.len()).filter(|&at| !(is_one && is_later(at)));
                used.for_each(|at| peer(peers[at].clone()));
            }
            Good::Servers(entries) => match &entries[..] {
                [entry] => entry.each_peer(resolve, is_one, peer),
                entries => {
                    let mut servers = Vec::with_capacity(entries.len());
                    for entry in entries {
                        entry.each_peer(&resolve, is_one, |server| servers.push(server));
                    }
                    // Of several servers with one address the first one counts.
                    servers.sort_by(|one, other| one.address.cmp(&other.address));
                    servers.dedup_by(|later, first| later.address == first.address);
                    servers.into_iter().for_each(peer);
                }
            },
        }
    }
}

impl Good {
    fn entries(&self) -> &[Entry] {
        match self {
            Self::Servers(entries) => entries,
            Self::Never | Self::Seeded(_) | Self::Setting(_) => &[],
        }
    }

    fn has_peers(&self) -> bool {
        match self {
            Self::Never | Self::Setting(_) => false,
            Self::Seeded(peers) => !peers.is_empty(),
            Self::Servers(entries) => !entries.is_empty(),
        }
    }

    /// Whether the peers of these servers are those in hand.
    fn means(&self, entries: &[Entry]) -> bool {
        match self {
            Self::Never | Self::Setting(_) => false,
            Self::Seeded(peers) => {
                let is_known = |entry: &Entry| {
                    let Target::Address(address) = &entry.target else { return false };
                    let place = peers.binary_search_by(|peer| peer.address.cmp(address));
                    place.is_ok_and(|place| entry.is_of(&peers[place]))
                };
                peers.len() == entries.len() && entries.iter().all(is_known)
            }
            Self::Servers(known) => {
                known.len() == entries.len()
                    && known.iter().zip(entries).all(|(known, entry)| known.means(entry))
            }
        }
    }

    fn release(&self, names: &mut Names) {
        self.entries().iter().filter_map(Entry::host).for_each(|host| names.remove(host));
    }

    /// Gives the entry its text as the string in hand, where that says the same.
    fn share_text(&self, entry: &mut Entry) {
        let text = |known: &&Arc<str>| ***known == *entry.text;
        let in_hand = match self {
            Self::Never | Self::Setting(_) => None,
            Self::Seeded(peers) => peers.iter().map(|server| &server.text).find(text),
            Self::Servers(entries) => entries.iter().map(|entry| &entry.text).find(text),
        };
        if let Some(known) = in_hand {
            entry.text = Arc::clone(known);
        }
    }

    /// The addresses that stand in for those of a server that comes next, `is_only` without others.
    /// Those of another name are not known here, and what stood in for it may be long gone.
    fn meanwhile(&self, next: &Entry, is_only: bool) -> Vec<SocketAddress> {
        let Some(host) = next.host() else { return Vec::new() };
        match self {
            Self::Never | Self::Setting(_) => Vec::new(),
            Self::Seeded(peers) => {
                let is_of = |server: &&Server| is_only || server.text == next.text;
                peers.iter().filter(is_of).map(|server| server.address.clone()).collect()
            }
            Self::Servers(entries) => {
                let same = entries.iter().find(|entry| entry.host() == Some(host));
                let address = |entry: &Entry| match &entry.target {
                    Target::Address(address) if is_only => Some(address.clone()),
                    _ => None,
                };
                match same {
                    Some(same) => same.meanwhile().to_vec(),
                    None => entries.iter().filter_map(address).collect(),
                }
            }
        }
    }
}
