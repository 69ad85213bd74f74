//! Whether the zone has room for all peers: as many as fit are in service, and the log says that
//! others are not.

use peer_zone::{Publisher, Zone, ZoneFull, messages};

use crate::watcher::upstream_log::UpstreamLog;

/// The room of an upstream's zone.
pub(super) struct ZoneSpace {
    zone: Zone,
    /// Its size, as configured.
    size: usize,
    /// Why peers are left out, if there is no room for all.
    shortage: Option<String>,
    /// The largest size that the log has named as sufficient since the shortage began.
    named: usize,
    log: UpstreamLog,
}

impl ZoneSpace {
    /// A predecessor has left it with a shortage, or none.
    pub(super) fn new(zone: Zone, size: usize, shortage: Option<String>, log: UpstreamLog) -> Self {
        Self { zone, size, shortage, named: 0, log }
    }

    /// Why peers are left out, if there is no room for all.
    pub(super) fn shortage(&self) -> Option<&str> {
        self.shortage.as_deref()
    }

    /// Notes whether all that were to be published have room, and says when that begins, when more
    /// peers have come than the size holds that was named last, and when it ends. Says whether the
    /// shortage is another one than before.
    pub(super) fn note_result(&mut self, full: Option<&ZoneFull>, publisher: &Publisher) -> bool {
        self.zone.set_left_out(full.map_or(0, |full| full.left_out));
        let shortage = full.map(|full| messages::shortage(full, self.size));
        let enough = full.map_or(0, |full| messages::enough(full, self.size));
        match (&self.shortage, &shortage) {
            (None, Some(shortage)) => self.log.error(shortage),
            // The predecessor has said it, with one size or another.
            (Some(_), Some(shortage)) if self.named != 0 && enough > self.named => {
                self.log.error(shortage);
            }
            (Some(_), None) => {
                let count = publisher.count();
                self.log.notice(messages::all_fit(count));
            }
            _ => {}
        }
        self.named = if shortage.is_some() { self.named.max(enough) } else { 0 };
        let is_other = self.shortage != shortage;
        self.shortage = shortage;
        is_other
    }
}
