//! How an upstream takes what etcd has.

use upstream_peers::{Allow, Membership, Parameters, Reading};

use crate::live::LiveNumber;

/// How the upstream takes what etcd has.
pub(super) struct Terms {
    /// The parameters of peers whose values do not set them.
    pub(super) defaults: Parameters,
    /// What `max_conns` of the defaults goes by, where that changes.
    pub(super) max_conns: Option<LiveNumber>,
    pub(super) allow: Allow,
    /// What is taken of values.
    pub(super) reading: Reading,
    /// Whether only the first address of each host name is used.
    pub(super) is_one_address: bool,
    /// How long (ms) peers outlive a wiped etcd.
    pub(super) hold: u64,
    /// With how many percent of the leases run out together peers outlive them.
    pub(super) expiry_guard: Option<u8>,
}

impl Terms {
    /// No members yet.
    pub(super) fn membership(&self) -> Membership {
        Membership::new(self.defaults)
            .within(self.allow.clone())
            .reading(self.reading.clone())
            .with_one_address(self.is_one_address)
    }
}
