//! What only the whole of a configuration can show.

use ngx::{
    ffi::{NGX_LOG_EMERG, ngx_conf_t, ngx_int_t},
    http::HttpModuleMainConf,
};

use crate::{
    config::Kind,
    http::{upgrade, variables},
    module::Module,
    nginx::callback::{ERROR, OK},
};

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
                "upstream \"{name}\" has another load balancing method (such as \"least_conn\", \
                 \"ip_hash\", \"hash\" or \"random\") behind its \"etcd\" directive {place}: use \
                 \"etcd_balance\""
            ));
        }
        if let Some(variable) = &upstream.max_conns_variable
            && !main
                .max_conns_variable(upstream)
                .is_some_and(|variable| variable.kind == Kind::Number)
        {
            mistakes.push(format!(
                "\"max_conns={variable}\" in \"etcd_defaults\" of upstream \"{name}\", whose \
                 \"etcd\" directive stands {place}, needs an \"etcd_variable {variable}\" with \
                 \"type=number\""
            ));
        }
        let wrong =
            upstream.drain.as_ref().map(|drain| drain.wrong_variables(main)).unwrap_or_default();
        for (parameter, variable) in wrong {
            mistakes.push(format!(
                "\"{parameter}={variable}\" in \"etcd_drain\" of upstream \"{name}\", whose \
                 \"etcd\" directive stands {place}, needs an \"etcd_variable {variable}\" with \
                 \"type=time\""
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
                "unknown cluster \"{}\" in the \"etcd_geo\" directive of \"{}\" {}: there is no \
                 \"etcd_cluster\" of that name",
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
        crate::nginx::log::to(NGX_LOG_EMERG, unsafe { (*cf).log }, mistake);
    }
    if mistakes.is_empty() { OK } else { ERROR }
}
