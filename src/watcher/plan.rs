//! What the thread has to do: a copy of the configuration that is its own.

use etcd_watch::ClusterConfig;
use live_value::messages::Messages;
use peer_statistics::Statistics;
use std::sync::Arc;

use peer_zone::{PeerSpec, TableOptions, Zone, protocol::Lease};
use privileged_files::{Client, Table};
use upstream_peers::{Allow, Parameters, Reading};
use upstream_settings::{Check, InHand};

use super::state::{self, SavedFile, StateKeeper, StateOffer};
use crate::{
    config::{GroupBy, Naming, SettingsConf},
    live::{Content, LiveMemory, LiveNumber, LiveVariable},
    upstream::CoreConf,
    zones::LoggedLines,
};

/// Everything that the thread has to know.
pub(crate) struct Plan {
    pub(super) lease: &'static Lease,
    /// What `Lease::claim` returned.
    pub(super) claim: u64,
    pub(super) clusters: Vec<ClusterPlan>,
    /// By which files are read and replaced.
    pub(super) files: Client,
    /// The files to keep; the other ends are in the upstreams' plans.
    pub(super) state_files: Vec<StateKeeper>,
}

/// A cluster and what is followed there.
pub(super) struct ClusterPlan {
    pub(super) config: ClusterConfig,
    pub(super) prefixes: Vec<PrefixPlan>,
    pub(super) live: Vec<LivePlan>,
}

/// A key, or a prefix, and the live variables that are made of it.
pub(super) struct LivePlan {
    pub(super) messages: Messages,
    pub(super) memory: LiveMemory,
    /// An empty one.
    pub(super) content: Box<dyn Content>,
    /// Takes what is to be kept in a file.
    pub(super) state: Option<StateOffer>,
}

/// A prefix and the upstreams that take their peers from it: there is one watch for all of them.
pub(super) struct PrefixPlan {
    pub(super) prefix: String,
    pub(super) upstreams: Vec<UpstreamPlan>,
}

/// An upstream.
pub(super) struct UpstreamPlan {
    pub(super) name: String,
    pub(super) zone: Zone,
    /// The figures of its peers and requests, and its history.
    pub(super) statistics: Statistics,
    /// Its size, as configured.
    pub(super) zone_size: usize,
    pub(super) logged_lines: &'static LoggedLines,
    pub(super) defaults: Parameters,
    /// What `max_conns` of the defaults goes by, where that changes.
    pub(super) max_conns: Option<LiveNumber>,
    pub(super) allow: Allow,
    /// What is taken of values.
    pub(super) reading: Reading,
    /// Whether only the first address of each host name is used.
    pub(super) is_one_address: bool,
    pub(super) servers: Vec<PeerSpec>,
    pub(super) options: TableOptions,
    /// By what clients know peers.
    pub(super) naming: Naming,
    /// Which group a peer is in, if they are in groups.
    pub(super) groups: Option<GroupBy>,
    /// What groups have of their own, if they can have something.
    /// With the prefix of their keys.
    pub(super) settings: Option<(String, Arc<InHand>)>,
    pub(super) check: Option<Check>,
    /// For how long (ms) peers outlive a wiped etcd, or their leases where too many run out
    /// together.
    pub(super) hold: u64,
    /// How many, in percent, are too many; none: any number goes.
    pub(super) expiry_guard: Option<u8>,
    /// Takes the lists that are to be kept in a file.
    pub(super) state: Option<StateOffer>,
}

