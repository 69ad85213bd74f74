//! The settings of an upstream.

use directive_table::Seen;
use peer_zone::{Method, PeerSpec, TableOptions, protocol::ID_BITS};
use upstream_peers::{Allow, Overrides, Parameters, Reading, Select};
use upstream_settings::{Check, IsVariable, UpstreamSettings};

use super::{
    drain::DrainConf,
    etcd::Etcd,
    group::GroupConf,
    keepalive::Keepalive,
    kind::Kind,
    statistics::Counting,
    sticky::{Naming, Sticky},
};

/// The settings of an `upstream`. One without `etcd` has these as well, with nothing in them.
#[derive(Debug, Default)]
pub(crate) struct UpstreamConf {
    /// Of which protocol it is.
    pub(crate) kind: Kind,
    /// Which of the cycle's upstreams with `etcd` this is; `None` for those behind the first
    /// 65 536.
    pub(crate) number: Option<u16>,
    /// The module's directives that it has, with their places.
    pub(crate) seen: Seen,
    /// What `etcd` sets; `None` for an upstream without it.
    pub(crate) etcd: Option<Etcd>,
    /// The networks of `etcd_allow`; without it, all.
    pub(crate) allow: Allow,
    /// The labels of `etcd_select` that peers must have; without it, none.
    pub(crate) select: Select,
    /// What `etcd_balance` sets; without it, see [`Self::balance`].
    pub(crate) balance: Option<Method>,
    /// What `etcd_check` sets; without it there are no checks.
    pub(crate) check: Option<Check>,
    /// Its arguments, as they are written.
    pub(crate) check_args: Vec<String>,
    /// What `etcd_defaults` sets; without it, see [`Self::defaults`].
    pub(crate) defaults: Option<Overrides>,
    /// The variable of `max_conns=` of `etcd_defaults`, with the dollar sign; `None` where it is a
    /// number.
    pub(crate) max_conns_variable: Option<String>,
    /// What `etcd_drain` sets; without it no connection is closed.
    pub(crate) drain: Option<DrainConf>,
    /// Its arguments, as they are written.
    pub(crate) drain_args: Vec<String>,
    /// What `etcd_group` sets; without it a request chooses among all peers.
    pub(crate) group: Option<GroupConf>,
    /// What `etcd_keepalive` sets; without it no idle connection is kept here.
    pub(crate) keepalive: Option<Keepalive>,
    /// What `etcd_sticky` sets; without it requests have no affinity.
    pub(crate) sticky: Option<Sticky>,
    /// What `etcd_statistics` sets.
    pub(crate) counting: Counting,
    /// Another module has put itself before this one, and may say by `hint` which peer a client is
    /// to have: nginx's own `sticky`.
    pub(crate) takes_hints: bool,
    /// The place, among nginx's servers of the upstream, of the one that the module has added:
    /// nginx takes no upstream without servers.
    pub(crate) placeholder: usize,
    /// The peers of `server` lines, in their order.
    pub(crate) servers: Vec<PeerSpec>,
    /// Whether nginx has called our `init_upstream`: where it has not, another module has taken the
    /// place.
    pub(crate) is_balanced_here: bool,
}

impl UpstreamConf {
    /// Where the directive of this name is: `in FILE:LINE`; empty if the upstream does not have it.
    pub(crate) fn place_of(&self, directive: &str) -> &str {
        self.seen.place(directive).unwrap_or_default()
    }

    /// The parameters of peers whose value does not set them.
    pub(crate) fn defaults(&self) -> Parameters {
        self.defaults
            .as_ref()
            .map_or_else(Parameters::default, |defaults| defaults.apply(Parameters::default()))
    }

    /// What is taken of values.
    pub(crate) fn reading(&self) -> Reading {
        let scheme = self.etcd.as_ref().and_then(|etcd| etcd.options.scheme.clone());
        let label = self.group.as_ref().and_then(|group| group.by.label());
        Reading {
            scheme,
            select: self.select.clone(),
            grouped_by: label.map(str::to_owned),
            is_stream: self.kind == Kind::Stream,
        }
    }

    /// What the tables in its zone must have room for.
    pub(crate) fn options(&self) -> TableOptions {
        let checking = self.check.as_ref().map(|check| check.policy);
        let is_sticky = self.sticky.is_some() || self.takes_hints;
        let is_grouped = self.group.is_some();
        TableOptions { method: self.balance(), is_sticky, checking, is_grouped }
    }

    /// That on which the settings of groups build; `is_variable` says whether nginx has a variable
    /// of a name.
    pub(crate) fn for_groups(&self, is_variable: IsVariable) -> UpstreamSettings {
        UpstreamSettings {
            is_stream: self.kind == Kind::Stream,
            check: self.check.is_some().then(|| self.check_args.clone()),
            drain: self.drain.is_some().then(|| self.drain_args.clone()),
            has_sticky: self.sticky.is_some(),
            is_variable,
        }
    }

    /// Whether open connections are closed, of all peers or of those of some groups.
    pub(crate) fn drains(&self) -> bool {
        self.drain.is_some() || self.has_settings()
    }

    /// Whether peers are checked, all or those of some groups.
    pub(crate) fn checks(&self) -> bool {
        self.check.is_some() || self.has_settings()
    }

    /// Whether requests may be balanced by response times.
    pub(crate) fn goes_by_times(&self) -> bool {
        self.balance().goes_by_times() || self.has_settings()
    }

    /// Whether groups have settings of their own.
    pub(crate) fn has_settings(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.settings.is_some())
    }

    /// By what clients know its peers.
    pub(crate) fn naming(&self) -> Naming {
        match &self.sticky {
            Some(sticky) => sticky.naming(),
            None if self.takes_hints => Naming::Sid,
            None => Naming::None,
        }
    }

    /// The balancing method: that of `etcd_balance`, or round robin.
    pub(crate) fn balance(&self) -> Method {
        self.balance.unwrap_or_default()
    }

    /// Tells a peer from those of all upstreams. No two have the same, since an id does not reach
    /// into the upper bits (see [`ID_BITS`]), which are the upstream's.
    pub(crate) fn key_of(&self, id: u64) -> Option<u64> {
        Some((u64::from(self.number?) << ID_BITS) ^ id)
    }
}
