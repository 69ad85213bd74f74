//! A live variable, as the status shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    live::{Figure, LiveKind},
    upstream::CoreConf,
};

#[derive(Serialize)]
pub(super) struct LiveRow {
    cluster: String,
    /// The key, for a variable of one key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The prefix of the keys, for a variable of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// What the kind of variable shows. `etcd_variable`: `set`, whether the key has, or had, a
    /// valid value, without which it is the default, and its `size` in bytes; `etcd_geo`: how many
    /// `networks` there are, which are those of the configuration until etcd has been read.
    #[serde(flatten)]
    figures: BTreeMap<&'static str, Figure>,
    /// Of the last change; null before the first.
    revision: Option<u64>,
    /// Since the shared memory was made.
    rejected_total: u64,
    /// Why a value is rejected, if one is, with its key if there are several.
    rejected: Option<String>,
    /// Seconds for which the values outlive a wiped etcd at most; null where they do not.
    held: Option<f64>,
}

/// The variables of a kind, by name.
pub(super) fn live_rows<K: LiveKind>(core: &CoreConf) -> BTreeMap<String, LiveRow> {
    let rows = core.live_of::<K>().filter_map(|variable| {
        let (source, memory) = (variable.conf.source(), variable.memory()?);
        let keys = source.text().to_owned();
        let (key, prefix) =
            if source.is_one_key() { (Some(keys), None) } else { (None, Some(keys)) };
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
