//! One key of a prefix.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::address::{SocketAddress, Target};
use crate::parameters::Parameters;
use crate::value::ValueError;

/// What is known of a key: the peers it stands for, and what is wrong with its current value.
#[derive(Default)]
pub(super) struct Member {
    good: Good,
    rejection: Option<Rejection>,
}

/// A value that was rejected. The value itself is not kept: it may be long, and is of no use.
pub(super) struct Rejection {
    /// The value's hash, by which the same value is known again.
    pub(super) value: u64,
    pub(super) error: ValueError,
}

/// What a key's last good value says.
#[derive(Default)]
enum Good {
    /// It never had one.
    #[default]
    Never,
    /// Not known: these are the peers that it was found to have, in the order of their addresses.
    Seeded(Vec<(SocketAddress, Parameters)>),
    Address(SocketAddress, Parameters),
    Name {
        host: String,
        port: u16,
        parameters: Parameters,
        /// Addresses that stand in while the name has none.
        meanwhile: Vec<SocketAddress>,
    },
}

impl Member {
    pub(super) fn seed(&mut self, address: SocketAddress, parameters: Parameters) {
        match &mut self.good {
            Good::Never => self.good = Good::Seeded(vec![(address, parameters)]),
            Good::Seeded(peers) => match peers.binary_search_by(|(other, _)| other.cmp(&address)) {
                Ok(place) => peers[place].1 = parameters,
                Err(place) => peers.insert(place, (address, parameters)),
            },
            Good::Address(..) | Good::Name { .. } => {}
        }
    }

    /// Takes a good value. Says whether the peers may be others now.
    pub(super) fn accept(&mut self, target: Target, parameters: Parameters, names: &mut Names) -> bool {
        self.rejection = None;
        if self.good.means(&target, parameters) {
            // What a seeded key was found to have is what its value says.
            if let Target::Address(address) = target {
                self.good = Good::Address(address, parameters);
            }
            return false;
        }
        let previous = std::mem::take(&mut self.good);
        if let Target::Name { host, .. } = &target {
            names.add(host);
        }
        previous.release(names);
        self.good = match target {
            Target::Address(address) => Good::Address(address, parameters),
            Target::Name { host, port } => {
                let meanwhile = previous.meanwhile(&host);
                Good::Name { host, port, parameters, meanwhile }
            }
        };
        true
    }

    /// Takes a malformed value. Says whether it is another than before.
    pub(super) fn reject(&mut self, rejection: Rejection) -> bool {
        let is_new = self.rejection.as_ref().is_none_or(|known| known.value != rejection.value);
        self.rejection = Some(rejection);
        is_new
    }

    /// The key is gone. Says whether peers are gone with it.
    pub(super) fn remove(self, names: &mut Names) -> bool {
        self.good.release(names);
        self.is_good()
    }

    pub(super) fn is_good(&self) -> bool {
        !matches!(self.good, Good::Never)
    }

    pub(super) fn rejected(&self) -> Option<&ValueError> {
        self.rejection.as_ref().map(|rejection| &rejection.error)
    }

    pub(super) fn each_peer<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
        mut peer: impl FnMut(SocketAddress, Parameters),
    ) {
        match &self.good {
            Good::Never => {}
            Good::Seeded(peers) => {
                peers.iter().for_each(|(address, parameters)| peer(address.clone(), *parameters))
            }
            Good::Address(address, parameters) => peer(address.clone(), *parameters),
            Good::Name { host, port, parameters, meanwhile } => {
                let resolved = resolve(host);
                let mut addresses: Vec<_> =
                    resolved.as_ref().iter().map(|&ip| SocketAddress::Ip((ip, *port).into())).collect();
                addresses.sort_unstable();
                addresses.dedup();
                if addresses.is_empty() {
                    addresses.clone_from(meanwhile);
                }
                addresses.into_iter().for_each(|address| peer(address, *parameters));
            }
        }
    }
}

impl Good {
    /// Whether the peers of a value with this target and these parameters are those in hand.
    fn means(&self, target: &Target, parameters: Parameters) -> bool {
        match (self, target) {
            (Self::Seeded(peers), Target::Address(address)) => {
                matches!(&peers[..], [(known, known_parameters)] if known == address && *known_parameters == parameters)
            }
            (Self::Address(known, known_parameters), Target::Address(address)) => {
                known == address && *known_parameters == parameters
            }
            (
                Self::Name { host: known, port: known_port, parameters: known_parameters, .. },
                Target::Name { host, port },
            ) => known == host && known_port == port && *known_parameters == parameters,
            _ => false,
        }
    }

    fn release(&self, names: &mut Names) {
        if let Self::Name { host, .. } = self {
            names.remove(host);
        }
    }

    /// The addresses that stand in for those of the name `host` that comes next. Those of another name are not known here, and what stood
    /// in for it may be long gone.
    fn meanwhile(self, host: &str) -> Vec<SocketAddress> {
        match self {
            Self::Never => Vec::new(),
            Self::Seeded(peers) => peers.into_iter().map(|(address, _)| address).collect(),
            Self::Address(address, _) => vec![address],
            Self::Name { host: known, meanwhile, .. } if known == host => meanwhile,
            Self::Name { .. } => Vec::new(),
        }
    }
}

/// Host names, each with the number of members that use it.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, usize>);

impl Names {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn add(&mut self, host: &str) {
        match self.0.get_mut(host) {
            Some(uses) => *uses += 1,
            None => {
                self.0.insert(host.to_owned(), 1);
            }
        }
    }

    fn remove(&mut self, host: &str) {
        if let Some(uses) = self.0.get_mut(host) {
            *uses -= 1;
            if *uses == 0 {
                self.0.remove(host);
            }
        }
    }
}
