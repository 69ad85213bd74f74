//! What lies where in the shared memory.
//!
//! ```text
//! Header | ProcessEntry × process entries | Owner × columns | WithdrawalEntry × withdrawals | blocks
//!
//! blocks: peers from below, tables and reports from above
//! ```
//!
//! A field is either an atomic or written once, before the block that holds it is published.

mod header;
mod peer;
mod table;

pub use self::{header::ResyncCounter, peer::Health, table::Parameters};
pub(crate) use self::{
    header::{Header, MAGIC, Positions, ProcessEntry, RESYNC_COUNTERS},
    peer::Peer,
    table::{
        Entry, PLAN_ALIGNMENT, PlanHeader, REPORT_MAGIC, ReportHeader, RouteEntry, SHARED, Section,
        TABLE_MAGIC, TableHeader,
    },
};
use crate::{
    memory::{UNIT, units},
    protocol::{Owner, SHARED_COLUMNS, WithdrawalEntry},
};

/// Where the list of processes lies.
pub(crate) const PROCESS_ENTRIES: usize = size_of::<Header>();

/// Where it lies whose the columns are.
pub(crate) fn owners(process_entries: u32) -> usize {
    PROCESS_ENTRIES + process_entries as usize * size_of::<ProcessEntry>()
}

/// Where the ring of withdrawals lies.
pub(crate) fn withdrawals(process_entries: u32, columns: u32) -> usize {
    owners(process_entries) + columns as usize * size_of::<Owner>()
}

/// The first unit behind header, processes, owners and withdrawals.
pub(crate) fn blocks(process_entries: u32, columns: u32, count: u32) -> u32 {
    units(withdrawals(process_entries, columns) + count as usize * size_of::<WithdrawalEntry>())
}

/// The columns that processes share come first, so that what is moved to one of a process's own, or
/// from the first of them to the second, is seen by whoever adds columns up in their order.
pub(crate) const FIRST_OWN_COLUMN: u32 = SHARED_COLUMNS;

/// Where the shared column of this number lies among the columns.
pub(crate) fn shared_column(number: u32) -> u32 {
    number - 1
}

const _: () = {
    assert!(size_of::<Peer>() == 2 * UNIT);
    assert!(size_of::<ProcessEntry>() == UNIT);
    assert!(size_of::<Owner>() == size_of::<u64>());
    assert!(size_of::<Entry>() == 36);
};
