//! What the status shows of the time that a peer takes to answer.

use peer_zone::{Method, Now, PeerRow};

/// The seconds to the header, and those by which the method decides; each `None` before the first
/// answer, and with a method that does not use it: of the one before a reload there may be others.
pub(super) fn times(row: &PeerRow<'_>, method: Method, now: Now) -> (Option<f64>, Option<f64>) {
    match method {
        Method::PeakEwma => {
            // Microseconds, of which an `f64` holds all there can be exactly.
            let peak = Some(row.peer.peak.cost(now.milliseconds as u32)).filter(|&cost| cost > 0);
            (None, peak.map(|microseconds| f64::from(microseconds) / 1_000_000.0))
        }
        Method::LeastTime(_) => {
            let averages = &row.peer.averages;
            let seconds = |milliseconds: u32| f64::from(milliseconds) / 1_000.0;
            (averages.header().map(seconds), averages.response().map(seconds))
        }
        _ => (None, None),
    }
}
