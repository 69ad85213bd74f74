//! `settings=` of `etcd_group`: what groups have of their own. No variable shows it.

use core::any::Any;
use std::{collections::BTreeMap, sync::Arc};

use etcd_watch::Origin;
use live_value::{Tag, messages::LiveKeys};
use ngx::ffi::ngx_log_t;
use upstream_settings::Entries;

use super::{
    content::Content,
    kind::{Figure, LiveKind, Source},
    memory::LiveMemory,
    settings_content::SettingsContent,
};
use crate::config::SettingsConf;

impl LiveKind for SettingsConf {
    fn source(&self) -> Source<'_> {
        Source {
            directive: "etcd_group",
            name: &self.upstream,
            cluster: &self.cluster,
            keys: LiveKeys::Prefix(self.prefix.clone()),
            place: &self.place,
        }
    }

    /// Each upstream has its own.
    fn is_same(&self, other: &dyn LiveKind) -> bool {
        (other as &dyn Any)
            .downcast_ref()
            .is_some_and(|other: &Self| core::ptr::eq(core::ptr::from_ref(self), other))
    }

    fn zone_size(&self) -> usize {
        self.zone_size
    }

    fn form(&self) -> String {
        format!(",{},{}", self.kind.name(), self.upstream)
    }

    fn is_table(&self) -> bool {
        true
    }

    fn load_saved(&self, memory: &LiveMemory, _log: *mut ngx_log_t) -> Option<Origin> {
        // A file that is not good is said so of where its peers are loaded.
        let saved = saved_state::load(self.state.as_ref()?).ok()??;
        saved.check_for(&self.cluster, &self.peers_prefix).ok()?;
        let settings = saved.settings.filter(|settings| settings.prefix == self.prefix)?;
        let values = settings.values.iter();
        let values = values.map(|(group, value)| (group.as_bytes(), value.as_bytes()));
        let mut entries = Entries::shared(self.rules(), memory.words());
        // What is not valid in this configuration the first list says again.
        let _ = entries.replace(values);
        let (source, revision) = (saved.cluster_id, saved.revision.unsigned_abs());
        entries.publish(Tag { source, revision });
        Some(Origin { cluster_id: saved.cluster_id, revision: saved.revision })
    }

    fn content(&self, memory: LiveMemory) -> Box<dyn Content> {
        Box::new(SettingsContent::new(self, memory))
    }

    fn figures(&self, memory: &LiveMemory) -> BTreeMap<&'static str, Figure> {
        let Some(table) = memory.table() else { return BTreeMap::new() };
        BTreeMap::from([
            ("groups", Figure::Number(table.len())),
            ("bytes_used", Figure::Number(table.bytes_used())),
            ("bytes_total", Figure::Number(table.bytes_total())),
        ])
    }
}

impl SettingsConf {
    /// On what the settings build.
    pub(super) fn rules(&self) -> upstream_settings::Rules {
        let upstream = self.of_upstream.get().map_or_else(Arc::default, Arc::clone);
        upstream_settings::Rules { upstream, is_by_key: self.is_by_key }
    }
}
