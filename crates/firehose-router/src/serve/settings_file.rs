//! The settings in a file, for a start without etcd.

use std::{collections::BTreeMap, io, path::Path};

use client_networks::TextError;
use etcd_watch::{Continuity, Origin};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    settings::Setting,
    settings_state::{Provenance, SettingsState, Values},
};

/// The file's largest size, in bytes: several times what all networks take.
const MAX_FILE: u64 = privileged_files::MAX_REPLACE;

/// What is kept in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    prefix: String,
    /// `None` where etcd has never said which there are.
    settings: Option<BTreeMap<String, String>>,
    /// `None` where etcd has never said who may publish.
    put_allow: Option<String>,
    #[serde(default)]
    origin: Option<FileOrigin>,
    #[serde(default)]
    put_allow_origin: Option<FileOrigin>,
    /// What etcd was, while the settings outlived one that was wiped or replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    put_allow_held: Option<String>,
    /// The settings that nginx ran with, which may be others than those of etcd.
    #[serde(default)]
    taken: BTreeMap<String, String>,
}

/// An [`Origin`].
#[derive(Clone, Copy, Serialize, Deserialize)]
struct FileOrigin {
    cluster_id: u64,
    revision: i64,
}

/// Why the file is not used.
#[derive(Debug, Error)]
pub(crate) enum SettingsFileError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("invalid content: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is larger than {MAX_FILE} bytes")]
    TooLarge,
    #[error("invalid \"put_allow\": {0}")]
    PutAllow(#[from] TextError),
    #[error("it has the settings of another prefix, \"{0}\"")]
    OtherPrefix(String),
}

/// Reads what was kept for this prefix: the settings, and those that nginx ran with.
///
/// # Errors
///
/// Where there is no such file, or it is another's.
pub(crate) fn load(
    file: &Path,
    prefix: &str,
) -> Result<(SettingsState, Values), SettingsFileError> {
    if std::fs::metadata(file)?.len() > MAX_FILE {
        return Err(SettingsFileError::TooLarge);
    }
    let kept: SettingsFile = serde_json::from_slice(&std::fs::read(file)?)?;
    if kept.prefix != prefix {
        return Err(SettingsFileError::OtherPrefix(kept.prefix));
    }
    let mut state = SettingsState {
        settings_source: provenance(kept.settings.is_some(), kept.origin, kept.held),
        put_allow_source: provenance(
            kept.put_allow.is_some(),
            kept.put_allow_origin,
            kept.put_allow_held,
        ),
        values: kept.settings.into_iter().flatten().filter_map(value_of_file).collect(),
        ..SettingsState::default()
    };
    state.put_allow.read(&kept.put_allow.unwrap_or_default())?;
    Ok((state, kept.taken.into_iter().filter_map(value_of_file).collect()))
}

/// Keeps it: in a new file that takes the other's place when it is whole and on the disk.
///
/// # Errors
///
/// Those of writing.
pub(crate) fn save(
    state: &SettingsState,
    file: &Path,
    prefix: &str,
    taken: &Values,
) -> io::Result<()> {
    let (settings, put_allow) = (state.settings_source, state.put_allow_source);
    let has_values = settings.is_known || !state.values.is_empty();
    let kept = SettingsFile {
        prefix: prefix.to_owned(),
        settings: has_values.then(|| values_to_file(&state.values)),
        put_allow: put_allow
            .is_known
            .then(|| String::from_utf8_lossy(&state.put_allow.to_bytes()).into_owned()),
        origin: settings.origin.map(FileOrigin::from),
        put_allow_origin: put_allow.origin.map(FileOrigin::from),
        held: settings.held.map(|held| held.as_str().to_owned()),
        put_allow_held: put_allow.held.map(|held| held.as_str().to_owned()),
        taken: values_to_file(taken),
    };
    let mut content = serde_json::to_vec_pretty(&kept)?;
    content.push(b'\n');
    privileged_files::replace(file, &mut content.as_slice())
}

