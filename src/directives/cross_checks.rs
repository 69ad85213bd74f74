//! Checks of what names something elsewhere in the configuration.

use crate::{
    config::{DrainConf, PaceConf, Time, ValueType},
    live::{LiveVariable, Source},
    upstream::CoreConf,
};

/// At the end of the configuration: every mistake of this kind in it.
pub(crate) fn check(core: &CoreConf) -> Vec<String> {
    let mut errors = Vec::new();
    let has_cluster = |name: &str| core.clusters.iter().any(|cluster| cluster.config.name == name);
    for upstream in core.upstreams.iter() {
        let conf = upstream.settings();
        let Some(etcd) = &conf.etcd else { continue };
        let (name, place) = (&etcd.upstream, &etcd.place);
        if !has_cluster(&etcd.cluster) {
            errors.push(format!(
                "unknown cluster \"{}\" in \"etcd\" directive of upstream \"{name}\" {place}, no \
                 \"etcd_cluster\" has that name",
                etcd.cluster
            ));
        }
        if !conf.is_balanced_here {
            errors.push(format!(
                "load balancing method redefined in upstream \"{name}\" after its \"etcd\" \
                 directive {place}: use \"etcd_balance\" instead of \"least_conn\", \
                 \"least_time\", \"ip_hash\", \"hash\" or \"random\""
            ));
        }
        if let Some(variable) = &conf.max_conns_variable
            && !core
                .max_conns_variable(upstream)
                .is_some_and(|variable| variable.conf.kind == ValueType::Number)
        {
            errors.push(format!(
                "\"max_conns={variable}\" cannot be used without an \"etcd_variable {variable}\" \
                 with \"type=number\" in \"etcd_defaults\" directive of upstream \"{name}\" {}",
                conf.place_of("etcd_defaults")
            ));
        }
        let wrong =
            conf.drain.as_ref().map(|drain| wrong_variables(drain, core)).unwrap_or_default();
        for (parameter, variable) in wrong {
            errors.push(format!(
                "\"{parameter}={variable}\" cannot be used without an \"etcd_variable {variable}\" \
                 with \"type=time\" in \"etcd_drain\" directive of upstream \"{name}\" {}",
                conf.place_of("etcd_drain")
            ));
        }
    }
    for Source { directive, name, cluster, place, .. } in core.live.iter().map(LiveVariable::source)
    {
        if !has_cluster(cluster) {
            errors.push(format!(
                "unknown cluster \"{cluster}\" in \"{directive}\" directive of \"{name}\" {place}, \
                 no \"etcd_cluster\" has that name"
            ));
        }
    }
    errors
}

/// The parameters that name a variable without `type=time`.
fn wrong_variables<'a>(drain: &'a DrainConf, core: &CoreConf) -> Vec<(&'static str, &'a str)> {
    let spread = match &drain.pace {
        PaceConf::Spread(spread) => Some(spread),
        PaceConf::Rate(_) => None,
    };
    let times = [("timeout", Some(&drain.timeout)), ("spread", spread)];
    let wrong = times.into_iter().filter_map(|(parameter, time)| match time? {
        Time::Of(name, _)
            if core.variable(name).is_none_or(|variable| variable.conf.kind != ValueType::Time) =>
        {
            Some((parameter, name.as_str()))
        }
        _ => None,
    });
    wrong.collect()
}
