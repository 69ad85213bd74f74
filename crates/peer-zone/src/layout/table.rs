//! A table and a report, which do not change once they are published.

use peer_balance::{MAX_WEIGHT, Parameters};

use super::own_traits::OwnTraits;
use crate::memory::{Offset, units};

/// How a tier's order lies behind the table; see the crate peer-balance.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct PlanHeader {
    /// Positions in one cycle; 0 where the tier is empty.
    pub(crate) cycle: u64,
    /// 0: the peers come in turn or, where there are items, by a sequence of indexes (`u32` each);
    /// otherwise the items are cumulative weights (`u64` each), and this is the stride.
    pub(crate) stride: u64,
    /// Bytes from the table's start.
    pub(crate) offset: u32,
    /// Items there.
    pub(crate) length: u32,
    /// Peers in service.
    pub(crate) in_service: u32,
    pub(crate) reserved: u32,
}

/// A part of a table that only some methods need.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Section {
    /// Bytes from the table's start; 0 where the table does not have it.
    pub(crate) offset: u32,
    /// Items there.
    pub(crate) length: u32,
}

/// A table: this, then the places of its entries ([`Offset`] each), then the plans of its two
/// tiers, then what its upstream's method needs beside.
///
/// If peers are in groups, each group has a table, and what is published is a directory: a table
/// whose entries are the peers that are gone, and that has the tables of the groups.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct TableHeader {
    /// [`TABLE_MAGIC`].
    pub(crate) magic: u64,
    /// Size of all of it, in units.
    pub(crate) units: u32,
    /// Entries in all: peers without `backup`, peers with it, then peers that are gone but have
    /// open connections.
    pub(crate) entries: u32,
    /// Entries without `backup`, which come first.
    pub(crate) primaries: u32,
    /// Entries with `backup`, which come next.
    pub(crate) backups: u32,
    /// What the table would take in its most compact form, with a base of its ring, in units.
    pub(crate) compact_units: u32,
    /// [`PLAIN`] or [`DIRECTORY`], or 0.
    pub(crate) traits: u32,
    /// The weight of all peers without `backup`, in service or not; 0 where they differ.
    pub(crate) weight: u32,
    /// What the group has of its own.
    pub(crate) own: OwnTraits,
    /// Counted up with every change of the peers.
    pub(crate) generation: u64,
    /// The plan of the entries without `backup`.
    pub(crate) primary: PlanHeader,
    /// The plan of those with it.
    pub(crate) backup: PlanHeader,
    /// Cumulative weights (`u64`) of all peers without `backup`, in service or not, where they
    /// differ: for `hash` and `ip_hash`. Of a directory: those of the groups, by [`Self::share`].
    pub(crate) ranges: Section,
    /// What has changed in the ring of consistent hashing since its base (`u32`); see the crate
    /// hash-ring. Not there if the method needs no ring.
    pub(crate) delta: Section,
    /// By the slots of the ring's servers, the place of the entry of the server's peer, or with
    /// [`SHARED`] an index in `shared`; 0 for a slot without a server (`u32`).
    pub(crate) slots: Section,
    /// Servers that several peers are of: how many, then the places of their entries (`u32`).
    pub(crate) shared: Section,
    /// Where the base of the ring lies, which all tables share that name it; 0 for a ring with the
    /// empty one, or if there is no ring.
    pub(crate) base: Offset,
    /// How many words (`u32`) the base takes.
    pub(crate) base_words: u32,
    /// Places of entries ([`Offset`]) in the order of [`Entry::sticky`].
    pub(crate) sticky: Section,
    /// Of a directory: the places of the groups' tables ([`Offset`]) in the order of their names.
    pub(crate) groups: Section,
    /// Of a directory: the same by the hashes of the names; see the module `group_index`.
    pub(crate) index: Section,
    /// Of a group: its name, in bytes.
    pub(crate) name: Section,
    /// Of a group: what [`GroupName`](crate::GroupName) makes of its name.
    pub(crate) name_hash: u32,
    /// Of a group: where its [`Positions`](super::Positions) lie; 0: in the header of the memory.
    pub(crate) positions: Offset,
    /// The weights of all peers in service without `backup`.
    pub(crate) share: u64,
    /// Of a group: the text of the key that its requests hash, in bytes; not there if it has none
    /// of its own.
    pub(crate) hash_key: Section,
}

/// In [`TableHeader::traits`]: no peer without `backup` has `max_conns` or `slow_start`, so that a
/// pick needs to look at nothing but the peer's own words. A table of another build, which has 0
/// there, is correct as well.
pub(crate) const PLAIN: u32 = 1;

/// In [`TableHeader::traits`]: it is the directory of the groups.
pub(crate) const DIRECTORY: u32 = 1 << 1;

