//! The protocols between processes, each over a few atomics and nothing else, so that loom can try
//! every interleaving.

mod departures;
mod lease;
mod owner;
mod pin;
mod setbacks;
mod shared;

pub use self::{
    departures::{
        Departed, Departure, DepartureCount, DepartureReader, ID_BITS, MOST_DEPARTURES, PATIENCE,
    },
    lease::{Lease, Publishing},
    owner::{Holder, Owner, Process},
    pin::{Pin, Root},
    setbacks::{Setback, Setbacks},
    shared::{SHARED_COLUMNS, Seat, Shared},
};

/// The atomics in use: loom's while loom checks the protocols, the machine's otherwise.
pub(crate) mod sync {
    #[cfg(not(loom))]
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    #[cfg(loom)]
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}
