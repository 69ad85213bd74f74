//! What is learnt of a peer's response times, and its requests in flight.

use core::sync::atomic::{AtomicU64, Ordering};

use peer_balance::{InFlight, LeastTime, Method, PeakEwma, ResponseTime, Ticket, TimeAverages};

use super::{
    Now, Worker,
    picked_peer::{PickedPeer, Traits},
};
use crate::layout::Peer;

/// What a peer took to answer, as the method needs it.
#[derive(Clone, Copy, Debug)]
pub enum Times {
    /// For `peak_ewma`: until the header, in microseconds.
    Peak(u32),
    /// For `least_time`: in milliseconds.
    Average {
        /// Until the header.
        header: u32,
        /// Until the last byte. That of a connection that was upgraded says nothing of the peer.
        response: u32,
    },
}

impl Times {
    /// Whether they are those that the method goes by by which the peer was picked; if that is the
    /// upstream's, the caller knows.
    pub(super) fn are_for(self, held: &PickedPeer) -> bool {
        match (held.own_method(), self) {
            (None, _)
            | (Some(Method::PeakEwma), Self::Peak(_))
            | (Some(Method::LeastTime(_)), Self::Average { .. }) => true,
            (Some(_), Self::Peak(_) | Self::Average { .. }) => false,
        }
    }

    /// Takes the times into account.
    pub(super) fn note(self, peer: &Peer, held: &PickedPeer, now: Now) {
        let word = &peer.response_time;
        match self {
            Self::Peak(sample) => observe(word, sample, now),
            Self::Average { header, response } => update(word, |word| {
                let averages = TimeAverages::of_word(word);
                let averages = if held.traits.has(Traits::HEADER) {
                    averages
                } else {
                    averages.with_header(header)
                };
                if held.is_upgraded() { averages.0 } else { averages.with_response(response).0 }
            }),
        }
    }
}

/// Takes a sample into the peak. Where others do the same at the same time, one of the samples may
/// be lost.
fn observe(word: &AtomicU64, sample: u32, now: Now) {
    let before = PeakEwma::of_word(word.load(Ordering::Relaxed));
    // The clock of response times goes round in 49 days; only differences matter.
    let after = before.observe(now.milliseconds as u32, sample);
    if after != before {
        word.store(after.0, Ordering::Relaxed);
    }
}

fn update(word: &AtomicU64, change: impl Fn(u64) -> u64) {
    let changed = |before| Some(change(before));
    // It never fails, as there is always another value.
    let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
}

/// A request begins at the peer; `None` where it cannot be counted.
#[inline]
pub(super) fn begin_in_flight(peer: &Peer, now: Now) -> Option<Ticket> {
    let mut mine = None;
    let begun = |word| {
        let (next, ticket) = InFlight(word).begun(now.milliseconds)?;
        mine = Some(ticket);
        Some(next.0)
    };
    let counted = peer.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begun);
    counted.ok().and(mine)
}

/// The request is in flight no longer, if it was.
#[inline]
pub(super) fn end_in_flight(peer: &Peer, held: &mut PickedPeer) {
    if let Some(ticket) = held.in_flight.take() {
        let ended = |word| InFlight(word).ended(ticket).map(|word| word.0);
        // An error is that of a request that was forgotten, as another worker has died.
        let _ = peer.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, ended);
    }
}

impl Worker {
    /// With `least_time`, the group's own or the upstream's: the header of the response has come,
    /// after so many milliseconds. Nothing if the group has a method that goes by something else.
    ///
    /// That is all that `least_time header` waits for, and all that is to come on a connection that
    /// is upgraded.
    pub fn note_header(&self, held: &mut PickedPeer, milliseconds: u32, least_time: LeastTime) {
        let least_time = match held.own_method() {
            None => least_time,
            Some(Method::LeastTime(own)) => own,
            Some(_) => return,
        };
        if held.traits.has(Traits::HEADER) {
            return;
        }
        held.traits = held.traits.with(Traits::HEADER);
        // SAFETY: `held` counts as an open connection, and the publisher frees no peer that has
        // one.
        let peer = unsafe { self.zone.peer(held.peer) };
        update(&peer.response_time, |word| TimeAverages::of_word(word).with_header(milliseconds).0);
        if least_time.time != ResponseTime::LastByte || held.is_upgraded() {
            end_in_flight(peer, held);
        }
    }
}
