//! What a value says of one server.

use std::net::IpAddr;
use std::sync::Arc;

use crate::address::{SocketAddress, Target};
use crate::labels::Labels;
use crate::parameters::{Overrides, Parameters};
use crate::value::Value;

/// The parameters of a value.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Those that it sets.
    pub(super) overrides: Overrides,
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
    pub(super) labels: Labels,
    pub(super) priority: i64,
    pub(super) scheme: Option<Arc<str>>,
    /// Addresses that stand in while a host name has none.
    pub(super) meanwhile: Vec<SocketAddress>,
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

    /// Another weight of a peer of which nothing else is known. Says whether they are others now.
    pub(super) fn set_weight(&mut self, weight: Option<u32>, defaults: Parameters) -> bool {
        if self.overrides.weight == Some(0) {
            // That is why it drains.
            self.overrides.drain = None;
        }
        self.overrides.weight = weight;
        self.set_defaults(defaults)
    }

    /// Says whether they are others now.
    pub(super) fn set_defaults(&mut self, defaults: Parameters) -> bool {
        let all = self.overrides.apply(defaults);
        std::mem::replace(&mut self.all, all) != all
    }
}

impl Entry {
    /// The server of a value, with these parameters where it sets none.
    pub(super) fn new(value: Value, defaults: Parameters) -> Self {
        let Value { server, target, overrides, labels, priority, scheme } = value;
        let parameters = Given { all: overrides.apply(defaults), overrides };
        let (text, meanwhile) = (server.into(), Vec::new());
        Self { target, text, parameters, labels, priority, scheme, meanwhile }
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
            && self.labels == other.labels
            && self.priority == other.priority
            && self.scheme == other.scheme
    }

    /// Whether its peer is one that was found.
    pub(super) fn is_of(&self, server: &Server) -> bool {
        matches!(&self.target, Target::Address(address) if *address == server.address)
            && self.text == server.text
            && self.parameters.mean(&server.parameters)
            && self.labels == server.labels
            && self.priority == server.priority
            && self.scheme == server.scheme
    }

    /// Whether it has no address.
    pub(super) fn is_unresolved<A: AsRef<[IpAddr]>>(&self, resolve: impl Fn(&str) -> A) -> bool {
        let is_unresolved = |host| self.meanwhile.is_empty() && resolve(host).as_ref().is_empty();
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
                labels: self.labels.clone(),
                priority: self.priority,
                scheme: self.scheme.clone(),
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
                    addresses.clone_from(&self.meanwhile);
                }
                addresses.truncate(if is_one { 1 } else { usize::MAX });
                addresses.into_iter().for_each(server);
            }
        }
    }
}
