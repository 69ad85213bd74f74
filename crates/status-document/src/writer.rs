//! How a document is written: in passes over its upstreams, variables, networks and maps.

use crate::{Counts, Head, Live, Peer, Upstream};

/// What a pass goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The upstreams, with their peers.
    Upstreams,
    /// The variables of `etcd_variable`.
    Variables,
    /// The variables of `etcd_geo`.
    Networks,
    /// The variables of `etcd_map`.
    Maps,
}

/// Which parts of an [`Upstream`] a pass needs, beside what costs nothing to read; the others have
/// their defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What the watcher reports: `rejected`, `unresolved`, `unresolved_total`, `unselected`,
    /// `endpoint`, `endpoints`, `trouble`, `holding`, `state`, and whether the zone is full.
    pub report: bool,
    /// The last changes: `changes`.
    pub changes: bool,
}

impl Parts {
    /// Only what costs nothing to read.
    pub const FEW: Self = Self { report: false, changes: false };
    /// All.
    pub const ALL: Self = Self { report: true, changes: true };
}

/// What a pass does with the peers of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Nothing: [`Writer::end_upstream`] is called without counts.
    None,
    /// It counts them.
    Count,
    /// It counts them, and calls [`Writer::peer`] with each.
    Write,
}

/// A pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// What it goes over.
    pub over: Over,
    /// What it needs of an upstream.
    pub parts: Parts,
    /// What it does with peers.
    pub rows: Rows,
}

/// A format.
///
/// The calls are: [`begin`](Self::begin); for each pass [`next_pass`](Self::next_pass), then, for
/// each upstream in the order of their names, [`upstream`](Self::upstream), [`peer`](Self::peer)
/// for each peer if the pass asks for it, and [`end_upstream`](Self::end_upstream), or, for each
/// variable, [`live`](Self::live); and, after a `next_pass` that has returned `None`, no more. What
/// is to be sent is added to `out`, which may have been emptied between any two calls.
///
/// A document may take long, and is read in steps: an upstream's peers can be other ones in the
/// next pass, and counts can differ from the rows that were written.
pub trait Writer {
    /// Writes what comes first.
    fn begin(&mut self, head: &Head, out: &mut Vec<u8>);

    /// The next pass; `None` at the end of the document. Writes what comes between two passes, and
    /// at the end.
    fn next_pass(&mut self, out: &mut Vec<u8>) -> Option<Pass>;

    /// An upstream begins.
    fn upstream(&mut self, upstream: &Upstream, out: &mut Vec<u8>);

    /// A peer of the upstream.
    fn peer(&mut self, peer: &Peer<'_>, out: &mut Vec<u8>);

    /// The upstream ends; `counts` are those of the peers that have been gone through.
    fn end_upstream(&mut self, counts: Option<&Counts>, out: &mut Vec<u8>);

    /// A variable of `etcd_variable`, `etcd_geo` or `etcd_map`.
    fn live(&mut self, live: &Live, out: &mut Vec<u8>);
}
