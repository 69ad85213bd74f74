//! Metrics of variables and networks.

use crate::{
    Live, LiveFigure,
    metrics::{
        sample::Samples,
        table::{
            Family,
            Source::{Networks, Variable},
            counter, gauge,
        },
    },
};

fn number_of(live: &Live, figure: &str, samples: &mut Samples<'_>) {
    match live.figures.get(figure) {
        Some(LiveFigure::Flag(flag)) => samples.one(*flag),
        Some(LiveFigure::Number(number)) => samples.one(*number),
        None => {}
    }
}

pub(super) static FAMILIES: [Family; 8] = [
    gauge(
        "nginx_etcd_variable_set",
        "1 if the value of the etcd_variable comes from etcd, otherwise 0.",
        Variable(|live, samples| number_of(live, "set", samples)),
    ),
    gauge(
        "nginx_etcd_variable_revision",
        "The revision of the last change of the etcd_variable; absent before the first.",
        Variable(|live, samples| live.revision.into_iter().for_each(|at| samples.one(at))),
    ),
    counter(
        "nginx_etcd_variable_rejected_values",
        "Rejected values of the etcd_variable.",
        Variable(|live, samples| samples.one(live.rejected_total)),
    ),
    gauge(
        "nginx_etcd_variable_rejected",
        "1 while the present value of the etcd_variable is rejected, otherwise 0.",
        Variable(|live, samples| samples.one(live.rejected.is_some())),
    ),
    gauge(
        "nginx_etcd_geo_networks",
        "Networks of the etcd_geo.",
        Networks(|live, samples| number_of(live, "networks", samples)),
    ),
    gauge(
        "nginx_etcd_geo_revision",
        "The revision of the last change of the etcd_geo; absent before the first.",
        Networks(|live, samples| live.revision.into_iter().for_each(|at| samples.one(at))),
    ),
    counter(
        "nginx_etcd_geo_rejected_values",
        "Rejected values of the etcd_geo.",
        Networks(|live, samples| samples.one(live.rejected_total)),
    ),
    gauge(
        "nginx_etcd_geo_rejected",
        "1 while a present value of the etcd_geo is rejected, otherwise 0.",
        Networks(|live, samples| samples.one(live.rejected.is_some())),
    ),
];
