//! `state=` of `etcd_map`: the values are kept in a file, for a start without etcd.

use client_networks::shown;
use etcd_watch::Origin;
use live_value::Tag;
use map_keys::{Entries, Rejected};
use ngx::ffi::{NGX_LOG_ERR, NGX_LOG_NOTICE, NGX_LOG_WARN, ngx_log_t};
use saved_state::{SavedMap, messages};

use super::memory::LiveMemory;
use crate::{config::MapConf, nginx::log};

impl MapConf {
    /// Writes to fresh memory what the file has, if there is one. A file that is ignored never
    /// keeps nginx from its start: a line says so.
    pub(super) fn load(&self, memory: &LiveMemory, log: *mut ngx_log_t) -> Option<Origin> {
        let file = self.state.as_ref()?.display().to_string();
        let say = |level: u32, text: &str| {
            let message = format!("etcd: variable \"{}\": {text}", self.name);
            log::to(level, log, &message);
        };
        let saved = match self.read_file() {
            Ok(saved) => saved?,
            Err(reason) => {
                say(NGX_LOG_ERR, &messages::ignored(&file, &reason));
                memory.state.store_saved(None, Some(&reason));
                return None;
            }
        };
        let mut items: Vec<_> =
            saved.entries.iter().map(|(key, value)| (&**key, &**value)).collect();
        items.sort_unstable();
        let mut entries = Entries::shared(self.rules(), memory.words());
        let update = entries.replace(items.into_iter());
        let revision = saved.revision.unsigned_abs();
        entries.publish(Tag { source: saved.cluster_id, revision });
        memory.state.store_saved(Some(revision), None);
        let what = format!("{} entries", entries.len());
        say(NGX_LOG_NOTICE, &messages::loaded(&what, revision, &file));
        if let [Rejected { key, reason, .. }, ..] = &update.rejected[..] {
            let count = update.rejected.len();
            let text = messages::left_out(count, &file, &shown(key), &reason.to_string());
            say(NGX_LOG_WARN, &text);
        }
        Some(Origin { cluster_id: saved.cluster_id, revision: saved.revision })
    }

    fn read_file(&self) -> Result<Option<SavedMap>, String> {
        let Some(file) = &self.state else { return Ok(None) };
        let Some(saved) = saved_state::load_map(file).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        saved.check_for(&self.cluster, &self.prefix).map_err(|error| error.to_string())?;
        Ok(Some(saved))
    }
}