/// In [`TableHeader::slots`]: the rest is an index in [`TableHeader::shared`].
pub(crate) const SHARED: u32 = 1 << 31;

impl TableHeader {
    /// Where the plans lie, in bytes from the table's start.
    pub(crate) fn plans(entries: usize) -> usize {
        (size_of::<Self>() + entries * size_of::<Offset>()).next_multiple_of(PLAN_ALIGNMENT)
    }
}

/// What a plan is aligned to: the larger of its two kinds of items.
pub(crate) const PLAN_ALIGNMENT: usize = align_of::<u64>();

/// Tells a table from what may lie where a stale pin points.
pub(crate) const TABLE_MAGIC: u64 = u64::from_be_bytes(*b"ETCDTABL");

/// A peer as tables have it: this, and if it has texts, their lengths ([`TextLengths`]), its route,
/// its labels and its source. It is written once; all tables in which the peer is the same name the
/// same entry, so that a change costs what it changes. A peer's own strings stay as they are for as
/// long as it lives, and are not here.
///
/// Half a cache line: most peers have no texts, and all that a pick reads is here.
#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Entry {
    /// Where the peer lies.
    pub(crate) peer: Offset,
    /// As in [`Parameters`]; no weight is greater than [`MAX_WEIGHT`].
    pub(crate) weight: u16,
    /// [`BACKUP`], [`DOWN`] and [`DRAIN`].
    flags: u8,
    /// 1 if it has texts.
    has_texts: u8,
    /// As in [`Parameters`].
    max_conns: u32,
    pub(crate) max_fails: u32,
    fail_timeout: u32,
    pub(crate) slow_start: u32,
    /// The id by which a cookie names the peer; 0 where it has none.
    pub(crate) sticky: u64,
}

/// In [`Entry::flags`]: what [`Parameters`] say.
const BACKUP: u8 = 1;
const DOWN: u8 = 1 << 1;
const DRAIN: u8 = 1 << 2;

/// Lengths of the route, the labels and the source of an entry, in bytes; [`Entry::NONE`] for one
/// that is not there.
pub(crate) type TextLengths = [u32; 3];

impl Entry {
    /// The length of a text that is not there: no text is as long.
    pub(crate) const NONE: u32 = u32::MAX;

    /// An entry of the peer at `peer`.
    pub(crate) fn new(
        peer: Offset,
        parameters: &Parameters,
        sticky: u64,
        texts: Option<&TextLengths>,
    ) -> Self {
        let Parameters { weight, max_conns, max_fails, fail_timeout, slow_start, .. } = *parameters;
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        Self {
            peer,
            // Not greater, as the parameters say.
            weight: weight.min(MAX_WEIGHT) as u16,
            flags: flag(parameters.backup, BACKUP)
                | flag(parameters.down, DOWN)
                | flag(parameters.drain, DRAIN),
            has_texts: u8::from(texts.is_some()),
            max_conns,
            max_fails,
            fail_timeout,
            slow_start,
            sticky,
        }
    }

    /// Weight, limits and flags.
    #[inline(always)]
    pub(crate) fn parameters(&self) -> Parameters {
        Parameters {
            weight: self.weight.into(),
            max_conns: self.max_conns,
            max_fails: self.max_fails,
            fail_timeout: self.fail_timeout,
            slow_start: self.slow_start,
            backup: self.flags & BACKUP != 0,
            down: self.flags & DOWN != 0,
            drain: self.flags & DRAIN != 0,
        }
    }

    /// Whether lengths of texts follow, and texts.
    pub(crate) fn has_texts(&self) -> bool {
        self.has_texts != 0
    }

    /// How many units an entry takes with texts of these lengths, if it has any.
    pub(crate) fn size(texts: Option<&TextLengths>) -> u32 {
        let Some(lengths) = texts else { return units(size_of::<Self>()) };
        let there = lengths.iter().filter(|&&length| length != Self::NONE);
        let bytes: usize = there.map(|&length| length as usize).sum();
        units(size_of::<Self>() + size_of::<TextLengths>() + bytes)
    }
}

const _: () = assert!(MAX_WEIGHT <= u16::MAX as u32);

/// A report: this, then its bytes.
#[repr(C, align(16))]
pub(crate) struct ReportHeader {
    /// [`REPORT_MAGIC`].
    pub(crate) magic: u64,
    /// Size of all of it, in units.
    pub(crate) units: u32,
    /// Bytes behind the header.
    pub(crate) length: u32,
}

/// As [`TABLE_MAGIC`], for reports.
pub(crate) const REPORT_MAGIC: u64 = u64::from_be_bytes(*b"ETCDREPT");
