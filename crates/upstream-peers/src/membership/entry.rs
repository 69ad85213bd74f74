//! What a value says of one server.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::address::{SocketAddress, Target};
use crate::labels::Labels;
use crate::own_parameters::OwnParameters;
use crate::parameters::{Overrides, Parameters};
use crate::value::Value;

/// The parameters of a value.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Those that it sets; `None` if it sets none, as most do.
    overrides: Option<Box<Overrides>>,
    /// All of them.
    pub(super) all: Parameters,
}

/// What a `server` line says, for one address of a key.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddress,
    /// The server as written.
    pub(super) text: Arc<str>,
    pub(super) parameters: Given,
    pub(super) labels: Labels,
    /// See [`Value::priority`].
    pub(super) priority: i64,
    /// See [`Value::scheme`].
    pub(super) scheme: Option<Arc<str>>,
}

/// One server of a key's last good value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) target: Target,
    /// The server as written.
    pub(super) text: Arc<str>,
    pub(super) parameters: Given,
    /// `None` if nothing of it is said, as of most servers.
    rest: Option<Box<Rest>>,
}

/// What few servers have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rest {
    labels: Labels,
    /// See [`Value::priority`].
    priority: i64,
    /// See [`Value::scheme`].
    scheme: Option<Arc<str>>,
    /// Addresses that stand in while a host name has none.
    meanwhile: Vec<SocketAddress>,
}

impl Rest {
    /// On the heap, if there is anything.
    fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// The servers of a value. Nearly all values say one, which takes no memory besides.
#[derive(Debug)]
pub(super) enum Entries {
    One(Entry),
    Several(Box<[Entry]>),
}

impl From<Vec<Entry>> for Entries {
    fn from(mut entries: Vec<Entry>) -> Self {
        match entries.pop() {
            Some(only) if entries.is_empty() => Self::One(only),
            last => Self::Several(entries.into_iter().chain(last).collect()),
        }
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Several(entries) => entries,
        }
    }
}

impl DerefMut for Entries {
    fn deref_mut(&mut self) -> &mut [Entry] {
        match self {
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Several(entries) => entries,
        }
    }
}

impl Given {
    /// Those of a peer of which nothing else is known.
    pub(super) fn known(all: Parameters, route: Option<Arc<str>>) -> Self {
        let overrides = Overrides { route, ..Overrides::from(all) };
        Self { overrides: Some(Box::new(overrides)), all }
    }

    /// What a value sets, beside these defaults.
    fn new(overrides: Overrides, defaults: Parameters) -> Self {
        let all = overrides.apply(defaults);
        Self { overrides: (overrides != Overrides::default()).then(|| Box::new(overrides)), all }
    }

    /// The `route`, if it sets one.
    pub(super) fn route(&self) -> Option<&Arc<str>> {
        self.overrides.as_ref()?.route.as_ref()
    }

    /// Which of them the value sets.
    pub(super) fn own(&self) -> OwnParameters {
        self.overrides.as_ref().map_or_else(OwnParameters::default, |it| OwnParameters::of(it))
    }

    /// Whether a peer of the one is as a peer of the other.
    fn mean(&self, other: &Self) -> bool {
        self.all == other.all && self.route() == other.route()
    }

    /// Another weight of a peer of which nothing else is known. Says whether they are others now.
    pub(super) fn set_weight(&mut self, weight: Option<u32>, defaults: Parameters) -> bool {
        let mut overrides = self.overrides.take().map_or_else(Overrides::default, |it| *it);
        if overrides.weight == Some(0) {
            // That is why it drains.
            overrides.drain = None;
        }
        overrides.weight = weight;
        let before = std::mem::replace(self, Self::new(overrides, defaults));
        self.all != before.all
    }

    /// Says whether they are others now.
    pub(super) fn set_defaults(&mut self, defaults: Parameters) -> bool {
        let all = self.overrides.as_ref().map_or_else(
            || Overrides::default().apply(defaults),
            |overrides| overrides.apply(defaults),
        );
        std::mem::replace(&mut self.all, all) != all
    }
}

