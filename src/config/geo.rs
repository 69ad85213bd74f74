//! A variable that says whether a client is in a network which a key names.

use client_networks::Ranges;

/// What `etcd_geo` says.
#[derive(Debug)]
pub(crate) struct GeoConf {
    /// With the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// Ends with a slash.
    pub(crate) prefix: String,
    /// What is said where there are no networks.
    pub(crate) empty: bool,
    /// The size of the shared memory of the prefix, in bytes.
    pub(crate) zone_size: usize,
    /// The networks until etcd has said which there are; none, where the configuration does not say
    /// it.
    pub(crate) initial: Option<Initial>,
    /// The cluster's id and the revision that said so.
    pub(crate) origin: Option<(u64, u64)>,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}

/// The networks of the configuration.
#[derive(Debug)]
pub(crate) struct Initial {
    /// Their addresses, as requests look them up.
    pub(crate) ranges: Ranges,
    /// How many networks that are.
    pub(crate) count: usize,
}
