//! What one nginx has of etcd, whatever uses it: nginx keeps it for the core module, in each cycle.

use core::cell::Cell;

use ngx::ffi::{ngx_conf_t, ngx_cycle_t};
use peer_zone::protocol::Lease;
use privileged_files::Client;

use super::state::Upstream;
use crate::{
    config::{ClusterConf, VariableConf},
    live::{LiveKind, LiveVariable, Variable},
    nginx::{exclusive::Exclusive, list::List, modules},
    zones::SharedValue,
};

/// The core module's configuration; it lives as long as its cycle.
#[derive(Debug, Default)]
pub(crate) struct CoreConf {
    /// The clusters of `etcd_cluster`.
    pub(crate) clusters: List<ClusterConf>,
    /// The upstreams that have `etcd`.
    pub(crate) upstreams: List<Upstream>,
    /// The variables of `etcd_variable`, `etcd_geo` and their like.
    pub(crate) live: List<LiveVariable>,
    /// The lease on being the watcher, of which there is one for all cycles; `None` where nothing
    /// is followed.
    lease: Cell<Option<&'static SharedValue<Lease>>>,
    /// Which of the cycles since nginx's start this is, once it is accepted.
    number: Cell<u32>,
    /// How many peers all upstreams together can have.
    peers: Cell<usize>,
    /// By which the watcher reads and replaces files, once the cycle is accepted.
    files: Exclusive<Option<Client>>,
}

impl CoreConf {
    /// That of a cycle, if nginx has made one.
    pub(crate) fn of(cycle: &ngx_cycle_t) -> Option<&'static Self> {
        // SAFETY: nginx keeps what `create_conf` has made, for as long as the cycle.
        unsafe { modules::core_conf(cycle).cast::<Self>().as_ref() }
    }

    /// That of the cycle whose configuration is being read.
    pub(crate) fn of_conf(cf: &ngx_conf_t) -> Option<&'static Self> {
        // SAFETY: a configuration is that of a cycle.
        Self::of(unsafe { cf.cycle.as_ref() }?)
    }

    /// Asks nginx for the memory of the lease, for a cycle that follows something.
    ///
    /// # Errors
    ///
    /// As [`SharedValue::add`].
    pub(crate) fn add_lease(&self, cf: *mut ngx_conf_t) -> Result<(), String> {
        self.lease.set(Some(SharedValue::add(cf, "etcd")?));
        Ok(())
    }

    /// The lease, once it is mapped; `None` where nothing is followed.
    pub(crate) fn lease(&self) -> Option<&'static Lease> {
        self.lease.get()?.get()
    }

    /// Numbers the peers that the upstreams can have, for what a process keeps of all peers; once
    /// the zones are mapped.
    pub(crate) fn number_peers(&self) {
        let mut peers = 0;
        for upstream in self.upstreams.iter() {
            upstream.first_peer.set(peers);
            peers += upstream.zone().map_or(0, |zone| zone.index_limit());
        }
        self.peers.set(peers);
    }

    /// How many peers all upstreams together can have.
    pub(crate) fn peers(&self) -> usize {
        self.peers.get()
    }

    /// The cycle is accepted: it has this number, and its workers have their files by `files`.
    pub(crate) fn accept(&self, number: u32, files: Client) {
        self.number.set(number);
        let replaced = self.files.replace(Some(files)).map(drop);
        replaced.unwrap_or_else(|lent| lent.report("access to files"));
    }

    /// Which of the cycles since nginx's start this is.
    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    /// By which the watcher reads and replaces files.
    pub(crate) fn files(&self) -> Option<Client> {
        self.files.with_some(|files| files.clone())
    }

    /// This process has no use for files.
    pub(crate) fn give_up_files(&self) {
        let replaced = self.files.replace(None).map(drop);
        replaced.unwrap_or_else(|lent| lent.report("access to files"));
    }

    /// The variable of `etcd_variable` of this name, which begins with a dollar sign.
    pub(crate) fn variable(&self, name: &str) -> Option<Variable> {
        self.live_of::<VariableConf>()
            .find(|variable| variable.conf.name.eq_ignore_ascii_case(name))
    }

    /// The live variables of a kind.
    pub(crate) fn live_of<K: LiveKind>(&self) -> impl Iterator<Item = LiveVariable<K>> {
        self.live.iter().filter_map(LiveVariable::of_kind)
    }

    /// The variable that the upstream's `max_conns` goes by, if it goes by one.
    pub(crate) fn max_conns_variable(&self, upstream: &Upstream) -> Option<Variable> {
        self.variable(upstream.settings().max_conns_variable.as_ref()?)
    }
}
