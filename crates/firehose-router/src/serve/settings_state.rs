//! What is known of the settings, and of the networks that may publish.

use std::collections::BTreeMap;

use client_networks::NamedNetworks;
use etcd_watch::{Continuity, Origin};

use super::settings::Setting;

/// Words of all networks with their keys: what the module's memory holds.
const PUT_ALLOW_ROOM: usize = 2_000_000;

/// Settings as they stand in the configuration.
pub(crate) type Values = BTreeMap<Setting, String>;

/// The last good value of each setting that is set, and the networks that may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingsState {
    /// As they stand in the configuration. [`Setting::PutAllow`] is among them where there is a key
    /// in the place of the directory.
    pub(crate) values: Values,
    /// Where they came from, but for [`Setting::PutAllow`].
    pub(crate) settings_source: Provenance,
    /// The networks that may publish; where there is no key, everybody may.
    pub(crate) put_allow: NamedNetworks,
    /// Where they came from, and [`Setting::PutAllow`].
    pub(crate) put_allow_source: Provenance,
}

/// Where something that is known came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Whether etcd has said it, now or to the router that has kept it: that nothing is known is
    /// not the same as that nothing is set.
    pub(crate) is_known: bool,
    /// The etcd that has said it; `None` where that is not known.
    pub(crate) origin: Option<Origin>,
    /// What etcd is now, while this outlives one that was wiped or replaced.
    pub(crate) held: Option<Continuity>,
}

/// No networks yet, in as much memory as the module has for them.
pub(crate) fn no_networks() -> NamedNetworks {
    NamedNetworks::with_room(PUT_ALLOW_ROOM)
}

impl Default for SettingsState {
    fn default() -> Self {
        Self {
            values: Values::new(),
            settings_source: Provenance::default(),
            put_allow: no_networks(),
            put_allow_source: Provenance::default(),
        }
    }
}

impl SettingsState {
    /// What nginx runs with, where nothing else is known.
    pub(crate) fn of_values(values: &Values) -> Self {
        Self { values: values.clone(), ..Self::default() }
    }

    /// Whether there is a key that keeps somebody from publishing.
    pub(crate) fn restricts_publishing(&self) -> bool {
        !self.put_allow.is_empty() || self.values.contains_key(&Setting::PutAllow)
    }

    /// The networks to begin with, until the module itself has read them from etcd; `None` where
    /// nobody may publish until then, since it is not known who may, or none of the keys names a
    /// network.
    pub(crate) fn first_put_allow(&self) -> Option<Vec<&str>> {
        let networks: Vec<&str> = self.put_allow.words().collect();
        let is_known = self.put_allow_source.is_known;
        (is_known && (self.put_allow.is_empty() || !networks.is_empty())).then_some(networks)
    }

    /// The value, or the default.
    pub(crate) fn get(&self, setting: Setting) -> Option<&str> {
        self.values.get(&setting).map(String::as_str).or(setting.default())
    }

    /// These settings, with what acts without a reload.
    pub(crate) fn with_reloaded(&self, reloaded: &Values) -> Self {
        let mut values = self.values.clone();
        // Nor is it nginx's to refuse who may publish.
        values.retain(|setting, _| setting.is_live() || *setting == Setting::PutAllow);
        values.extend(reloaded.clone());
        Self { values, ..self.clone() }
    }

    /// What takes a reload to change.
    pub(crate) fn reloaded(&self) -> Values {
        let mut values = self.values.clone();
        values.retain(|setting, _| !setting.is_live());
        values
    }
}

/// What has changed, as a line shows it.
pub(crate) fn describe_changes(before: &Values, now: &Values) -> String {
    let changed = Setting::all().filter(|setting| before.get(setting) != now.get(setting));
    let shown =
        changed.map(|setting| match now.get(&setting).map(String::as_str).or(setting.default()) {
            Some(value) => format!("{} {value}", setting.key()),
            None => format!("{} unset", setting.key()),
        });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Provenance, SettingsState, Values, describe_changes};
    use crate::serve::settings::Setting;

    #[test]
    fn who_may_publish_is_everybody_only_where_etcd_has_said_so() {
        let mut state = SettingsState::default();
        assert_eq!(state.first_put_allow(), None);
        state.put_allow_source = Provenance { is_known: true, ..Provenance::default() };
        assert_eq!(state.first_put_allow(), Some(vec![]));
        // Nothing can be made of it, which is not the same as that there is nothing.
        let _ = state.put_allow.put(b"office", b"10.0.0.0/99");
        assert!(state.first_put_allow().is_none() && state.restricts_publishing());
        let _ = state.put_allow.put(b"office", b"10.0.0.0/8");
        assert_eq!(state.first_put_allow(), Some(vec!["10.0.0.0/8"]));
        let _ = state.put_allow.delete(b"office");
        assert_eq!(state.first_put_allow(), Some(vec![]));
    }

    #[test]
    fn what_is_live_takes_no_reload() {
        let mut state = SettingsState::default();
        let before = state.reloaded();
        for setting in Setting::all().filter(|setting| setting.is_live()) {
            state.values.insert(setting, "5".to_owned());
        }
        let _ = state.put_allow.put(b"a", b"10.0.0.0/8");
        assert_eq!(state.reloaded(), before);
        assert_eq!(state.get(Setting::MaxConns), Some("5"));
        state.values.insert(Setting::ServerName, "other".to_owned());
        assert_ne!(state.reloaded(), before);
    }

    #[test]
    fn changes_are_shown_with_defaults() {
        let values = |pairs: &[(Setting, &str)]| -> Values {
            pairs.iter().map(|(setting, value)| (*setting, (*value).to_owned())).collect()
        };
        let before = values(&[(Setting::WorkerProcesses, "2"), (Setting::HealthcheckPath, "/")]);
        let now = values(&[(Setting::Balance, "ip_hash")]);
        let shown = describe_changes(&before, &now);
        assert_eq!(shown, "worker_processes 4, healthcheck_path unset, balance ip_hash");
    }
}
