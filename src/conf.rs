//! The directives, and what they add up to.

mod allow;
mod arguments;
mod balance;
mod check;
mod cluster;
mod commands;
mod drain;
mod etcd_options;
mod geo;
mod keepalive;
mod others;
mod servers;
mod state_file;
mod sticky;
mod upstream;
mod variable;

use core::ptr;

use etcd_watch::ClusterConfig;
use ngx::{
    ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_cycle_t, ngx_http_upstream_srv_conf_t, ngx_int_t},
    http::{HttpModuleMainConf, HttpModuleServerConf},
};
use peer_drain::Drain;
use peer_zone::{
    CheckPolicy, PeerSpec, TableOptions, Worker, Zone,
    protocol::{ID_BITS, Lease},
};
use privileged_files::Client;
use upstream_peers::{Allow, Overrides, Parameters};

pub(crate) use self::{
    balance::Balance,
    check::Check,
    commands::COMMANDS,
    drain::DrainConf,
    etcd_options::EtcdOptions,
    geo::GeoConf,
    sticky::{Expires, MAX_EXPIRES, Naming, Sticky},
    variable::{Kind, LONGEST_TIME, VariableConf},
};
use crate::{
    drain::Draining,
    keepalive::Keepalive,
    module::{ERROR, Module, OK},
    upgrade, variables,
    zones::Told,
};

/// What belongs to the whole `http` block of a cycle.
#[derive(Debug, Default)]
pub(crate) struct MainConf {
    /// The clusters of `etcd_cluster`.
    pub(crate) clusters: Vec<ClusterConfig>,
    /// The upstreams that have `etcd`; each lives for as long as its cycle.
    pub(crate) upstreams: Vec<*mut UpstreamConf>,
    /// The variables of `etcd_variable`; each lives for as long as its cycle.
    pub(crate) variables: Vec<*mut VariableConf>,
    /// Those of `etcd_geo`; each lives for as long as its cycle.
    pub(crate) geos: Vec<*mut GeoConf>,
    /// The lease on being the watcher, from `zones::add_lease` on.
    pub(crate) lease: Option<&'static Lease>,
    /// By which the watcher reads and replaces files, from `process::init_module` on.
    pub(crate) files: Option<Client>,
    /// Which of the cycles since nginx's start this is, from `process::init_module` on.
    pub(crate) cycle: u32,
}

/// What belongs to an `upstream`. One without `etcd` has one of these as well, with nothing in it.
#[derive(Debug)]
pub(crate) struct UpstreamConf {
    /// The cycle that this belongs to; null where there is no `etcd`.
    pub(crate) cycle: *mut ngx_cycle_t,
    /// Which of the cycle's upstreams with `etcd` this is; `None` for those behind the first
    /// 65 536.
    number: Option<u16>,
    /// What `etcd` says.
    pub(crate) etcd: Option<Etcd>,
    /// What `etcd_allow` says.
    pub(crate) allow: Allow,
    balance: Option<Balance>,
    /// What `etcd_check` says; without it there are no checks.
    pub(crate) check: Option<Check>,
    defaults: Option<Overrides>,
    /// The variable that `max_conns` of `etcd_defaults` goes by, with the dollar sign.
    max_conns_variable: Option<String>,
    /// What `etcd_drain` says; without it open connections live until they end.
    pub(crate) drain: Option<DrainConf>,
    /// What that comes to just now, as its variables say; in workers, where it is looked up at each
    /// tick.
    pub(crate) drain_now: Option<Drain>,
    /// What `etcd_keepalive` says; without it no connection is kept here.
    pub(crate) keepalive: Option<Keepalive>,
    /// What `etcd_sticky` says; without it requests have no affinity.
    pub(crate) sticky: Option<Sticky>,
    /// Another module has put itself before this one, and may say by `hint` which peer a client is
    /// to have: nginx's own `sticky`.
    pub(crate) takes_hints: bool,
    /// Which of nginx's servers stands for etcd's.
    placeholder: usize,
    /// The peers of ordinary `server` lines.
    pub(crate) servers: Vec<PeerSpec>,
    /// Whether nginx has called our `init_upstream`: where it has not, another module has taken the
    /// place.
    is_balanced_here: bool,
    /// Whether a variable shows how many connections are open to peers.
    pub(crate) shows_connections: bool,
    /// The zone, once it is mapped.
    pub(crate) zone: Option<Zone>,
    /// What has been said of its keys, once that is mapped.
    pub(crate) told: Option<&'static Told>,
    /// This process's entry in the zone; only in workers.
    pub(crate) worker: Option<Worker>,
    /// Its open connections, where they are drained; only in workers.
    pub(crate) draining: Option<Draining>,
}

