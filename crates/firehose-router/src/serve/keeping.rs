//! The settings in a file, for a start without etcd.

use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::known::{Known, Values};

/// How long after a write that failed the next is tried: as for the nodes' file, soon enough for
/// somebody who has just made room on the disk.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps the settings. A write that fails is tried again until one succeeds.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// None where nothing can be kept.
    file: Option<PathBuf>,
    prefix: String,
    /// When to try again, after a write that failed.
    retry: Option<Instant>,
}

impl Keeping {
    /// Nothing is written yet.
    pub(crate) fn new(file: Option<PathBuf>, prefix: String) -> Self {
        Self { file, prefix, retry: None }
    }

    /// Writes the settings, with those that nginx has taken, if etcd has ever said which they are:
    /// from a file they pass for its word. The beginning and the end of trouble are logged, not
    /// each attempt.
    pub(crate) fn keep(&mut self, known: &Known, taken: &Values) {
        let Some(file) = self.file.as_ref().filter(|_| known.is_heard) else { return };
        match known.save(file, &self.prefix, taken) {
            Ok(()) => {
                if self.retry.take().is_some() {
                    tracing::info!("the settings are kept in {} again", file.display());
                }
            }
            Err(error) => {
                if self.retry.replace(Instant::now() + RETRY).is_none() {
                    tracing::warn!(
                        "the settings cannot be kept in {}: {error}; this is tried again every {} \
                         s",
                        file.display(),
                        RETRY.as_secs()
                    );
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
    use super::{Keeping, Known, Values};

    #[test]
    fn a_write_that_failed_is_due_again_until_one_succeeds() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        // A folder in the file's place: nothing can be renamed over it, not even by root.
        std::fs::create_dir(&file).expect("a folder");
        let mut keeping = Keeping::new(Some(file.clone()), "/firehose".to_owned());
        assert_eq!(keeping.retry(), None);
        let known = Known::heard_of_none();
        keeping.keep(&known, &Values::new());
        assert!(keeping.retry().is_some());
        std::fs::remove_dir(&file).expect("removed");
        keeping.keep(&known, &Values::new());
        assert_eq!(keeping.retry(), None);
        assert_eq!(Known::load(&file, "/firehose").expect("kept"), (known, Values::new()));
    }

    #[test]
    fn what_nobody_has_said_is_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("settings.json");
        Keeping::new(Some(file.clone()), "/firehose".to_owned())
            .keep(&Known::default(), &Values::new());
        assert!(!file.exists());
    }
}
