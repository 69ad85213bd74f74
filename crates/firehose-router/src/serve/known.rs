//! What is known of the settings: the last good value of each, kept in a file for a start without
//! etcd.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::Path,
};

use client_networks::{NamedNetworks, TextError};
use etcd_watch::{Event, Item};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::settings::{PUT_ALLOW, Setting};

/// Words of all networks with their keys: what the module's memory holds.
const PUT_ALLOW_ROOM: usize = 2_000_000;

/// The file's largest size, in bytes: several times what all networks take.
const MAX_FILE: u64 = 64 << 20;

/// Settings as they stand in the configuration.
pub(crate) type Values = BTreeMap<Setting, String>;

/// Which etcd has said something, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) cluster_id: u64,
    pub(crate) revision: i64,
}

/// The last good value of each setting that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// As they stand in the configuration.
    pub(crate) values: Values,
    /// What the values are of, but for the one that says who may publish; `None` where that is not
    /// known.
    pub(crate) origin: Option<Origin>,
    /// What all is of that says who may publish.
    pub(crate) put_allow_origin: Option<Origin>,
    /// Those who may publish; nobody is kept from it where there is no key.
    pub(crate) put_allow: NamedNetworks,
    /// Whether etcd has said all of this, now or to the router that has kept it: that nothing is
    /// known is not the same as that nothing is set.
    pub(crate) is_heard: bool,
}

impl Default for Known {
    fn default() -> Self {
        let put_allow = NamedNetworks::with_room(PUT_ALLOW_ROOM);
        Self {
            values: Values::new(),
            origin: None,
            put_allow_origin: None,
            put_allow,
            is_heard: false,
        }
    }
}

/// Whether a key below those of the settings would be taken.
pub(super) fn judge(key: &str, value: &[u8]) -> Result<(), String> {
    if let Some(name) = key.strip_prefix(PUT_ALLOW) {
        let rejected = NamedNetworks::default().put(name.as_bytes(), value).rejected.pop();
        return rejected.map_or(Ok(()), |rejected| Err(rejected.error.to_string()));
    }
    match Setting::of_key(key) {
        None => Err("it is no setting of this router's".to_owned()),
        Some(Setting::PutAllow) => Err(NO_DIRECTORY.to_owned()),
        Some(setting) => setting.read(value).map(drop).map_err(|error| error.to_string()),
    }
}

/// What is wrong with a key where the original had a directory.
const NO_DIRECTORY: &str = "networks are keys of their own below it, such as put_allow/office with \
                            the value 10.0.0.0/8 (firehose-router migrate takes them over from \
                            etcd v2); as long as this key is there, only those below it may \
                            publish: delete it when they are written";

/// What an update brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Brought {
    /// Lines for the log: keys that are rejected, each with the reason.
    pub(crate) rejected: Vec<String>,
    /// Keys that are no setting.
    pub(crate) unknown: BTreeSet<String>,
}

/// What is kept in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    prefix: String,
    settings: BTreeMap<String, String>,
    put_allow: String,
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(default)]
    put_allow_origin: Option<Origin>,
    /// The settings that nginx ran with, which may be others than those of etcd.
    #[serde(default)]
    taken: BTreeMap<String, String>,
}

impl Kept {
    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *file, self)?;
        file.write_all(b"\n")
    }
}

/// Why the file is of no use.
#[derive(Debug, Error)]
pub(crate) enum KeptError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it is no file of settings: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is larger than {MAX_FILE} bytes")]
    TooLarge,
    #[error("its \"put_allow\" cannot be read: {0}")]
    PutAllow(#[from] TextError),
    #[error("its settings are those below \"{0}\"")]
    OtherPrefix(String),
}

impl Known {
    /// Those of an etcd that has none.
    pub(crate) fn heard_of_none() -> Self {
        Self { is_heard: true, ..Self::default() }
    }