impl Default for UpstreamConf {
    fn default() -> Self {
        Self {
            cycle: ptr::null_mut(),
            number: None,
            etcd: None,
            allow: Allow::default(),
            balance: None,
            check: None,
            defaults: None,
            max_conns_variable: None,
            drain: None,
            drain_now: None,
            keepalive: None,
            sticky: None,
            takes_hints: false,
            placeholder: 0,
            servers: Vec::new(),
            is_balanced_here: false,
            shows_connections: false,
            zone: None,
            told: None,
            worker: None,
            draining: None,
        }
    }
}

/// The `etcd` directive of an upstream.
#[derive(Debug)]
pub(crate) struct Etcd {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// Ends with a slash.
    pub(crate) prefix: String,
    /// The parameters behind the prefix.
    pub(crate) options: EtcdOptions,
    /// Where the directive stands: `in FILE:LINE`.
    place: String,
}

impl UpstreamConf {
    /// The parameters of peers whose value does not set them.
    pub(crate) fn defaults(&self) -> Parameters {
        self.defaults
            .as_ref()
            .map_or_else(Parameters::default, |defaults| defaults.apply(Parameters::default()))
    }

    /// What the zone's tables are to carry for it.
    pub(crate) fn options(&self) -> TableOptions {
        let checking = self
            .check
            .as_ref()
            .map(|check| CheckPolicy { mandatory: check.mandatory, panic: check.panic });
        let is_sticky = self.sticky.is_some() || self.takes_hints;
        TableOptions { method: self.balance().method, is_sticky, checking }
    }

    /// By what clients know its peers.
    pub(crate) fn naming(&self) -> Naming {
        match &self.sticky {
            Some(sticky) => sticky.naming(),
            None if self.takes_hints => Naming::Sid,
            None => Naming::None,
        }
    }

    /// For how long (ms) cookies still lead to a peer that says `drain`; `None`: for as long as it
    /// does. With `etcd_drain` its connections are closed after that: clients that were led there
    /// again would be closed again, and it would never be empty.
    pub(crate) fn grace(&self) -> Option<u64> {
        let drain =
            self.drain_now.filter(|_| self.drain.as_ref().is_some_and(|conf| conf.on.drain));
        drain.map(|drain| drain.timeout)
    }

    /// How a peer is chosen: as `etcd_balance` says, or by round robin.
    pub(crate) fn balance(&self) -> Balance {
        self.balance.unwrap_or_default()
    }

    /// Tells a peer from those of all upstreams. No two have the same, since an id does not reach
    /// into the upper bits (see [`ID_BITS`]), which are the upstream's.
    pub(crate) fn key_of(&self, id: u64) -> Option<u64> {
        Some((u64::from(self.number?) << ID_BITS) ^ id)
    }

    /// The configuration of an upstream; `None` where nginx made none.
    pub(crate) fn of(us: &ngx_http_upstream_srv_conf_t) -> Option<&'static mut Self> {
        Module::server_conf_mut(us)
    }
}

impl MainConf {
    /// The upstreams that take their peers from etcd. The references are for this callback only:
    /// nginx calls one at a time.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &'static mut UpstreamConf> {
        // SAFETY: they are in the pool of the cycle that `self` is in, and a process has one thread
        // that comes here.
        self.upstreams.iter().map(|&upstream| unsafe { &mut *upstream })
    }
}

