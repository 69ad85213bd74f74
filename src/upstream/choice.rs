//! Why a request has got its peer.

use ngx::{ffi::ngx_str_t, ngx_string};
use peer_statistics::PickReason;
use peer_zone::PickedPeer;

/// Why a request has got its peer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Choice {
    /// The balancing method chose it, as it does for nearly all requests.
    #[default]
    Balance,
    /// The balancing method chose it among the backups, since no other peer could serve.
    Backup,
    /// The client's session chose it.
    Sticky,
    /// The balancing method chose it, and it failed its checks as all others did.
    Panic,
}

impl Choice {
    /// That of a peer that was picked.
    pub(crate) fn of(held: &PickedPeer) -> Self {
        if held.is_named() {
            Self::Sticky
        } else if held.is_failing() {
            Self::Panic
        } else if held.is_backup() {
            Self::Backup
        } else {
            Self::Balance
        }
    }

    /// As the figures count it.
    pub(crate) fn reason(self) -> PickReason {
        match self {
            Self::Balance | Self::Backup => PickReason::Balance,
            Self::Sticky => PickReason::Sticky,
            Self::Panic => PickReason::Panic,
        }
    }

    /// As `$etcd_pick` shows it.
    pub(crate) fn name(self) -> ngx_str_t {
        match self {
            Self::Balance => ngx_string!("balance"),
            Self::Backup => ngx_string!("backup"),
            Self::Sticky => ngx_string!("sticky"),
            Self::Panic => ngx_string!("panic"),
        }
    }
}