    /// Whether there is a setting, beside who may publish.
    pub(crate) fn has_settings(&self) -> bool {
        self.values.keys().any(|setting| *setting != Setting::PutAllow)
    }

    /// Whether there is a key that keeps somebody from publishing.
    pub(crate) fn restricts_publishing(&self) -> bool {
        !self.put_allow.is_empty() || self.values.contains_key(&Setting::PutAllow)
    }

    /// Takes all settings of another, but for who may publish.
    pub(crate) fn take_settings(&mut self, other: &Self) {
        self.values.retain(|setting, _| *setting == Setting::PutAllow);
        let others = other.values.iter().filter(|(setting, _)| **setting != Setting::PutAllow);
        self.values.extend(others.map(|(setting, value)| (*setting, value.clone())));
        self.origin = other.origin;
    }

    /// Takes from another who may publish.
    pub(crate) fn take_put_allow(&mut self, other: &Self) {
        self.values.remove(&Setting::PutAllow);
        self.take_put_allow_key(other);
        self.put_allow = other.put_allow.clone();
        self.put_allow_origin = other.put_allow_origin;
    }

    /// Nobody but those in hand may publish where another says so.
    pub(crate) fn take_put_allow_key(&mut self, other: &Self) {
        self.values.extend(
            other.values.get(&Setting::PutAllow).map(|value| (Setting::PutAllow, value.clone())),
        );
    }

