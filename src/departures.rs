//! Peers that have left the service, in whichever worker that was seen.

use crate::{conf::UpstreamConf, drain, keepalive, process};

/// Closes the idle connections to those that have left since the last call, and takes note of them for drains; `now` in milliseconds. Costs
/// a load where none has.
pub(crate) fn read(conf: &mut UpstreamConf, now: u64) {
    if conf.keepalive.is_none() && conf.draining.is_none() {
        return;
    }
    if process::worker(conf).is_none() {
        return;
    }
    let UpstreamConf { worker: Some(worker), draining, keepalive, .. } = conf else { return };
    if !worker.has_departures() {
        return;
    }
    let zone = *worker.zone();
    let cycle = conf.cycle;
    worker.departed(now, |departed| {
        if let Some(keepalive) = keepalive {
            keepalive::close_departed(cycle, keepalive, departed);
        }
        if let Some(draining) = draining {
            drain::note(zone, draining, departed);
        }
    });
}
