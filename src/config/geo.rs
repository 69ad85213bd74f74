//! A variable that is 1 for clients in a network of etcd, and 0 for others.

use client_networks::Ranges;

/// What `etcd_geo` sets.
#[derive(Debug)]
pub(crate) struct GeoConf {
    /// The variable's name with the dollar sign, as it is written.
    pub(crate) name: String,
    /// The name of a cluster; that there is one of this name is checked at the end of the
    /// configuration.
    pub(crate) cluster: String,
    /// The prefix of the keys; it ends with a slash.
    pub(crate) prefix: String,
    /// `empty=`: the value where etcd has no key with the prefix.
    pub(crate) empty: bool,
    /// `zone=`: the size of the shared memory of the prefix, in bytes.
    pub(crate) zone_size: usize,
    /// `initial=` and `initial_file=`: the networks until the first list of etcd; `None` without
    /// either.
    pub(crate) initial: Option<Initial>,
    /// `origin=`: the id of the cluster that had these networks, and its revision then.
    pub(crate) origin: Option<(u64, u64)>,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
}

impl GeoConf {
    /// Whether the other one says the same, at another place.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let Self { name, cluster, prefix, empty, zone_size, initial, origin, place: _ } = self;
        name.eq_ignore_ascii_case(&other.name)
            && (cluster, prefix) == (&other.cluster, &other.prefix)
            && (empty, zone_size) == (&other.empty, &other.zone_size)
            && (initial, origin) == (&other.initial, &other.origin)
    }
}

/// Networks of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Initial {
    /// Their addresses as ranges, in which requests look up their client.
    pub(crate) ranges: Ranges,
    /// The number of networks.
    pub(crate) count: usize,
}
