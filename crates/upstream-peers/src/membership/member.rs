//! One key of a prefix.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::address::{SocketAddress, Target};
use crate::parameters::{Overrides, Parameters};
use crate::value::ValueError;

/// What is known of a key: the peers it stands for, and what is wrong with its current value.
#[derive(Debug, Default)]
pub(super) struct Member {
    good: Good,
    rejection: Option<Rejection>,
    /// The key's, whatever its value: a malformed value is written to a key that was made all the
    /// same.
    create_revision: i64,
}

/// A value that was rejected. The value itself is not kept: it may be long, and is of no use.
#[derive(Debug)]
pub(super) struct Rejection {
    /// The value's hash, by which the same value is known again.
    pub(super) value: u64,
    pub(super) error: ValueError,
}

/// The parameters of a value.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Those that it sets.
    pub(super) overrides: Overrides,
    /// All of them.
    pub(super) all: Parameters,
}

impl Given {
    /// Those of a peer of which nothing else is known.
    pub(super) fn known(all: Parameters, route: Option<Arc<str>>) -> Self {
        Self { overrides: Overrides { route, ..Overrides::from(all) }, all }
    }

    /// Whether a peer of the one is as a peer of the other.
    fn mean(&self, other: &Self) -> bool {
        self.all == other.all && self.overrides.route == other.overrides.route
    }

    /// Says whether they are others now.
    fn set_defaults(&mut self, defaults: Parameters) -> bool {
        let all = self.overrides.apply(defaults);
        std::mem::replace(&mut self.all, all) != all
    }
}

/// What a `server` line says, for one address of a key.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddress,
    /// The server as written.
    pub(super) text: Arc<str>,
    pub(super) parameters: Given,
}

/// What a key's last good value says.
#[derive(Debug, Default)]
enum Good {
    /// It never had one.
    #[default]
    Never,
    /// Not known: these are the peers that it was found to have, in the order of their addresses.
    Seeded(Vec<Server>),
    Address(Server),
    Name {
        host: String,
        port: u16,
        text: Arc<str>,
        parameters: Given,
        /// Addresses that stand in while the name has none.
        meanwhile: Vec<SocketAddress>,
    },
}

impl Member {
    pub(super) fn seed(&mut self, server: Server, create_revision: i64) {
        match &mut self.good {
            Good::Never => self.good = Good::Seeded(vec![server]),
            Good::Seeded(peers) => {
                match peers.binary_search_by(|other| other.address.cmp(&server.address)) {
                    Ok(place) => peers[place] = server,
                    Err(place) => peers.insert(place, server),
                }
            }
            Good::Address(..) | Good::Name { .. } => return,
        }
        self.create_revision = create_revision;
    }

    pub(super) fn create_revision(&self) -> i64 {
        self.create_revision
    }

    /// Says whether that makes other peers.
    pub(super) fn set_create_revision(&mut self, create_revision: i64) -> bool {
        std::mem::replace(&mut self.create_revision, create_revision) != create_revision
            && self.is_good()
    }

    /// Takes a good value. Says whether the peers may be others now.
    pub(super) fn accept(
        &mut self,
        target: Target,
        text: &str,
        parameters: Given,
        names: &mut Names,
    ) -> bool {
        self.rejection = None;
        if self.good.means(&target, text, &parameters) {
            // What a seeded key was found to have is what its value says.
            if let Good::Seeded(peers) = &mut self.good
                && let Some(server) = peers.pop()
            {
                self.good = Good::Address(server);
            }
            // They may say by themselves what the defaults have said so far, or the other way
            // round.
            if let Some(known) = self.good.parameters() {
                *known = parameters;
            }
            return false;
        }
        let previous = std::mem::take(&mut self.good);
        if let Target::Name { host, .. } = &target {
            names.add(host);
        }
        previous.release(names);
        let text = previous.shared(text);
        self.good = match target {
            Target::Address(address) => Good::Address(Server { address, text, parameters }),
            Target::Name { host, port } => {
                let meanwhile = previous.meanwhile(&host);
                Good::Name { host, port, text, parameters, meanwhile }
            }
        };
        true
    }

    /// Other parameters for a value that does not set them. Says whether that makes other peers.
    pub(super) fn set_defaults(&mut self, defaults: Parameters) -> bool {
        self.good.parameters().is_some_and(|parameters| parameters.set_defaults(defaults))
    }

    /// Takes a malformed value. Says whether it is another than before.
    pub(super) fn reject(&mut self, rejection: Rejection) -> bool {
        let is_new = self.rejection.as_ref().is_none_or(|known| known.value != rejection.value);
        self.rejection = Some(rejection);
        is_new
    }

    /// The key is gone. Says whether peers are gone with it.
    pub(super) fn remove(&self, names: &mut Names) -> bool {
        self.good.release(names);
        self.is_good()
    }

