//! The table of peers in memory that nginx's workers share.
//!
//! One process writes (the *publisher*, in the thread that watches etcd), all others read, and any
//! of them may be killed at any instruction. Nothing here is a lock:
//!
//! * A **table** is immutable once published. The header's [`Root`](protocol::Root) names the
//!   current one; a reader *pins* the table that it uses in its own entry of the workers' list, and
//!   the publisher reuses no memory that is pinned (hazard pointers: M. M. Michael, "Hazard
//!   Pointers: Safe Memory Reclamation for Lock-Free Objects", 2004).
//! * A **peer** is what lives: its counters and its identity stay where they are for as long as its
//!   key names its address, however many tables come and go, and after that for as long as a
//!   request holds it.
//! * **Open connections** are counted in one column per worker, which that worker alone writes, and
//!   in it those that are upgraded apart. A peer's connections are the sum; the column of a worker
//!   that died is cleared, so that nothing has to be undone. Workers beyond the number of columns
//!   share one: see [`SharedColumns`](protocol::SharedColumns).
//! * **Entries and columns** have an [`Owner`](protocol::Owner). What a dead process had is taken
//!   over by a process that needs it, or cleared by the publisher.
//! * What the publisher knows of free memory is its own, private to its process; a successor finds
//!   it again from what is reachable. A publisher that is killed leaves either the old table or the
//!   new one.
//! * The **lease** says which process is the publisher, and fences one that was stopped and comes
//!   back.

#[cfg(not(loom))]
mod allocator;
#[cfg(not(loom))]
mod closing;
#[cfg(not(loom))]
mod connections;
#[cfg(not(loom))]
mod drain_policy;
#[cfg(not(loom))]
mod drain_times;
#[cfg(not(loom))]
mod group_index;
#[cfg(not(loom))]
mod group_name;
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
pub mod messages;
#[cfg(not(loom))]
mod peer_spec;
#[cfg(not(loom))]
mod plan;
pub mod protocol;
#[cfg(not(loom))]
mod publisher;
#[cfg(not(loom))]
mod worker;
#[cfg(not(loom))]
mod zone;

#[cfg(not(loom))]
pub use peer_balance::{LeastTime, Method, ResponseTime};

#[cfg(not(loom))]
pub use self::{
    closing::Closing,
    connections::Connections,
    drain_policy::{DrainPolicy, DrainReasons},
    group_name::GroupName,
    layout::{Health, Parameters, ResyncCounter},
    peer_spec::PeerSpec,
    protocol::{Process, Withdrawn},
    publisher::{
        Publisher,
        closings::TooManyClosings,
        keys::KeyPeers,
        matching::Changes,
        options::{CheckPolicy, GroupOptions, TableOptions},
        publish::ZoneFull,
    },
    worker::{
        Now, Worker,
        among::{Among, GroupStatus, PickedGroup},
        cursor::RowCursor,
        draining::DrainPolicies,
        fast_path::{Missed, Take},
        group_traits::GroupTraits,
        keyed::KeyProgress,
        pick::{Pick, PickContext},
        picked_peer::PickedPeer,
        release::RequestOutcome,
        row::PeerRow,
        table::Table,
        times::Times,
    },
    zone::{
        AttachError, Capacity, Zone, ZoneTooSmall, peers::RequestAddress, statistics::Statistics,
        view::PeerView,
    },
};
