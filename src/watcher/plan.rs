//! What the thread has to do: a copy of the configuration that is its own.

use etcd_watch::ClusterConfig;
use peer_zone::{Desired, Options, Zone, protocol::Lease};
use upstream_peers::Parameters;

use crate::conf::{Check, MainConf};

/// Everything that the thread has to know.
pub(crate) struct Plan {
    pub(super) lease: &'static Lease,
    /// What `Lease::claim` returned.
    pub(super) claim: u64,
    pub(super) cycle: u32,
    pub(super) clusters: Vec<ClusterPlan>,
}

/// A cluster and what is followed there.
pub(super) struct ClusterPlan {
    pub(super) config: ClusterConfig,
    pub(super) prefixes: Vec<PrefixPlan>,
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
    pub(super) defaults: Parameters,
    pub(super) servers: Vec<Desired>,
    pub(super) options: Options,
    /// What the ids are made with by which cookies name peers.
    pub(super) sticky_secret: Option<String>,
    pub(super) check: Option<Check>,
}

impl Plan {
    /// The plan for a cycle's configuration.
    pub(crate) fn of(main: &MainConf, lease: &'static Lease, claim: u64) -> Self {
        let mut clusters: Vec<ClusterPlan> = main
            .clusters
            .iter()
            .map(|config| ClusterPlan { config: config.clone(), prefixes: Vec::new() })
            .collect();
        for conf in main.upstreams() {
            let (Some(etcd), Some(zone)) = (&conf.etcd, conf.zone) else { continue };
            let upstream = UpstreamPlan {
                name: etcd.upstream.clone(),
                zone,
                defaults: conf.defaults(),
                servers: conf.servers.clone(),
                options: conf.options(),
                sticky_secret: conf.sticky.as_ref().map(|sticky| sticky.secret().to_owned()),
                check: conf.check.clone(),
            };
            let Some(cluster) = clusters.iter_mut().find(|cluster| cluster.config.name == etcd.cluster)
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
        clusters.retain(|cluster| !cluster.prefixes.is_empty());
        Self { lease, claim, cycle: main.cycle, clusters }
    }
}
