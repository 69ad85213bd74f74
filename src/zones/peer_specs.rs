//! Peers as the zone takes them, made of what etcd says.

use std::{collections::HashMap, rc::Rc, sync::Arc};

use peer_zone::PeerSpec;
use upstream_peers::{Overrides, OwnParameters, Parameters, Peer};

use crate::{
    config::{GroupBy, Naming},
    nginx::socket_address,
};

/// How peers are named to clients, where they are.
pub(crate) struct Names {
    /// The prefix of their keys.
    pub(crate) prefix: Rc<str>,
    /// By what clients know them.
    pub(crate) naming: Naming,
    /// Which group a peer is in, if they are in groups.
    pub(crate) groups: Option<GroupBy>,
    /// By group, the parameters of peers whose values do not set them; those of the upstream are
    /// there already.
    pub(crate) defaults: HashMap<Arc<str>, Overrides>,
}

impl Names {
    /// The id by which a client names the peer, or 0.
    pub(crate) fn sticky_id(&self, key: &str, address: &str, route: Option<&str>) -> u64 {
        self.naming.id(&self.prefix, key, address, route)
    }

    /// The group of a peer with this key and these labels, if it is in one.
    pub(crate) fn group(&self, key: &str, labels: Option<&Arc<str>>) -> Option<Arc<str>> {
        self.groups.as_ref()?.group_of(key, labels)
    }

    /// The parameters of a peer of this group, whose value has set some of them itself.
    pub(crate) fn parameters(
        &self,
        own: OwnParameters,
        parameters: Parameters,
        group: Option<&Arc<str>>,
    ) -> Parameters {
        match group.and_then(|group| self.defaults.get(group)) {
            Some(defaults) => own.with_group(defaults, parameters),
            None => parameters,
        }
    }

    /// The peers of a group have these parameters where their values do not set them.
    pub(crate) fn set_defaults(&mut self, group: &Arc<str>, defaults: Option<&Overrides>) {
        match defaults {
            Some(defaults) => self.defaults.insert(Arc::clone(group), defaults.clone()),
            None => self.defaults.remove(group),
        };
    }
}

/// The peer as the zone takes it. It `joined` at a time of the monotonic clock
/// (ms), or 0: long ago.
pub(crate) fn describe(peer: Peer, joined: u64, names: &Names) -> PeerSpec {
    let name = peer.address.text();
    let name = if *peer.server == *name { Arc::clone(&peer.server) } else { name.into() };
    let sticky = names.sticky_id(&peer.key, &name, peer.route.as_deref());
    let source = peer.source.text(&peer.key);
    let group = names.group(&peer.key, peer.labels.text());
    let parameters = names.parameters(peer.own, peer.parameters, group.as_ref());
    PeerSpec {
        key: Some(peer.key),
        socket_address: socket_address::bytes(&peer.address),
        name,
        server: peer.server,
        sticky,
        route: peer.route,
        labels: peer.labels.text().cloned(),
        source,
        group,
        create_revision: peer.create_revision.unsigned_abs(),
        joined,
        parameters,
    }
}

/// The text, as the string of the name where that says the same.
pub(crate) fn shared(name: &Arc<str>, text: Arc<str>) -> Arc<str> {
    if *name == text { Arc::clone(name) } else { text }
}
