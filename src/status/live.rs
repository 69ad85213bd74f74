//! A live variable in the status document.

use std::collections::BTreeMap;

use live_value::messages::LiveKeys;
use serde::Serialize;

use crate::{
    live::{Figure, LiveKind},
    upstream::CoreConf,
};

/// A variable of `etcd_variable` or `etcd_geo`.
#[derive(Serialize)]
pub(super) struct LiveRow {
    /// The name of its `etcd_cluster`.
    cluster: String,
    /// The key of an `etcd_variable`. The field is left out for other variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The prefix of the keys of an `etcd_geo`. The field is left out for other variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Fields of their own. `etcd_variable`: `set`, whether it has a value from etcd, and `size`,
    /// the length of that value in bytes. `etcd_geo`: `networks`, the number of networks, which
    /// are those of the configuration until etcd has been read.
    #[serde(flatten)]
    figures: BTreeMap<&'static str, Figure>,
    /// The revision of the last change; `None` before the first.
    revision: Option<u64>,
    /// The number of values that were rejected since the shared memory was created.
    rejected_total: u64,
    /// Why a present value is rejected, for `etcd_geo` with its key; `None` if every one is valid.
    rejected: Option<String>,
    /// The seconds for which the value outlives a wiped etcd at most; `None` if it does not have
    /// to.
    held: Option<f64>,
}

/// The variables of a kind, by name.
pub(super) fn live_rows<K: LiveKind>(core: &CoreConf) -> BTreeMap<String, LiveRow> {
    let rows = core.live_of::<K>().filter_map(|variable| {
        let (source, memory) = (variable.conf.source(), variable.memory()?);
        let (key, prefix) = match source.keys {
            LiveKeys::One(key) => (Some(key), None),
            LiveKeys::Prefix(prefix) => (None, Some(prefix)),
        };
        let row = LiveRow {
            cluster: source.cluster.to_owned(),
            key,
            prefix,
            figures: variable.conf.figures(memory),
            revision: memory.revision(),
            rejected_total: memory.state.rejected(),
            rejected: memory.state.reason(),
            held: memory.state.seconds_held(),
        };
        Some((source.name.to_owned(), row))
    });
    rows.collect()
}
