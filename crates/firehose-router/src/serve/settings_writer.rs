//! The settings in a file, for a start without etcd.

use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::{
    messages, settings_file,
    settings_state::{SettingsState, Values},
};

/// How long after a write that failed the next is tried: as for the nodes' file, soon enough for
/// somebody who has just made room on the disk.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps the settings. A write that fails is tried again until one succeeds.
#[derive(Debug)]
pub(crate) struct SettingsWriter {
    /// None where nothing can be kept.
    file: Option<PathBuf>,
    prefix: String,
    /// When to try again, after a write that failed.
    retry: Option<Instant>,
}

impl SettingsWriter {
    /// Nothing is written yet.
    pub(crate) fn new(file: Option<PathBuf>, prefix: String) -> Self {
        Self { file, prefix, retry: None }
    }

    /// Writes the settings, with those that nginx has taken, if etcd has ever said which they are:
    /// from a file they pass for its word. The beginning and the end of trouble are logged, not
    /// each attempt.
    pub(crate) fn write_file(&mut self, state: &SettingsState, taken: &Values) {
        let is_known = state.settings_source.is_known || state.put_allow_source.is_known;
        let Some(file) = self.file.as_ref().filter(|_| is_known) else { return };
        match settings_file::save(state, file, &self.prefix, taken) {
            Ok(()) => {
                if self.retry.take().is_some() {
                    tracing::info!("{}", messages::settings_file_written_again(file));
                }
            }
            Err(error) => {
                if self.retry.replace(Instant::now() + RETRY).is_none() {
                    let message = messages::settings_file_not_written(file, error, RETRY);
                    tracing::warn!("{message}");
                }
            }
        }
    }

    /// When to write again, if the last write failed.
    pub(crate) fn retry(&self) -> Option<Instant> {
        self.retry
    }
}

#[cfg(test)]
mod tests {
    use super::{SettingsState, SettingsWriter, Values, settings_file};
    use crate::serve::settings_state::Provenance;

    #[test]
    fn a_write_that_failed_is_due_again_until_one_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        // A folder in the file's place: nothing can be renamed over it, not even by root.
        std::fs::create_dir(&file).expect("a folder");
        let mut writer = SettingsWriter::new(Some(file.clone()), "/firehose".to_owned());
        assert_eq!(writer.retry(), None);
        let source = Provenance { is_known: true, ..Provenance::default() };
        let (settings_source, put_allow_source) = (source, source);
        let state = SettingsState { settings_source, put_allow_source, ..SettingsState::default() };
        writer.write_file(&state, &Values::new());
        assert!(writer.retry().is_some());
        std::fs::remove_dir(&file).expect("removed");
        writer.write_file(&state, &Values::new());
        assert_eq!(writer.retry(), None);
        let kept = settings_file::load(&file, "/firehose").expect("kept");
        assert_eq!(kept, (state, Values::new()));
    }

    #[test]
    fn what_nobody_has_said_is_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        SettingsWriter::new(Some(file.clone()), "/firehose".to_owned())
            .write_file(&SettingsState::default(), &Values::new());
        assert!(!file.exists());
    }
}