impl MainConf {
    /// The variables whose values are in etcd. The references are for this callback only: nginx
    /// calls one at a time.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &'static mut VariableConf> {
        // SAFETY: they are in the pool of the cycle that `self` is in, and a process has one thread
        // that comes here.
        self.variables.iter().map(|&variable| unsafe { &mut *variable })
    }

    /// Those of `etcd_geo`. The references are for this callback only: nginx calls one at a time.
    pub(crate) fn geos(&self) -> impl Iterator<Item = &'static mut GeoConf> {
        // SAFETY: as above.
        self.geos.iter().map(|&geo| unsafe { &mut *geo })
    }

    /// The variable of `etcd_variable` of this name, which begins with a dollar sign.
    pub(crate) fn variable(&self, name: &str) -> Option<&'static VariableConf> {
        self.variables()
            .find(|variable| variable.name.eq_ignore_ascii_case(name))
            .map(|variable| &*variable)
    }

    /// The variable that the upstream's `max_conns` goes by, if it goes by one.
    pub(crate) fn max_conns_variable(
        &self,
        upstream: &UpstreamConf,
    ) -> Option<&'static VariableConf> {
        self.variable(upstream.max_conns_variable.as_ref()?)
    }
}

/// At the end of the configuration: what only the whole of it can show.
pub(crate) fn check(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx passes a valid configuration.
    let Some(main) = Module::main_conf_mut(unsafe { &*cf }) else { return ERROR };
    let mut mistakes = Vec::new();
    for upstream in main.upstreams() {
        let Some(etcd) = &upstream.etcd else { continue };
        let (name, place) = (&etcd.upstream, &etcd.place);
        if !main.clusters.iter().any(|cluster| cluster.name == etcd.cluster) {
            mistakes.push(format!(
                "unknown cluster \"{}\" in the \"etcd\" directive of upstream \"{name}\" {place}: \
                there is no \"etcd_cluster\" of that name",
                etcd.cluster
            ));
        }
        if !upstream.is_balanced_here {
            mistakes.push(format!(
                "upstream \"{name}\" has another load balancing method (such as \"least_conn\", \"ip_hash\", \"hash\" or \"random\") behind \
                 its \"etcd\" directive {place}: use \"etcd_balance\""
            ));
        }
        if let Some(variable) = &upstream.max_conns_variable
            && !main
                .max_conns_variable(upstream)
                .is_some_and(|variable| variable.kind == Kind::Number)
        {
            mistakes.push(format!(
                "\"max_conns={variable}\" in \"etcd_defaults\" of upstream \"{name}\", whose \"etcd\" directive stands {place}, needs an \
                 \"etcd_variable {variable}\" with \"type=number\""
            ));
        }
        let wrong =
            upstream.drain.as_ref().map(|drain| drain.wrong_variables(main)).unwrap_or_default();
        for (parameter, variable) in wrong {
            mistakes.push(format!(
                "\"{parameter}={variable}\" in \"etcd_drain\" of upstream \"{name}\", whose \"etcd\" directive stands {place}, needs an \
                 \"etcd_variable {variable}\" with \"type=time\""
            ));
        }
    }
    for variable in main.variables() {
        if !main.clusters.iter().any(|cluster| cluster.name == variable.cluster) {
            mistakes.push(format!(
                "unknown cluster \"{}\" in the \"etcd_variable\" directive of \"{}\" {}: there is \
                no \"etcd_cluster\" of that name",
                variable.cluster, variable.name, variable.place
            ));
        }
    }
    for geo in main.geos() {
        if !main.clusters.iter().any(|cluster| cluster.name == geo.cluster) {
            mistakes.push(format!(
                "unknown cluster \"{}\" in the \"etcd_geo\" directive of \"{}\" {}: there is no \"etcd_cluster\" of that name",
                geo.cluster, geo.name, geo.place
            ));
        }
    }
    let shows_connections = variables::shows_connections(cf);
    for upstream in main.upstreams() {
        upstream.shows_connections = shows_connections;
    }
    if !main.upstreams.is_empty() {
        upgrade::install();
    }
    for mistake in &mistakes {
        // SAFETY: as above.
        crate::log::to(NGX_LOG_EMERG, unsafe { (*cf).log }, mistake);
    }
    if mistakes.is_empty() { OK } else { ERROR }
}