impl Entry {
    /// The server of a value, with these parameters where it sets none.
    pub(super) fn new(value: Value, defaults: Parameters) -> Self {
        let Value { server, target, overrides, labels, priority, scheme } = value;
        let rest = Rest { labels, priority, scheme, meanwhile: Vec::new() }.boxed();
        let parameters = Given::new(overrides, defaults);
        Self { target, text: server.into(), parameters, rest }
    }

    fn labels(&self) -> Labels {
        self.rest.as_ref().map_or_else(Labels::default, |rest| rest.labels.clone())
    }

    /// See [`Value::priority`].
    pub(super) fn priority(&self) -> i64 {
        self.rest.as_ref().map_or(0, |rest| rest.priority)
    }

    fn scheme(&self) -> Option<&Arc<str>> {
        self.rest.as_ref()?.scheme.as_ref()
    }

    /// Addresses that stand in while a host name has none.
    pub(super) fn meanwhile(&self) -> &[SocketAddress] {
        self.rest.as_ref().map_or(&[], |rest| &rest.meanwhile)
    }

    /// These addresses stand in, in any order.
    pub(super) fn set_meanwhile(&mut self, mut meanwhile: Vec<SocketAddress>) {
        if self.rest.is_none() && meanwhile.is_empty() {
            return;
        }
        meanwhile.sort_unstable();
        meanwhile.dedup();
        let rest = self.rest.take().map_or_else(Rest::default, |rest| *rest);
        self.rest = Rest { meanwhile, ..rest }.boxed();
    }

    /// The host name, if it says one.
    pub(super) fn host(&self) -> Option<&str> {
        match &self.target {
            Target::Name { host, .. } => Some(host),
            Target::Address(_) => None,
        }
    }

    /// Whether the peers of both are the same.
    pub(super) fn means(&self, other: &Self) -> bool {
        self.target == other.target
            && self.text == other.text
            && self.parameters.mean(&other.parameters)
            // With other defaults they could differ.
            && self.parameters.own() == other.parameters.own()
            && self.labels() == other.labels()
            && self.priority() == other.priority()
            && self.scheme() == other.scheme()
    }

    /// Whether its peer is one that was found.
    pub(super) fn is_of(&self, server: &Server) -> bool {
        matches!(&self.target, Target::Address(address) if *address == server.address)
            && self.text == server.text
            && self.parameters.mean(&server.parameters)
            && self.labels() == server.labels
            && self.priority() == server.priority
            && self.scheme() == server.scheme.as_ref()
    }

    /// Whether it has no address.
    pub(super) fn is_unresolved<A: AsRef<[IpAddr]>>(&self, resolve: impl Fn(&str) -> A) -> bool {
        let is_unresolved = |host| self.meanwhile().is_empty() && resolve(host).as_ref().is_empty();
        self.host().is_some_and(is_unresolved)
    }

    /// Calls `peer` with each address, in their order; of a host name's only with the first one if
    /// `is_one`.
    pub(super) fn each_peer<A: AsRef<[IpAddr]>>(
        &self,
        resolve: impl Fn(&str) -> A,
        is_one: bool,
        mut peer: impl FnMut(Server),
    ) {
        let mut server = |address| {
            peer(Server {
                address,
                text: Arc::clone(&self.text),
                parameters: self.parameters.clone(),
                labels: self.labels(),
                priority: self.priority(),
                scheme: self.scheme().cloned(),
            });
        };
        match &self.target {
            Target::Address(address) => server(address.clone()),
            Target::Name { host, port } => {
                let resolved = resolve(host);
                let mut addresses: Vec<_> = resolved
                    .as_ref()
                    .iter()
                    .map(|&ip| SocketAddress::Ip((ip, *port).into()))
                    .collect();
                addresses.sort_unstable();
                addresses.dedup();
                if addresses.is_empty() {
                    addresses.extend_from_slice(self.meanwhile());
                }
                addresses.truncate(if is_one { 1 } else { usize::MAX });
                addresses.into_iter().for_each(server);
            }
        }
    }
}
