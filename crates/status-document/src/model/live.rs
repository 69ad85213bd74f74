//! A variable in the document.

use std::collections::BTreeMap;

use super::state_file::StateFile;

/// What a variable follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveKind {
    /// A key: a variable of `etcd_variable`.
    Key,
    /// A prefix with networks: a variable of `etcd_geo`.
    Prefix,
    /// A prefix with values: a variable of `etcd_map`.
    Map,
}

/// A figure of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveFigure {
    /// Whether something is so.
    Flag(bool),
    /// How many.
    Number(usize),
}

/// A variable of `etcd_variable`, `etcd_geo` or `etcd_map`.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name, with the dollar sign.
    pub name: String,
    /// The name of its `etcd_cluster`.
    pub cluster: String,
    /// What it follows.
    pub kind: LiveKind,
    /// The key or the prefix.
    pub path: String,
    /// Figures of their own. `etcd_variable`: `set`, whether it has a value from etcd, and `size`,
    /// the length of that value in bytes. `etcd_geo`: `networks`, the number of networks, which
    /// are those of the configuration until etcd has been read. `etcd_map`: `entries`, the number
    /// of keys with a value, `bytes_used`, the bytes that these take in the shared memory, and
    /// `bytes_total`, those that there are.
    pub figures: BTreeMap<&'static str, LiveFigure>,
    /// The revision of the last change; `None` before the first.
    pub revision: Option<u64>,
    /// The number of values that were rejected since the shared memory was created.
    pub rejected_total: u64,
    /// Why a present value is rejected, for `etcd_geo` and `etcd_map` with its key; `None` if every
    /// one is valid.
    pub rejected: Option<String>,
    /// The seconds for which the value outlives a wiped etcd at most; `None` if it does not have
    /// to.
    pub held: Option<f64>,
    /// The state file; `None` without `state=`, which only `etcd_map` can have.
    pub state: Option<StateFile>,
}
