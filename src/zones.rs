//! The shared memory: made, kept and copied as cycles come and go.
//!
//! There is one zone for each upstream, one for the figures of its peers, one for what
//! has been said of its keys, and a small one for
//! the lease on being the watcher. nginx keeps a zone over a reload where name, size and tag are
//! the same. The name says the upstream, the cluster and the prefix, so that a changed prefix or
//! cluster starts afresh; where only the size has changed, the peers are copied from the old zone.

mod logged_lines;
pub(crate) mod memory;
mod names;
pub(crate) mod peer_specs;
pub(crate) mod report;
mod saved_peers;
mod shared_value;
mod sizes;
mod statistics_zone;
mod upstream_zone;

pub(crate) use self::{
    logged_lines::{LoggedLines, MAX_LOGGED_LINES, add_logged_lines},
    shared_value::SharedValue,
    statistics_zone::StatisticsZone,
    upstream_zone::UpstreamZone,
};
