//! Peers that have left the service: removed, drained, down, failed.
//!
//! Who keeps idle connections to a peer has to close them then, in every worker. The ring in which
//! departures are noted lies between the list of workers and the blocks; see
//! [`protocol`](crate::protocol).

use crate::{
    layout,
    protocol::{Departed, Departure},
    worker::Worker,
    zone::Zone,
};

impl Zone {
    fn departures(&self) -> &[Departure] {
        let header = self.header();
        // SAFETY: `format` wrote as many there (zeroes), and they are atomics throughout.
        unsafe {
            self.memory.slice(
                layout::departures(header.members, header.columns),
                header.departures as usize,
            )
        }
    }

    /// Notes that the peer of this id has left the service.
    pub(crate) fn note_departure(&self, peer: u64) {
        self.header().departed.note(self.departures(), peer);
    }
}

impl Worker {
    /// Calls `tell` with each peer that has left the service since the last call, or since the
    /// worker joined; `now` in milliseconds.
    pub fn departed(&mut self, now: u64, tell: impl FnMut(Departed)) {
        let zone = *self.zone();
        self.departures_mut().read(&zone.header().departed, zone.departures(), now, tell);
    }

    /// Whether [`Worker::departed`] has anything to tell: one load, for each request.
    pub fn has_departures(&self) -> bool {
        self.departures().has_news(&self.zone().header().departed)
    }
}
