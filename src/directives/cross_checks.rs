//! What only the whole of a configuration can show.

use crate::{
    config::{DrainConf, Kind, PaceConf, Time},
    live::{LiveVariable, Source},
    upstream::CoreConf,
};

/// At the end of the configuration: what is wrong with the whole of it.
pub(crate) fn check(core: &CoreConf) -> Vec<String> {
    let mut mistakes = Vec::new();
    let has_cluster = |name: &str| core.clusters.iter().any(|cluster| cluster.config.name == name);
    for upstream in core.upstreams.iter() {
        let conf = upstream.settings();
        let Some(etcd) = &conf.etcd else { continue };
        let (name, place) = (&etcd.upstream, &etcd.place);
        if !has_cluster(&etcd.cluster) {
            mistakes.push(format!(
                "unknown cluster \"{}\" in the \"etcd\" directive of upstream \"{name}\" {place}: \
                 there is no \"etcd_cluster\" of that name",
                etcd.cluster
            ));
        }
        if !conf.is_balanced_here {
            mistakes.push(format!(
                "upstream \"{name}\" has another load balancing method (such as \"least_conn\", \
                 \"ip_hash\", \"hash\" or \"random\") behind its \"etcd\" directive {place}: use \
                 \"etcd_balance\""
            ));
        }
        if let Some(variable) = &conf.max_conns_variable
            && !core
                .max_conns_variable(upstream)
                .is_some_and(|variable| variable.conf.kind == Kind::Number)
        {
            mistakes.push(format!(
                "\"max_conns={variable}\" in \"etcd_defaults\" of upstream \"{name}\", whose \
                 \"etcd\" directive stands {place}, needs an \"etcd_variable {variable}\" with \
                 \"type=number\""
            ));
        }
        let wrong =
            conf.drain.as_ref().map(|drain| wrong_variables(drain, core)).unwrap_or_default();
        for (parameter, variable) in wrong {
            mistakes.push(format!(
                "\"{parameter}={variable}\" in \"etcd_drain\" of upstream \"{name}\", whose \
                 \"etcd\" directive stands {place}, needs an \"etcd_variable {variable}\" with \
                 \"type=time\""
            ));
        }
    }
    for Source { directive, name, cluster, place, .. } in core.live.iter().map(LiveVariable::source)
    {
        if !has_cluster(cluster) {
            mistakes.push(format!(
                "unknown cluster \"{cluster}\" in the \"{directive}\" directive of \"{name}\" \
                 {place}: there is no \"etcd_cluster\" of that name"
            ));
        }
    }
    mistakes
}

/// The parameters that name a variable that is none of times.
fn wrong_variables<'a>(drain: &'a DrainConf, core: &CoreConf) -> Vec<(&'static str, &'a str)> {
    let spread = match &drain.pace {
        PaceConf::Spread(spread) => Some(spread),
        PaceConf::Rate(_) => None,
    };
    let times = [("timeout", Some(&drain.timeout)), ("spread", spread)];
    let wrong = times.into_iter().filter_map(|(parameter, time)| match time? {
        Time::Of(name, _)
            if core.variable(name).is_none_or(|variable| variable.conf.kind != Kind::Time) =>
        {
            Some((parameter, name.as_str()))
        }
        _ => None,
    });
    wrong.collect()
}
