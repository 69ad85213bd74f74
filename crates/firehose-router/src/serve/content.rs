//! The two parts of what is below the settings' prefix, and how a list or an event changes each.

use std::collections::BTreeSet;

use client_networks::NamedNetworks;
use etcd_watch::Item;

use super::{
    settings::{PUT_ALLOW, Setting, SettingError},
    settings_state::{Values, no_networks},
};

/// What a list or an event has brought that is not taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ApplyResult {
    /// Keys below the prefix whose values are rejected, each with the reason.
    pub(crate) rejected: Vec<(String, SettingError)>,
    /// Keys below the prefix that are no settings.
    pub(crate) unknown: BTreeSet<String>,
}

/// A part of what is below the prefix.
pub(crate) trait Content: Clone {
    /// What there is before etcd was read.
    fn empty() -> Self;

    /// Whether a key belongs to this part.
    fn has(key: &[u8]) -> bool;

    /// Takes all keys: what is missing is unset, what is malformed keeps its last good value.
    fn replace(&mut self, items: &[Item]) -> ApplyResult;

    /// Takes a key that was written.
    fn put(&mut self, item: &Item) -> ApplyResult;

    /// Takes a key that was deleted.
    fn delete(&mut self, key: &[u8]);

    /// Whether there is nothing that could outlive a wiped etcd.
    fn is_empty(&self) -> bool;

    /// Whether it can take the place of what outlives a wiped etcd: it has a valid key.
    fn is_replacement(&self) -> bool;

    /// Takes the place of `former`, whose values stay for keys that are malformed here.
    fn succeed(&mut self, former: &Self);
}

/// The settings, but for who may publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SettingValues {
    /// The last good ones.
    pub(crate) values: Values,
    /// Those whose present values are rejected.
    malformed: BTreeSet<Setting>,
}

/// Who may publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publishers {
    /// The networks that may; where there is no key, everybody may.
    pub(crate) networks: NamedNetworks,
    /// Whether there is a key in the place of the directory.
    pub(crate) has_key: bool,
}

impl SettingValues {
    /// Goes on with values that were kept.
    pub(crate) fn of_values(values: &Values) -> Self {
        let mut values = values.clone();
        values.retain(|setting, _| *setting != Setting::PutAllow);
        Self { values, malformed: BTreeSet::new() }
    }
}

impl Content for SettingValues {
    fn empty() -> Self {
        Self::default()
    }

    fn has(key: &[u8]) -> bool {
        !Publishers::has(key)
    }

    fn replace(&mut self, items: &[Item]) -> ApplyResult {
        let listed: BTreeSet<&[u8]> = items.iter().map(|item| &item.key[..]).collect();
        let is_listed = |setting: &Setting| listed.contains(setting.key().as_bytes());
        self.values.retain(|setting, _| is_listed(setting));
        self.malformed.retain(is_listed);
        let mut all = ApplyResult::default();
        for item in items {
            let ApplyResult { rejected, unknown } = self.put(item);
            all.rejected.extend(rejected);
            all.unknown.extend(unknown);
        }
        all
    }

    fn put(&mut self, item: &Item) -> ApplyResult {
        let mut result = ApplyResult::default();
        let key = String::from_utf8_lossy(&item.key);
        let Some(setting) = Setting::of_key(&key) else {
            result.unknown.insert(shown(&key));
            return result;
        };
        match setting.read(&item.value) {
            Ok(value) => {
                self.malformed.remove(&setting);
                self.values.insert(setting, value);
            }
            Err(error) => {
                self.malformed.insert(setting);
                // The module itself follows what is live, and tells of it.
                if !setting.is_live() {
                    result.rejected.push((setting.key().to_owned(), error));
                }
            }
        }
        result
    }

    fn delete(&mut self, key: &[u8]) {
        self.values.retain(|setting, _| setting.key().as_bytes() != key);
        self.malformed.retain(|setting| setting.key().as_bytes() != key);
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn is_replacement(&self) -> bool {
        !self.values.is_empty()
    }

    fn succeed(&mut self, former: &Self) {
        let kept = former.values.iter().filter(|(setting, _)| {
            self.malformed.contains(setting) && !self.values.contains_key(setting)
        });
        let kept: Vec<_> = kept.map(|(setting, value)| (*setting, value.clone())).collect();
        self.values.extend(kept);
    }
}

impl Content for Publishers {
    fn empty() -> Self {
        Self { networks: no_networks(), has_key: false }
    }

    fn has(key: &[u8]) -> bool {
        key.starts_with(Setting::PutAllow.key().as_bytes())
    }

