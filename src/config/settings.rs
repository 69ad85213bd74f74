//! The settings of an upstream's groups.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use upstream_settings::UpstreamSettings;

use super::kind::Kind;

/// What `settings=` of `etcd_group` sets; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct SettingsConf {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// Of which protocol it is.
    pub(crate) kind: Kind,
    /// The name of a cluster: that of the upstream's peers.
    pub(crate) cluster: String,
    /// The prefix of the keys; it ends with a slash.
    pub(crate) prefix: String,
    /// The prefix of the peers.
    pub(crate) peers_prefix: String,
    /// The file that keeps the last good settings, with the peers.
    pub(crate) state: Option<PathBuf>,
    /// Whether a group is named by a segment of a key, which has no slash.
    pub(crate) is_by_key: bool,
    /// The size of the shared memory, in bytes.
    pub(crate) zone_size: usize,
    /// Where the directive stands: `in FILE:LINE`.
    pub(crate) place: String,
    /// What the upstream has itself, once its block has been read.
    pub(crate) of_upstream: OnceLock<Arc<UpstreamSettings>>,
}

/// The memory of the settings is this part of that of the peers: a group of ten peers takes some
/// 3 kB there, and its settings 300 bytes.
const SHARE: usize = 4;

/// The smallest memory, in bytes: nginx's own part of it, and some settings.
const LEAST: usize = 64 << 10;

impl SettingsConf {
    /// The size of the memory, in bytes, beside one of this size for the peers.
    pub(crate) fn size_beside(zone_size: usize) -> usize {
        (zone_size / SHARE).max(LEAST)
    }

    /// The size of the memory of the peers, in bytes, beside which this one has that size.
    pub(crate) fn zone_for(size: usize) -> usize {
        size.saturating_mul(SHARE)
    }
}
