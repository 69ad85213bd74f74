//! The `etcd` directive of an upstream.

use std::path::PathBuf;

/// What the parameters of `etcd` set.
#[derive(Debug)]
pub(crate) struct EtcdOptions {
    /// `zone=`: the size of the zone, in bytes.
    pub(crate) zone_size: usize,
    /// `state=`: the absolute path of the file with the last good list; `None` without it.
    pub(crate) state: Option<PathBuf>,
    /// `hold=`: for how many milliseconds peers outlive an etcd that was wiped; 0 is not at all.
    pub(crate) hold: u64,
    /// `scheme=`: which of several endpoints of a value is used; `None`: `http`, or else `https`.
    pub(crate) scheme: Option<String>,
    /// `names=first`: only the first address of each host name is used.
    pub(crate) is_one_address: bool,
    /// `expiry_guard=`: the percentage of keys, 1 to 99, above which leases that expire together
    /// remove no peers; `None`: every expired lease removes its peer.
    pub(crate) expiry_guard: Option<u8>,
}

/// What `etcd` sets.
#[derive(Debug)]
pub(crate) struct Etcd {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// The prefix of the keys; it ends with a slash.
    pub(crate) prefix: String,
    /// The parameters behind the prefix.
    pub(crate) options: EtcdOptions,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}
