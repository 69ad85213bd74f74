//! Metrics of variables, networks and maps.

use crate::{
    Live, LiveFigure,
    metrics::{
        sample::Samples,
        table::{
            Family,
            Source::{Map, Networks, Variable},
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

pub(super) static FAMILIES: [Family; 15] = [
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
    gauge(
        "nginx_etcd_map_entries",
        "Keys of the etcd_map that have a value.",
        Map(|live, samples| number_of(live, "entries", samples)),
    ),
    gauge(
        "nginx_etcd_map_used_bytes",
        "Bytes of the zone of the etcd_map that its keys and values take.",
        Map(|live, samples| number_of(live, "bytes_used", samples)),
    )
    .in_unit("bytes"),
    gauge(
        "nginx_etcd_map_size_bytes",
        "Bytes of the zone of the etcd_map that its keys and values can take.",
        Map(|live, samples| number_of(live, "bytes_total", samples)),
    )
    .in_unit("bytes"),
    gauge(
        "nginx_etcd_map_revision",
        "The revision of the last change of the etcd_map; absent before the first.",
        Map(|live, samples| live.revision.into_iter().for_each(|at| samples.one(at))),
    ),
    counter(
        "nginx_etcd_map_rejected_values",
        "Rejected values of the etcd_map.",
        Map(|live, samples| samples.one(live.rejected_total)),
    ),
    gauge(
        "nginx_etcd_map_rejected",
        "1 while a present value of the etcd_map is rejected, otherwise 0.",
        Map(|live, samples| samples.one(live.rejected.is_some())),
    ),
    gauge(
        "nginx_etcd_map_state_file_ok",
        "0 if the state file of the etcd_map could not be read or written, otherwise 1; absent \
         without state=.",
        Map(|live, samples| {
            if let Some(state) = &live.state {
                samples.one(state.trouble.is_none());
            }
        }),
    ),
];
