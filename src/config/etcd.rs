//! The `etcd` directive of an upstream.

use std::path::PathBuf;

/// The parameters.
#[derive(Debug)]
pub(crate) struct EtcdOptions {
    /// `zone=`: the whole zone, in bytes.
    pub(crate) zone_size: usize,
    /// `state=`: the file that keeps the last good list.
    pub(crate) state: Option<PathBuf>,
    /// `hold=`, in milliseconds.
    pub(crate) hold: u64,
    /// `expiry_guard=`, in percent of the peers.
    pub(crate) expiry_guard: Option<u8>,
}

/// What `etcd` says.
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
    pub(crate) place: String,
}
