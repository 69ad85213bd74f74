//! What groups have of their own is applied to their peers, before these are published.

use std::sync::Arc;

use change_history::Cause;
use module_messages::drain_not_applied;
use nginx_syntax::quoted;
use peer_zone::{GroupOptions, protocol::Publishing};
use upstream_peers::Overrides;

use super::WatchedUpstream;
use crate::nginx::clock;

impl WatchedUpstream {
    /// Applies what has changed of the settings of groups; their peers are to be published next.
    pub(super) fn apply_settings(&mut self, publishing: &Publishing) {
        let Some(settings) = self.settings.as_mut().filter(|settings| settings.are_due()) else {
            return;
        };
        let changes = settings.take();
        let now = clock::now();
        // The file that keeps them goes with the peers, also if these are the same.
        self.pending.peers = true;
        for (group, options) in settings.take_refused() {
            let set = self.publisher.set_group_options(&group, options.clone(), now, publishing);
            if set.is_err() {
                settings.note_refused(group, options);
            } else {
                self.contents.look_again(&self.described.keys_of(&group));
            }
        }
        for (group, value) in changes {
            let put_at = value.as_ref().and_then(|value| value.put_at);
            let value = value.map_or_else(Arc::default, |value| value.settings);
            let defaults = Some(&value.defaults).filter(|it| **it != Overrides::default());
            let keys = self.described.set_defaults(&group, defaults);
            self.contents.look_again(&keys);
            if let Some(checks) = &mut self.checks {
                checks.set_plan(&group, value.check.clone());
            }
            let options = value.options.clone();
            let mut set =
                |options| self.publisher.set_group_options(&group, options, now, publishing);
            if let Err(error) = set(options.clone()) {
                // The others hold all the same.
                let _ = set(GroupOptions { closing: None, ..options.clone() });
                self.log.error(drain_not_applied(&quoted(&group), error));
                settings.note_refused(Arc::clone(&group), options);
            }
            if let Some(revision) = put_at {
                self.publisher.hold_back_from(&group, revision, now, publishing);
            }
        }
        self.take_news(Cause::Event);
    }
}
