//! More peers than the zone holds: as many as fit are in service, and it is said that others are
//! not.

use peer_zone::ZoneFull;

use super::Upstream;
use crate::zones;

impl Upstream {
    /// Notes whether all that were to be published have room, and says when that begins and when it
    /// ends.
    pub(super) fn note_room(&mut self, full: Option<ZoneFull>) {
        // Before the first list a watcher that takes over wants but those that are there, and what
        // its predecessor has said stands.
        if full.is_none() && !self.has_listed {
            return;
        }
        self.zone.set_left_out(full.map_or(0, |full| full.left_out));
        let words = full.map(|full| zones::in_words(full, self.zone_size));
        match (self.said.room(), &words) {
            (None, Some(words)) => {
                self.lines.error(format!("etcd: upstream \"{}\": {words}", self.name));
            }
            (Some(_), None) => {
                let count = self.publisher.listed().len();
                self.lines.notice(format!(
                    "etcd: upstream \"{}\": all {count} peers fit into the zone again",
                    self.name
                ));
            }
            _ => {}
        }
        self.said.set_room(words);
    }
}