    fn replace(&mut self, items: &[Item]) -> ApplyResult {
        let networks = items.iter().filter_map(|item| Some((network(&item.key)?, &item.value[..])));
        // The module itself follows these, and tells of those that it rejects.
        let _ = self.networks.replace(networks);
        self.has_key = false;
        let mut all = ApplyResult::default();
        for item in items.iter().filter(|item| network(&item.key).is_none()) {
            let ApplyResult { rejected, unknown } = self.put(item);
            all.rejected.extend(rejected);
            all.unknown.extend(unknown);
        }
        all
    }

    fn put(&mut self, item: &Item) -> ApplyResult {
        let mut result = ApplyResult::default();
        if let Some(name) = network(&item.key) {
            let _ = self.networks.put(name, &item.value);
        } else if is_directory(&item.key) {
            self.has_key = true;
            let key = Setting::PutAllow.key().to_owned();
            result.rejected.push((key, SettingError::PutAllowIsKey));
        } else {
            result.unknown.insert(shown(&String::from_utf8_lossy(&item.key)));
        }
        result
    }

    fn delete(&mut self, key: &[u8]) {
        if let Some(name) = network(key) {
            let _ = self.networks.delete(name);
        } else if is_directory(key) {
            self.has_key = false;
        }
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.has_key
    }

    fn is_replacement(&self) -> bool {
        self.networks.count() > 0
    }

    fn succeed(&mut self, _: &Self) {}
}

/// The key below [`PUT_ALLOW`].
fn network(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(PUT_ALLOW.as_bytes())
}

fn is_directory(key: &[u8]) -> bool {
    key == Setting::PutAllow.key().as_bytes()
}

/// A key as a line shows it.
fn shown(key: &str) -> String {
    key.escape_debug().take(100).collect()
}

/// Whether a key below the settings' prefix would be taken.
///
/// # Errors
///
/// Why not.
pub(crate) fn judge(key: &str, value: &[u8]) -> Result<(), String> {
    if let Some(name) = key.strip_prefix(PUT_ALLOW) {
        let rejected = NamedNetworks::default().put(name.as_bytes(), value).rejected.pop();
        return rejected.map_or(Ok(()), |rejected| Err(rejected.error.to_string()));
    }
    let setting = Setting::of_key(key).ok_or(SettingError::Unknown);
    setting.and_then(|setting| setting.read(value).map(drop)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use etcd_watch::Item;

    use super::{ApplyResult, Content, Publishers, SettingValues};
    use crate::serve::settings::{Setting, SettingError};

    fn item(key: &str, value: &str) -> Item {
        let (key, value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        Item { key, value, create_revision: 1, mod_revision: 1, lease: 0 }
    }

    #[test]
    fn the_last_good_value_stays_until_the_key_goes() {
        let mut settings = SettingValues::empty();
        let get =
            |settings: &SettingValues| settings.values.get(&Setting::WorkerProcesses).cloned();
        assert_eq!(settings.put(&item("worker_processes", "8")), ApplyResult::default());
        let result = settings.put(&item("worker_processes", "eight"));
        assert!(
            matches!(&result.rejected[..], [(key, SettingError::Invalid { value, .. })]
                if key == "worker_processes" && value == "eight"),
            "{result:?}"
        );
        assert_eq!(get(&settings).as_deref(), Some("8"));
        let result = settings.replace(&[item("worker_processes", "0"), item("colour", "red")]);
        assert_eq!(result.unknown, BTreeSet::from(["colour".to_owned()]));
        assert_eq!(get(&settings).as_deref(), Some("8"));
        settings.delete(b"worker_processes");
        assert_eq!(get(&settings), None);
    }

    #[test]
    fn what_the_module_follows_itself_is_told_of_by_the_module() {
        let mut settings = SettingValues::empty();
        assert_eq!(settings.put(&item("max_conns", "many")), ApplyResult::default());
        let mut publishers = Publishers::empty();
        let list = [item("put_allow/a", "10.0.0.0/8"), item("put_allow/b", "?")];
        assert_eq!(publishers.replace(&list), ApplyResult::default());
        assert_eq!(publishers.networks.words().collect::<Vec<_>>(), ["10.0.0.0/8"]);
    }

    #[test]
    fn the_directory_of_those_who_may_publish_is_no_key() {
        let mut publishers = Publishers::empty();
        for value in ["", "10.0.0.0/8"] {
            let result = publishers.put(&item("put_allow", value));
            let (key, error) = &result.rejected[0];
            assert_eq!((key.as_str(), error), ("put_allow", &SettingError::PutAllowIsKey));
            assert!(error.to_string().contains("put_allow/office"), "{error}");
            assert!(publishers.has_key);
        }
        let result = publishers.put(&item("put_allowed", "x"));
        assert_eq!(result.unknown, BTreeSet::from(["put_allowed".to_owned()]));
        let _ = publishers.replace(&[]);
        assert!(!publishers.has_key && publishers.is_empty());
    }
}
