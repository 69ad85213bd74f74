//! What lies where in the shared memory.
//!
//! ```text
//! Header | ProcessEntry × processes | Owner × columns | WithdrawalEntry × withdrawals | blocks
//!
//! blocks: peers and entries from below, tables and reports from above
//! ```
//!
//! A field is either an atomic or written once, before the block that holds it is published.

mod ages;
mod columns;
mod header;
mod own_traits;
mod peer;
mod table;

pub use peer_balance::Parameters;

pub(crate) use self::{
    ages::Ages,
    columns::{
        Columns, FIRST_OWN_COLUMN, MOST_OWN_CONNECTIONS, OwnColumn, own_column_of, shared_column,
        shared_column_of,
    },
    header::{Header, MAGIC, Positions, ProcessEntry, RESYNC_COUNTERS},
    own_traits::OwnTraits,
    peer::{Peer, PeerBlock},
    table::{
        DIRECTORY, Entry, PLAIN, PLAN_ALIGNMENT, PlanHeader, REPORT_MAGIC, ReportHeader, SHARED,
        Section, TABLE_MAGIC, TableHeader, TextLengths,
    },
};
pub use self::{header::ResyncCounter, peer::Health};
use crate::{
    memory::{LINE, UNIT, units},
    protocol::{Owner, WithdrawalEntry},
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

const _: () = {
    assert!(size_of::<ProcessEntry>() == LINE);
    assert!(size_of::<Owner>() == size_of::<u64>());
    assert!(size_of::<Entry>() == 2 * UNIT);
};

#[cfg(test)]
mod tests {
    use core::{
        mem::offset_of,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::{header::OwnLine, *};
    use crate::{
        drain_times::DrainTime,
        memory::Offset,
        protocol::{
            ColumnUse, Lease, NamedWord, Pin, Root, SharedColumns, WithdrawalCount, WordIndex,
        },
    };

    /// Processes of another build of the same layout read these, so that none may change without
    /// [`MAGIC`].
    #[test]
    fn structures_have_the_sizes_and_alignments_of_this_layout() {
        macro_rules! layouts {
            ($($structure:ty),* $(,)?) => {
                [$((stringify!($structure), size_of::<$structure>(), align_of::<$structure>())),*]
            };
        }
        let found = layouts![
            Header,
            OwnLine<Positions>,
            Positions,
            ProcessEntry,
            Peer,
            TableHeader,
            OwnTraits,
            ReportHeader,
            PlanHeader,
            Section,
            Entry,
            Ages,
            OwnColumn,
            Parameters,
            Owner,
            WithdrawalEntry,
            WithdrawalCount,
            Root,
            Pin,
            WordIndex,
            NamedWord,
            SharedColumns,
            ColumnUse,
            DrainTime,
            Lease,
        ];
        // Name, size and alignment, in bytes.
        let expected = [
            ("Header", 576, 64),
            ("OwnLine<Positions>", 64, 64),
            ("Positions", 16, 8),
            ("ProcessEntry", 64, 64),
            ("Peer", 112, 16),
            ("TableHeader", 208, 16),
            ("OwnTraits", 4, 4),
            ("ReportHeader", 16, 16),
            ("PlanHeader", 32, 8),
            ("Section", 8, 4),
            ("Entry", 32, 16),
            ("Ages", 16, 8),
            ("OwnColumn", 4, 4),
            ("Parameters", 24, 4),
            ("Owner", 8, 8),
            ("WithdrawalEntry", 8, 8),
            ("WithdrawalCount", 8, 8),
            ("Root", 4, 4),
            ("Pin", 4, 4),
            ("WordIndex", 1, 1),
            ("NamedWord", 8, 8),
            ("SharedColumns", 8, 4),
            ("ColumnUse", 8, 4),
            ("DrainTime", 4, 4),
            ("Lease", 40, 8),
        ];
        assert_eq!(found.as_slice(), expected.as_slice());
    }

    /// A pick writes the positions and its own process's entry: neither shares a cache line with
    /// anything else.
    #[test]
    fn what_each_pick_writes_is_on_a_cache_line_of_its_own() {
        assert_eq!(offset_of!(Header, positions) % LINE, 0);
        assert_eq!(
            offset_of!(Header, positions) + size_of::<OwnLine<Positions>>(),
            size_of::<Header>()
        );
        assert_eq!(PROCESS_ENTRIES % LINE, 0);
        assert_eq!(owners(3) % LINE, 0);
    }

    /// The first 64 bytes of a peer are all that a pick by any method touches of it, but for a ramp
    /// where there is one, and the requests in flight that one of the methods can go by. What peers
    /// are compared by is in the first half.
    #[test]
    fn what_each_pick_reads_of_a_peer_is_at_its_beginning() {
        let compared = [
            offset_of!(Peer, fails) + size_of::<u32>(),
            offset_of!(Peer, checked) + size_of::<u32>(),
            offset_of!(Peer, open) + size_of::<u32>(),
            offset_of!(Peer, health) + size_of::<u8>(),
            offset_of!(Peer, deficit) + size_of::<u64>(),
            offset_of!(Peer, response_time) + size_of::<u64>(),
        ];
        assert!(compared.iter().all(|&end| end <= LINE / 2), "{compared:?}");
        let taken = [
            offset_of!(Peer, id) + size_of::<u64>(),
            offset_of!(Peer, requests) + size_of::<u64>(),
            offset_of!(Peer, credit) + size_of::<u32>(),
            offset_of!(Peer, socket_address_length) + size_of::<u16>(),
            offset_of!(Peer, name_length) + size_of::<u16>(),
            offset_of!(Peer, key_length) + size_of::<u16>(),
        ];
        assert!(taken.iter().all(|&end| end <= LINE), "{taken:?}");
    }

    #[test]
    fn what_follows_a_structure_is_aligned() {
        for entries in 0..8 {
            assert_eq!(TableHeader::plans(entries) % PLAN_ALIGNMENT, 0);
        }
        for columns in [10, 14, 66] {
            assert_eq!(withdrawals(5, columns) % align_of::<WithdrawalEntry>(), 0);
            // The columns come before the peer, and the strings follow it.
            let (start, place) = (Offset(7), PeerBlock::place(Offset(7), columns));
            assert_eq!(own_column_of(place, columns - 1), start.bytes());
            let bytes = 16 + (columns as usize - 2) * 4 + size_of::<Peer>();
            assert_eq!(Peer::strings(place), start.bytes() + bytes);
            assert_eq!(PeerBlock::size(columns, 45), units(bytes + 45));
        }
        assert_eq!(align_of::<AtomicU64>(), align_of::<u64>());
    }

    /// Zeroes are what the memory begins as.
    #[test]
    fn health_is_read_as_it_was_stored() {
        let word = core::sync::atomic::AtomicU8::new(0);
        assert_eq!(Health::load(&word), Health::Unchecked);
        for health in [Health::Unchecked, Health::Passing, Health::Failing, Health::Pending] {
            word.store(health as u8, Ordering::Relaxed);
            assert_eq!(Health::load(&word), health);
        }
    }
}