    /// The networks to begin with, until the module itself has heard which there are; `None` where
    /// nobody may publish until then, since it is not known who may, or nothing can be made of what
    /// etcd has.
    pub(crate) fn first_put_allow(&self) -> Option<Vec<&str>> {
        let networks: Vec<&str> = self.put_allow.words().collect();
        (self.is_heard && (self.put_allow.is_empty() || !networks.is_empty())).then_some(networks)
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

    /// Takes all keys below the prefix: what is missing is unset, what is malformed keeps its last
    /// good value.
    pub(crate) fn replace(&mut self, items: &[Item]) -> Brought {
        self.is_heard = true;
        let listed: BTreeSet<&[u8]> = items.iter().map(|item| &item.key[..]).collect();
        self.values.retain(|setting, _| listed.contains(setting.key().as_bytes()));
        let networks = items.iter().filter_map(|item| {
            Some((item.key.strip_prefix(PUT_ALLOW.as_bytes())?, &item.value[..]))
        });
        // The module itself follows these, and tells of those that it rejects.
        let _ = self.put_allow.replace(networks);
        let mut brought = Brought::default();
        for item in items.iter().filter(|item| !item.key.starts_with(PUT_ALLOW.as_bytes())) {
            self.put_value(item, &mut brought);
        }
        brought
    }

    /// Takes an event.
    pub(crate) fn apply(&mut self, event: &Event) -> Brought {
        let mut brought = Brought::default();
        match event {
            Event::Put(item) => match item.key.strip_prefix(PUT_ALLOW.as_bytes()) {
                Some(name) => drop(self.put_allow.put(name, &item.value)),
                None => self.put_value(item, &mut brought),
            },
            Event::Delete { key, .. } => match key.strip_prefix(PUT_ALLOW.as_bytes()) {
                Some(name) => drop(self.put_allow.delete(name)),
                None => self.values.retain(|setting, _| setting.key().as_bytes() != key),
            },
        }
        brought
    }

    fn put_value(&mut self, item: &Item, brought: &mut Brought) {
        let key = String::from_utf8_lossy(&item.key);
        let Some(setting) = Setting::of_key(&key) else {
            brought.unknown.insert(key.escape_debug().take(100).collect());
            return;
        };
        if setting == Setting::PutAllow {
            brought.rejected.push(format!("{}\" rejected: {NO_DIRECTORY}", setting.key()));
        }
        match setting.read(&item.value) {
            Ok(value) => {
                self.values.insert(setting, value);
            }
            // As with networks: the module tells of it.
            Err(_) if setting.is_live() => {}
            Err(error) => {
                brought.rejected.push(format!(
                    "{}\" rejected: {error}; the last good value stays",
                    setting.key()
                ));
            }
        }
    }

    /// Reads what was kept for this prefix: the settings, and those that nginx ran with.
    ///
    /// # Errors
    ///
    /// Where there is no such file, or it is another's.
    pub(crate) fn load(file: &Path, prefix: &str) -> Result<(Self, Values), KeptError> {
        if std::fs::metadata(file)?.len() > MAX_FILE {
            return Err(KeptError::TooLarge);
        }
        let kept: Kept = serde_json::from_slice(&std::fs::read(file)?)?;
        if kept.prefix != prefix {
            return Err(KeptError::OtherPrefix(kept.prefix));
        }
        let read = |(key, value): (String, String)| {
            let setting = Setting::of_key(&key)?;
            // The file may be another version's.
            Some((setting, setting.read(value.as_bytes()).ok()?))
        };
        let mut known = Self::heard_of_none();
        known.values = kept.settings.into_iter().filter_map(read).collect();
        known.put_allow.read(&kept.put_allow)?;
        (known.origin, known.put_allow_origin) = (kept.origin, kept.put_allow_origin);
        Ok((known, kept.taken.into_iter().filter_map(read).collect()))
    }

    /// Keeps it: in a new file that takes the other's place when it is whole and on the disk.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub(crate) fn save(&self, file: &Path, prefix: &str, taken: &Values) -> io::Result<()> {
        let text = |values: &Values| {
            values
                .iter()
                .map(|(setting, value)| (setting.key().to_owned(), value.clone()))
                .collect()
        };
        let kept = Kept {
            prefix: prefix.to_owned(),
            settings: text(&self.values),
            put_allow: String::from_utf8_lossy(&self.put_allow.to_bytes()).into_owned(),
            origin: self.origin,
            put_allow_origin: self.put_allow_origin,
            taken: text(taken),
        };
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        kept.write(&mut new)?;
        new.as_file().sync_all()?;
        new.persist(file).map_err(|error| error.error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use etcd_watch::{Event, Item};

    use super::{Brought, Kept, Known, Origin, Values};
    use crate::serve::settings::Setting;

    fn item(key: &str, value: &str) -> Item {
        let (key, value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        Item { key, value, create_revision: 1, mod_revision: 1, lease: 0 }
    }

    #[test]
    fn the_last_good_value_stays_until_the_key_goes() {
        let mut known = Known::default();
        assert_eq!(known.get(Setting::WorkerProcesses), Some("4"));
        assert_eq!(known.apply(&Event::Put(item("worker_processes", "8"))), Brought::default());
        let brought = known.apply(&Event::Put(item("worker_processes", "eight")));
        assert!(
            brought.rejected[0]
                .starts_with("worker_processes\" rejected: \"eight\" is not a number"),
            "{brought:?}"
        );
        assert_eq!(known.get(Setting::WorkerProcesses), Some("8"));
        assert!(
            !known
                .replace(&[item("worker_processes", "0"), item("colour", "red")])
                .unknown
                .is_empty()
        );
        assert_eq!(known.get(Setting::WorkerProcesses), Some("8"));
        let key = b"worker_processes".to_vec();
        assert_eq!(known.apply(&Event::Delete { key, mod_revision: 2 }), Brought::default());
        assert_eq!(known.get(Setting::WorkerProcesses), Some("4"));
    }

    #[test]
    fn what_is_live_takes_no_reload() {
        let mut known = Known::default();
        let before = known.reloaded();
        let _ = known.replace(&[
            item("max_conns", "5"),
            item("drain_timeout", "20s"),
            item("drain_spread", "5s"),
            item("put_allow/a", "10.0.0.0/8"),
        ]);
        assert_eq!(known.reloaded(), before);
        assert_eq!(known.get(Setting::MaxConns), Some("5"));
        assert_eq!(known.put_allow.words().collect::<Vec<_>>(), ["10.0.0.0/8"]);
        let _ = known.apply(&Event::Put(item("server_name", "other")));
        assert_ne!(known.reloaded(), before);
    }

    #[test]
    fn who_may_publish_is_everybody_only_where_etcd_has_said_so() {
        let mut known = Known::default();
        assert_eq!(known.first_put_allow(), None);
        let _ = known.replace(&[]);
        assert_eq!(known, Known::heard_of_none());
        assert_eq!(known.first_put_allow(), Some(vec![]));
        // Nothing can be made of it, which is not the same as that there is nothing.
        let _ = known.apply(&Event::Put(item("put_allow/office", "10.0.0.0/99")));
        assert!(known.first_put_allow().is_none() && known.restricts_publishing());
        let _ = known.apply(&Event::Put(item("put_allow/office", "10.0.0.0/8")));
        assert_eq!(known.first_put_allow(), Some(vec!["10.0.0.0/8"]));
        let key = b"put_allow/office".to_vec();
        let _ = known.apply(&Event::Delete { key, mod_revision: 2 });
        assert_eq!(known.first_put_allow(), Some(vec![]));
    }

    #[test]
    fn the_directory_of_those_who_may_publish_is_no_key() {
        let mut known = Known::default();
        for value in ["", "10.0.0.0/8"] {
            let brought = known.apply(&Event::Put(item("put_allow", value)));
            assert!(brought.rejected[0].contains("put_allow/office"), "{brought:?}");
            assert_eq!(known.get(Setting::PutAllow), Some("nobody"));
            assert!(known.reloaded().contains_key(&Setting::PutAllow));
        }
        let _ = known.replace(&[]);
        assert_eq!(known.get(Setting::PutAllow), None);
    }

    #[test]
    fn it_is_kept_whole_and_for_its_prefix_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        let mut known = Known::default();
        let _ = known.replace(&[
            item("max_conns", "5"),
            item("put_allow/a", "10.0.0.0/8"),
            item("balance", "ip_hash"),
        ]);
        known.put_allow_origin = Some(Origin { cluster_id: u64::MAX, revision: 7 });
        let taken = Values::from([(Setting::Balance, "random".to_owned())]);
        known.save(&file, "/firehose", &taken).expect("saved");
        assert_eq!(Known::load(&file, "/firehose").expect("loaded"), (known, taken));
        assert!(Known::load(&file, "/other").is_err());
        // What cannot be read could be what keeps others out.
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(text.contains("\"a\\t10.0.0.0/8\\n\""), "{text}");
        for put_allow in [
            "garbage",
            "a\\t10.0.0.0/99\\n",
            "a\\t10.0.0.0/8\\nb\\n",
            "\\t10.0.0.0/8",
            "a\\t10.0.0.0/8 ",
        ] {
            std::fs::write(&file, text.replace("a\\t10.0.0.0/8\\n", put_allow)).expect("written");
            let error = Known::load(&file, "/firehose").expect_err(put_allow).to_string();
            assert!(error.contains("\"put_allow\" cannot be read"), "{error}");
        }
        std::fs::write(&file, text).expect("written");
        let whole = std::fs::read(&file).expect("a file");
        for length in 0..whole.len() - 2 {
            std::fs::write(&file, &whole[..length]).expect("written");
            assert!(Known::load(&file, "/firehose").is_err(), "{length}");
        }
    }

    #[test]
    fn a_full_disk_is_told_of_as_that() {
        let kept = Kept {
            prefix: String::new(),
            settings: std::collections::BTreeMap::new(),
            put_allow: String::new(),
            origin: None,
            put_allow_origin: None,
            taken: std::collections::BTreeMap::new(),
        };
        let mut full =
            std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let error = kept.write(&mut full).expect_err("no room");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        assert!(error.to_string().starts_with("No space left on device"), "{error}");
    }
}
