//! Peers that have left the service, in whichever worker that was seen.

use crate::{conf::UpstreamConf, drain, keepalive, process, tls_sessions};

/// Closes the idle connections to those that have left since the last call, forgets the TLS
/// sessions with them, and takes note of them for drains; `now` in milliseconds. Costs a load where
/// none has.
pub(crate) fn read(conf: &mut UpstreamConf, now: u64) {
    if conf.keepalive.is_none() && conf.draining.is_none() && !tls_sessions::has_any(conf.cycle) {
        return;
    }
    // Taken out, since what is told of a departure looks at the rest.
    if process::worker(conf).is_none_or(|worker| !worker.has_withdrawals()) {
        return;
    }
    let (Some(mut worker), mut draining) = (conf.worker.take(), conf.draining.take()) else {
        return;
    };
    let zone = *worker.zone();
    worker.read_withdrawals(now, |departed| {
        if conf.keepalive.is_some() {
            keepalive::close_departed(conf, departed);
        }
        tls_sessions::forget(conf, departed);
        if let Some(draining) = &mut draining {
            drain::note(zone, draining, departed);
        }
    });
    (conf.worker, conf.draining) = (Some(worker), draining);
}
