//! `state=`: what is in hand is kept in a file, for a start without etcd.
//!
//! Who follows etcd offers what it has published; a task of its own writes the newest of it, as
//! often as is of use, and never waits for the disk itself.

use std::{path::PathBuf, pin::Pin, sync::Arc, time::Instant};

use privileged_files::Client;
use saved_state::{ListVersion, StateError, WriteSchedule, messages};
use tokio::{sync::watch, task::spawn_blocking, time::sleep_until};

use super::lines::Lines;
use crate::zones::report::StateFile;

/// A file, and what it is of.
pub(super) struct SavedFile {
    /// What it is of, as the log calls it: `upstream "web"`.
    pub(super) of: String,
    /// The name of the cluster.
    pub(super) cluster: String,
    pub(super) prefix: String,
    pub(super) file: PathBuf,
}

/// Makes the bytes of a file, which may take longer than the thread may be away.
pub(super) type Encode = Box<dyn FnOnce() -> Result<Vec<u8>, StateError> + Send>;

/// What can be kept in a file.
pub(super) trait Saved: Send + Sync {
    /// Takes a copy of it, if it is of a bearable size. Other tasks go on meanwhile.
    fn encode<'s>(&'s self, file: &'s SavedFile, version: ListVersion) -> Copying<'s>;
}

/// What is copied in the end, or why it is not.
pub(super) type Copying<'s> = Pin<Box<dyn Future<Output = Result<Encode, String>> + 's>>;

/// What is to be in the file.
#[derive(Clone)]
struct Offered {
    version: ListVersion,
    saved: Arc<dyn Saved>,
}

/// The end of who follows etcd.
pub(super) struct StateOffer {
    offered: watch::Sender<Option<Offered>>,
    reports: watch::Receiver<StateFile>,
    report: StateFile,
}

/// The writer's end.
pub(super) struct StateKeeper {
    file: SavedFile,
    offered: watch::Receiver<Option<Offered>>,
    reports: watch::Sender<StateFile>,
}

/// Both ends of the way to a file.
pub(super) fn channel(file: SavedFile) -> (StateOffer, StateKeeper) {
    let report = StateFile { file: file.file.display().to_string(), revision: None, trouble: None };
    let (sender, offered) = watch::channel(None);
    let (report_sender, reports) = watch::channel(report.clone());
    let keeper = StateKeeper { file, offered, reports: report_sender };
    (StateOffer { offered: sender, reports, report }, keeper)
}

impl StateOffer {
    /// What a predecessor has reported of the same file still stands.
    pub(super) fn go_on_from(&mut self, report: Option<&StateFile>) {
        if let Some(report) = report
            && report.file == self.report.file
        {
            self.report = report.clone();
        }
    }

    /// Has this version kept; `saved` says what it is, if it was not offered before.
    pub(super) fn offer(&self, version: ListVersion, saved: impl FnOnce() -> Arc<dyn Saved>) {
        self.offered.send_if_modified(|offered| {
            let is_new = offered.as_ref().is_none_or(|known| known.version != version);
            if is_new {
                *offered = Some(Offered { version, saved: saved() });
            }
            is_new
        });
    }

    /// Whether there is something new to say of the file.
    pub(super) fn has_report(&self) -> bool {
        self.reports.has_changed().unwrap_or(false)
    }

    /// Waits until there is. Cancel safe.
    pub(super) async fn reported(&mut self) {
        if self.reports.changed().await.is_ok() {
            self.reports.mark_changed();
        } else {
            // The writer is gone.
            std::future::pending().await
        }
    }

    /// Takes in what is new; says whether there was anything.
    pub(super) fn take_report(&mut self) -> bool {
        let has_report = self.has_report();
        if has_report {
            let report = self.reports.borrow_and_update().clone();
            // The writer does not know what was read at the start.
            let revision = report.revision.or(self.report.revision);
            self.report = StateFile { revision, ..report };
        }
        has_report
    }

    /// What is to be reported of the file.
    pub(super) fn report(&self) -> &StateFile {
        &self.report
    }
}

impl StateKeeper {
    /// Writes what is offered, until the upstream's end is gone and what it offered last is
    /// written.
    pub(super) async fn run(mut self, by: Client, lines: Lines) {
        let (mut schedule, mut is_failing) = (WriteSchedule::default(), false);
        loop {
            let due = self.due(&schedule);
            let is_offered_more = match due {
                None => self.offered.changed().await.is_ok(),
                Some(due) if due <= Instant::now() => {
                    self.write(&mut schedule, &mut is_failing, &by, &lines).await;
                    continue;
                }
                Some(due) => tokio::select! {
                    // Cancel safe: the moment is an absolute one, and a change is taken in the poll
                    // that tells of it.
                    () = sleep_until(due.into()) => true,
                    changed = self.offered.changed() => changed.is_ok(),
                },
            };
            if !is_offered_more {
                break;
            }
        }
        let is_unsaved =
            self.offered.borrow().as_ref().is_some_and(|it| schedule.is_outdated(it.version));
        if is_unsaved {
            self.write(&mut schedule, &mut is_failing, &by, &lines).await;
        }
    }

    /// When the newest version is to be written, unless it has been.
    fn due(&mut self, schedule: &WriteSchedule) -> Option<Instant> {
        self.offered
            .borrow_and_update()
            .as_ref()
            .and_then(|offered| schedule.due(offered.version, Instant::now()))
    }

    async fn write(
        &self,
        schedule: &mut WriteSchedule,
        is_failing: &mut bool,
        by: &Client,
        lines: &Lines,
    ) {
        let Some(offered) = self.offered.borrow().clone() else { return };
        let began = Instant::now();
        let result = self.try_write(&offered, by).await;
        let ended = Instant::now();
        let (of, file) = (&self.file.of, self.file.file.display().to_string());
        let version = offered.version;
        match result {
            Ok(()) => {
                schedule.record_write(version, began, ended);
                if std::mem::take(is_failing) {
                    let text = messages::written_again(&file, version.revision);
                    lines.notice(format!("etcd: {of}: {text}"));
                }
                let revision = Some(version.revision);
                self.reports
                    .send_modify(|reports| (reports.revision, reports.trouble) = (revision, None));
            }
            Err(reason) => {
                schedule.record_failure(began, ended);
                if !std::mem::replace(is_failing, true) {
                    let text = messages::not_written(&file, &reason);
                    lines.error(format!("etcd: {of}: {text}"));
                }
                self.reports.send_if_modified(|reports| {
                    let is_new = reports.trouble.as_ref() != Some(&reason);
                    reports.trouble = Some(reason);
                    is_new
                });
            }
        }
    }

    async fn try_write(&self, offered: &Offered, by: &Client) -> Result<(), String> {
        let encode = offered.saved.encode(&self.file, offered.version).await?;
        // A long list takes longer than the thread may be away.
        let encoded = spawn_blocking(encode).await.map_err(|error| error.to_string())?;
        let content = encoded.map_err(|error| error.to_string())?;
        by.replace(&self.file.file, content).await.map_err(|error| messages::write_error(&error))
    }
}
