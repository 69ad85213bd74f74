//! A worker's side: reading the table, picking a peer, saying how it went. Nothing here locks, waits or allocates.

mod pick;

use core::{
    marker::PhantomData,
    sync::atomic::{AtomicU32, Ordering},
};

use std::sync::Arc;

pub use self::pick::Pick;
use crate::{
    layout::{Entry, MEMBERS, Member, Parameters, Peer, PlanHeader, ReportHeader, TableHeader},
    memory::Offset,
    publisher::Desired,
    zone::Zone,
};

/// A process's entry in a zone. It belongs to one thread: what it pins is pinned by a single word.
#[derive(Debug)]
pub struct Worker {
    zone: Zone,
    index: u32,
    column: u32,
    /// Whether this worker is the only one to write its column.
    owns_column: bool,
    /// When nothing could be picked, and what must have changed before trying again is worth while: see [`pick`].
    exhausted: Option<pick::Exhausted>,
    /// Not `Sync`, nor for more than one thread at a time.
    single_thread: PhantomData<*const ()>,
}

/// A peer that a request holds: its memory stays, and it counts as one open connection, until [`Worker::release`].
///
/// It cannot be copied, so that it is released once.
#[derive(Debug)]
pub struct Held {
    peer: Offset,
    id: u64,
    max_conns: u32,
    max_fails: u32,
    /// The only peer there is: its failures are not counted, as in nginx.
    is_single: bool,
}

impl Held {
    /// Tells the peer from all others that the zone has ever had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Consecutive failures at which the peer is left alone for a while; 0 where they are not counted.
    pub fn max_fails(&self) -> u32 {
        self.max_fails
    }
}

/// How a request at a peer went, as nginx's `state` in `peer.free` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer answered, whatever it said.
    Answered,
    /// The peer failed, by what `proxy_next_upstream` calls a failure.
    Failed,
}

/// What there is to know of a peer, for whoever may look at it.
#[derive(Clone, Copy, Debug)]
pub struct PeerView<'a> {
    /// Tells the peer from all others that the zone has ever had.
    pub id: u64,
    /// A `sockaddr` of the operating system, as bytes (aligned to 4).
    pub socket_address: &'a [u8],
    /// The address as nginx writes it.
    pub name: &'a [u8],
    /// The key below the prefix; `None` for a peer of an ordinary `server` line.
    pub key: Option<&'a [u8]>,
    /// Consecutive failures.
    pub fails: u32,
    /// Seconds of the last failure or check.
    pub checked: u32,
    /// Requests so far.
    pub requests: u64,
    /// Failures so far.
    pub failures: u64,
}

/// A table, pinned for as long as this lives.
#[derive(Debug)]
pub struct Table<'w> {
    worker: &'w Worker,
    header: &'w TableHeader,
    entries: &'w [Entry],
    place: Offset,
}

impl Worker {
    pub(crate) fn new(zone: Zone, index: u32) -> Self {
        let own = zone.own_column(index);
        let column = own.unwrap_or(zone.columns() - 1);
        Self { zone, index, column, owns_column: own.is_some(), exhausted: None, single_thread: PhantomData }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Gives the entry back. For a process that lives on without having held a peer; one that ends need do nothing.
    pub fn leave(self) {
        self.member().vacate();
    }

    fn member(&self) -> &Member {
        // SAFETY: `Zone::join` made the worker for an entry that there is; entries are atomics throughout.
        unsafe { self.zone.memory.get(MEMBERS + self.index as usize * size_of::<Member>()) }
    }

    /// Pins the current table; `None` before the first is published.
    ///
    /// It takes the worker for itself: a second pin would take the place of the first.
    pub fn table(&mut self) -> Option<Table<'_>> {
        let place = Offset(self.member().table.set(&self.zone.header().table));
        if place.0 == 0 {
            return None;
        }
        // SAFETY: the pin keeps the table, which was complete before it was published, until `Table` is dropped.
        let header: &TableHeader = unsafe { self.zone.memory.get(place.bytes()) };
        // SAFETY: as above; the entries follow the header.
        let entries = unsafe {
            self.zone.memory.slice(place.bytes() + size_of::<TableHeader>(), header.entries as usize)
        };
        Some(Table { worker: self, header, entries, place })
    }

    /// Calls `read` with the bytes published last by `Publisher::report`; none before the first.
    pub fn with_report<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> T {
        let member = self.member();
        let place = Offset(member.report.set(&self.zone.header().report));
        let bytes = if place.0 == 0 {
            &[][..]
        } else {
            // SAFETY: the pin keeps the report, which was complete before it was published, until `clear` below.
            unsafe {
                let header: &ReportHeader = self.zone.memory.get(place.bytes());
                self.zone.memory.slice(place.bytes() + size_of::<ReportHeader>(), header.length as usize)
            }
        };
        let result = read(bytes);
        member.report.clear();
        result
    }