    /// The key is there again, as it was. Says whether peers are there with it.
    pub(super) fn put_back(&self, names: &mut Names) -> bool {
        if let Good::Name { host, .. } = &self.good {
            names.add(host);
        }
        self.is_good()
    }

    pub(super) fn is_good(&self) -> bool {
        !matches!(self.good, Good::Never)
    }

    pub(super) fn rejected(&self) -> Option<&ValueError> {
        self.rejection.as_ref().map(|rejection| &rejection.error)
    }

    /// The host name that its value says, if it says one.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.good {
            Good::Name { host, .. } => Some(host),
            Good::Never | Good::Seeded(_) | Good::Address(_) => None,
        }
    }

    /// Whether it has a good value, but no address.
    pub(super) fn is_unresolved<A: AsRef<[IpAddr]>>(&self, resolve: impl Fn(&str) -> A) -> bool {
        match &self.good {
            Good::Name { host, meanwhile, .. } => {
                meanwhile.is_empty() && resolve(host).as_ref().is_empty()
            }
            Good::Never | Good::Seeded(_) | Good::Address(_) => false,
        }
    }

    pub(super) fn each_peer<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
        mut peer: impl FnMut(Server),
    ) {
        match &self.good {
            Good::Never => {}
            Good::Seeded(peers) => peers.iter().for_each(|server| peer(server.clone())),
            Good::Address(server) => peer(server.clone()),
            Good::Name { host, port, text, parameters, meanwhile } => {
                let resolved = resolve(host);
                let mut addresses: Vec<_> = resolved
                    .as_ref()
                    .iter()
                    .map(|&ip| SocketAddress::Ip((ip, *port).into()))
                    .collect();
                addresses.sort_unstable();
                addresses.dedup();
                if addresses.is_empty() {
                    addresses.clone_from(meanwhile);
                }
                for address in addresses {
                    peer(Server {
                        address,
                        text: Arc::clone(text),
                        parameters: parameters.clone(),
                    });
                }
            }
        }
    }
}

impl Server {
    fn means(&self, target: &Target, text: &str, parameters: &Given) -> bool {
        matches!(target, Target::Address(address) if *address == self.address)
            && *self.text == *text
            && self.parameters.mean(parameters)
    }
}

impl Good {
    /// Whether the peers of a value with this target, written so, and these parameters are those in
    /// hand.
    fn means(&self, target: &Target, text: &str, with: &Given) -> bool {
        match (self, target) {
            (Self::Never, _) => false,
            (Self::Seeded(peers), target) => {
                matches!(&peers[..], [known] if known.means(target, text, with))
            }
            (Self::Address(known), target) => known.means(target, text, with),
            (
                Self::Name { host: known, port: known_port, text: known_text, parameters, .. },
                Target::Name { host, port },
            ) => {
                known == host
                    && known_port == port
                    && **known_text == *text
                    && parameters.mean(with)
            }
            (Self::Name { .. }, Target::Address(_)) => false,
        }
    }

    /// Those of a value that is known.
    fn parameters(&mut self) -> Option<&mut Given> {
        match self {
            Self::Never | Self::Seeded(_) => None,
            Self::Address(server) => Some(&mut server.parameters),
            Self::Name { parameters, .. } => Some(parameters),
        }
    }

    fn release(&self, names: &mut Names) {
        if let Self::Name { host, .. } = self {
            names.remove(host);
        }
    }

    /// `text`, as the string in hand where that says the same.
    fn shared(&self, text: &str) -> Arc<str> {
        let in_hand = match self {
            Self::Never => None,
            Self::Seeded(peers) => peers.first().map(|server| &server.text),
            Self::Address(server) => Some(&server.text),
            Self::Name { text, .. } => Some(text),
        };
        in_hand.filter(|known| ***known == *text).map_or_else(|| Arc::from(text), Arc::clone)
    }

    /// The addresses that stand in for those of the name `host` that comes next. Those of another
    /// name are not known here, and what stood in for it may be long gone.
    fn meanwhile(self, host: &str) -> Vec<SocketAddress> {
        match self {
            Self::Never => Vec::new(),
            Self::Seeded(peers) => peers.into_iter().map(|server| server.address).collect(),
            Self::Address(server) => vec![server.address],
            Self::Name { host: known, meanwhile, .. } if known == host => meanwhile,
            Self::Name { .. } => Vec::new(),
        }
    }
}

/// Host names, each with the number of members that use it.
#[derive(Default)]
pub(super) struct Names {
    uses: BTreeMap<String, usize>,
    has_changed: bool,
}

impl Names {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.uses.keys().map(String::as_str)
    }

    /// Whether they are others than at the last call.
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    fn add(&mut self, host: &str) {
        match self.uses.get_mut(host) {
            Some(uses) => *uses += 1,
            None => {
                self.uses.insert(host.to_owned(), 1);
                self.has_changed = true;
            }
        }
    }

    fn remove(&mut self, host: &str) {
        if let Some(uses) = self.uses.get_mut(host) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(host);
                self.has_changed = true;
            }
        }
    }
}