impl Plan {
    /// The plan for a cycle's configuration.
    pub(crate) fn of(core: &CoreConf, lease: &'static Lease, claim: u64) -> Self {
        let mut clusters: Vec<ClusterPlan> = core
            .clusters
            .iter()
            .map(|conf| ClusterPlan {
                config: conf.config.clone(),
                prefixes: Vec::new(),
                live: Vec::new(),
            })
            .collect();
        // Before the upstreams, some of which go by them.
        let live = LivePlan::of(core.live.iter());
        let settings_of = |conf: &SettingsConf| {
            let is_its = |variable: &LiveVariable| {
                variable.of_kind().is_some_and(|it| core::ptr::eq(it.conf, conf))
            };
            live.iter().find(|(variable, _)| is_its(variable))?.1.content.settings()
        };
        let mut state_files = Vec::new();
        for upstream in core.upstreams.iter() {
            let conf = upstream.settings();
            let (Some(etcd), Some(zone), Some(statistics), Some(logged_lines)) =
                (&conf.etcd, upstream.zone(), upstream.statistics(), upstream.logged_lines())
            else {
                continue;
            };
            let state = etcd.options.state.as_ref().map(|file| {
                let (offer, keeper) = state::channel(SavedFile {
                    of: format!("upstream \"{}\"", etcd.upstream),
                    cluster: etcd.cluster.clone(),
                    prefix: etcd.prefix.clone(),
                    file: file.clone(),
                });
                state_files.push(keeper);
                offer
            });
            let settings = conf.group.as_ref().and_then(|group| group.settings);
            let upstream = UpstreamPlan {
                name: etcd.upstream.clone(),
                zone,
                statistics,
                zone_size: etcd.options.zone_size,
                logged_lines,
                defaults: conf.defaults(),
                max_conns: core.max_conns_variable(upstream).map(|variable| variable.to_number()),
                allow: conf.allow.clone(),
                reading: conf.reading(),
                is_one_address: etcd.options.is_one_address,
                servers: conf.servers.clone(),
                options: conf.options(),
                naming: conf.naming(),
                groups: conf.group.as_ref().map(|group| group.by.clone()),
                settings: settings.and_then(|conf| Some((conf.prefix.clone(), settings_of(conf)?))),
                check: conf.check.clone(),
                hold: etcd.options.hold,
                expiry_guard: etcd.options.expiry_guard,
                state,
            };
            let Some(cluster) =
                clusters.iter_mut().find(|cluster| cluster.config.name == etcd.cluster)
            else {
                continue;
            };
            match cluster.prefixes.iter_mut().find(|plan| plan.prefix == etcd.prefix) {
                Some(plan) => plan.upstreams.push(upstream),
                None => cluster
                    .prefixes
                    .push(PrefixPlan { prefix: etcd.prefix.clone(), upstreams: vec![upstream] }),
            }
        }
        for (variable, mut plan) in live {
            let of = variable.source().cluster;
            if let Some(file) = variable.state_file() {
                let (offer, keeper) = state::channel(SavedFile {
                    of: plan.messages.named(),
                    cluster: of.to_owned(),
                    prefix: plan.messages.keys.as_str().to_owned(),
                    file: file.to_owned(),
                });
                state_files.push(keeper);
                plan.state = Some(offer);
            }
            if let Some(cluster) = clusters.iter_mut().find(|it| it.config.name == of) {
                cluster.live.push(plan);
            }
        }
        clusters.retain(|cluster| !cluster.prefixes.is_empty() || !cluster.live.is_empty());
        let files = core.files().unwrap_or_else(|| Client::direct(Table::new()));
        Self { lease, claim, clusters, files, state_files }
    }
}

impl LivePlan {
    /// One for all variables that share their memory, with the first of them.
    fn of(
        variables: impl Iterator<Item = &'static LiveVariable>,
    ) -> Vec<(&'static LiveVariable, Self)> {
        let mut plans: Vec<(&LiveVariable, Self)> = Vec::new();
        for variable in variables {
            let (source, Some(memory)) = (variable.source(), variable.memory()) else { continue };
            match plans.iter_mut().find(|(other, _)| other.shares_memory(variable)) {
                Some((_, plan)) => plan.messages.names.push(source.name.to_owned()),
                None => {
                    let content = variable.conf.content(*memory);
                    let (names, nouns) = (vec![source.name.to_owned()], content.nouns());
                    let messages = Messages { names, keys: source.keys, nouns };
                    let plan = Self { messages, memory: *memory, content, state: None };
                    plans.push((variable, plan));
                }
            }
        }
        plans
    }
}