impl From<Origin> for FileOrigin {
    fn from(Origin { cluster_id, revision }: Origin) -> Self {
        Self { cluster_id, revision }
    }
}

fn provenance(is_known: bool, origin: Option<FileOrigin>, held: Option<String>) -> Provenance {
    let origin = origin.map(|FileOrigin { cluster_id, revision }| Origin { cluster_id, revision });
    let held = held.as_deref().and_then(Continuity::of_str);
    Provenance { is_known, origin, held: held.filter(|held| *held != Continuity::Same) }
}

/// A setting with its value, unless another version of the router has written what this one does
/// not take.
fn value_of_file((key, value): (String, String)) -> Option<(Setting, String)> {
    let setting = Setting::of_key(&key)?;
    if setting == Setting::PutAllow {
        return Some((setting, value));
    }
    Some((setting, setting.read(value.as_bytes()).ok()?))
}

fn values_to_file(values: &Values) -> BTreeMap<String, String> {
    values.iter().map(|(setting, value)| (setting.key().to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use etcd_watch::{Continuity, Origin};

    use super::{load, save};
    use crate::serve::{
        settings::Setting,
        settings_state::{Provenance, SettingsState, Values},
    };

    fn state() -> SettingsState {
        let mut state = SettingsState {
            values: Values::from([
                (Setting::MaxConns, "5".to_owned()),
                (Setting::Balance, "ip_hash".to_owned()),
            ]),
            settings_source: Provenance { is_known: true, ..Provenance::default() },
            ..SettingsState::default()
        };
        let _ = state.put_allow.put(b"a", b"10.0.0.0/8");
        state.put_allow_source = Provenance {
            is_known: true,
            origin: Some(Origin { cluster_id: u64::MAX, revision: 7 }),
            held: Some(Continuity::OlderRevision),
        };
        state
    }

    #[test]
    fn it_is_kept_whole_and_for_its_prefix_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        let state = state();
        let taken = Values::from([(Setting::Balance, "random".to_owned())]);
        save(&state, &file, "/firehose", &taken).expect("saved");
        assert_eq!(load(&file, "/firehose").expect("loaded"), (state, taken));
        assert!(load(&file, "/other").is_err());
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
            let error = load(&file, "/firehose").expect_err(put_allow).to_string();
            assert!(error.contains("invalid \"put_allow\""), "{error}");
        }
        std::fs::write(&file, text).expect("written");
        let whole = std::fs::read(&file).expect("a file");
        for length in 0..whole.len() - 2 {
            std::fs::write(&file, &whole[..length]).expect("written");
            assert!(load(&file, "/firehose").is_err(), "{length}");
        }
    }

    /// A part of which etcd has never spoken is not taken for one that is empty.
    #[test]
    fn what_is_not_known_stays_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        let unknown = SettingsState {
            put_allow: SettingsState::default().put_allow,
            put_allow_source: Provenance::default(),
            ..state()
        };
        save(&unknown, &file, "/firehose", &Values::new()).expect("saved");
        let (loaded, _) = load(&file, "/firehose").expect("loaded");
        assert_eq!(loaded, unknown);
        assert_eq!(loaded.first_put_allow(), None, "nobody may publish");
    }

    #[test]
    fn a_file_of_an_earlier_router_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        let text = r#"{"prefix": "/firehose", "settings": {"balance": "ip_hash",
            "put_allow": "nobody"}, "put_allow": "a\t10.0.0.0/8\n", "taken": {}}"#;
        std::fs::write(&file, text).expect("written");
        let (state, _) = load(&file, "/firehose").expect("loaded");
        assert!(state.settings_source.is_known && state.put_allow_source.is_known);
        assert_eq!(state.get(Setting::PutAllow), Some("nobody"));
        assert_eq!(state.put_allow.words().collect::<Vec<_>>(), ["10.0.0.0/8"]);
    }
}