    /// The peer that a request holds.
    pub fn peer<'h>(&self, held: &'h Held) -> PeerView<'h> {
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has one.
        unsafe { self.zone.view(held.peer) }
    }

    /// Open connections to the peer that a request holds, over all workers.
    pub fn connections(&self, held: &Held) -> u32 {
        // SAFETY: as in `peer`.
        unsafe { self.zone.connections(held.peer) }
    }

    /// Ends a request's hold on its peer, at the time `now` (seconds). Returns whether the failures have just reached `max_fails`.
    ///
    /// The rules are those of `ngx_http_upstream_free_round_robin_peer`.
    pub fn release(&mut self, held: Held, outcome: Outcome, now: u32) -> bool {
        // SAFETY: the count that keeps the peer is given back below, last.
        let peer = unsafe { self.zone.peer(held.peer) };
        if outcome == Outcome::Failed {
            peer.failures.fetch_add(1, Ordering::Relaxed);
        }
        let mut disabled = false;
        // A limit may have come while the request held a peer that had none.
        let mut revived = held.max_conns != 0 || self.zone.header().limited.load(Ordering::Relaxed) != 0;
        let forgiven = match outcome {
            _ if held.is_single => true,
            Outcome::Failed => {
                peer.accessed.store(now, Ordering::Relaxed);
                peer.checked.store(now, Ordering::Relaxed);
                // Release: whoever sees the failure sees its time too, and does not take the peer for one whose time is up.
                let fails = peer.fails.fetch_add(1, Ordering::Release).saturating_add(1);
                disabled = held.max_fails != 0 && fails >= held.max_fails;
                false
            }
            // The peer is taken back only if it answered a request made after its last failure.
            Outcome::Answered => peer.accessed.load(Ordering::Relaxed) < peer.checked.load(Ordering::Relaxed),
        };
        if forgiven && peer.fails.load(Ordering::Relaxed) != 0 {
            peer.fails.store(0, Ordering::Relaxed);
            revived = true;
        }
        self.uncount(held.peer);
        if revived {
            self.zone.revive();
        }
        disabled
    }

    /// Counts a connection to the peer at `at`, in this worker's column.
    fn count(&self, at: Offset) {
        let column = self.column_of(at);
        if self.owns_column {
            column.store(column.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        } else {
            column.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn uncount(&self, at: Offset) {
        let column = self.column_of(at);
        // Release: the publisher frees the peer once it sees the count gone, so all that was done with the peer comes before.
        if self.owns_column {
            column.store(column.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Release);
        } else {
            column.fetch_sub(1, Ordering::Release);
        }
    }

    fn column_of(&self, at: Offset) -> &AtomicU32 {
        let column = at.bytes() + size_of::<Peer>() + self.column as usize * size_of::<AtomicU32>();
        // SAFETY: called for a peer of a pinned table, or one that is held; `column` is below the number of columns.
        unsafe { self.zone.memory.get(column) }
    }
}

impl Zone {
    /// What there is to know of the peer at `at`.
    ///
    /// # Safety
    ///
    /// As for [`Zone::peer`].
    pub(crate) unsafe fn view<'a>(&self, at: Offset) -> PeerView<'a> {
        // SAFETY: the caller's promise.
        let (peer, (socket_address, name, key)) = unsafe { (self.peer(at), self.peer_strings(at)) };
        PeerView {
            id: peer.id,
            socket_address,
            name,
            key: (peer.is_static == 0).then_some(key),
            fails: peer.fails.load(Ordering::Relaxed),
            checked: peer.checked.load(Ordering::Relaxed),
            requests: peer.requests.load(Ordering::Relaxed),
            failures: peer.failures.load(Ordering::Relaxed),
        }
    }
}

/// What a table says of a peer.
#[derive(Clone, Copy, Debug)]
pub struct Row<'t> {
    /// The peer.
    pub peer: PeerView<'t>,
    /// Its parameters.
    pub parameters: Parameters,
    /// Open connections, over all workers.
    pub connections: u32,
    /// Its key is gone; it is listed for the connections that it still has.
    pub is_removed: bool,
}

impl Row<'_> {
    /// Whether its failures keep it from being picked at `now` (seconds).
    pub fn is_unavailable(&self, now: u32) -> bool {
        pick::has_failed(self.peer.fails, self.peer.checked, &self.parameters, now)
    }
}

impl Table<'_> {
    /// Counted up with every change of the peers.
    pub fn generation(&self) -> u64 {
        self.header.generation
    }

    /// All peers: those without `backup`, those with it, those that are gone but have open connections.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let listed = (self.header.primaries + self.header.backups) as usize;
        self.entries.iter().enumerate().map(move |(index, entry)| Row {
            // SAFETY: the table is pinned, and no peer that it lists is freed.
            peer: unsafe { self.worker.zone.view(entry.peer) },
            parameters: entry.parameters,
            // SAFETY: as above.
            connections: unsafe { self.worker.zone.connections(entry.peer) },
            is_removed: index >= listed,
        })
    }

    /// The peers that have keys and have not been removed, to publish them elsewhere.
    pub fn to_desired(&self) -> Vec<Desired> {
        let text = |bytes: &[u8]| Arc::from(String::from_utf8_lossy(bytes));
        self.rows()
            .filter(|row| !row.is_removed && row.peer.key.is_some())
            .map(|row| Desired {
                key: row.peer.key.map(text),
                socket_address: row.peer.socket_address.into(),
                name: text(row.peer.name),
                parameters: row.parameters,
            })
            .collect()
    }

    /// Whether there is but one peer: nginx never takes that one out of service.
    fn is_single(&self) -> bool {
        self.header.primaries + self.header.backups == 1
    }

    fn plan_sequence(&self, plan: &PlanHeader) -> &[u32] {
        // SAFETY: the table is pinned; the publisher wrote as many items there.
        unsafe {
            self.worker.zone.memory.slice(self.place.bytes() + plan.offset as usize, plan.length as usize)
        }
    }

    fn plan_cumulative(&self, plan: &PlanHeader) -> &[u64] {
        // SAFETY: as above.
        unsafe {
            self.worker.zone.memory.slice(self.place.bytes() + plan.offset as usize, plan.length as usize)
        }
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        self.worker.member().table.clear();
    }
}
