//! `state=`: the list in hand is kept in a file, for a start without etcd.
//!
//! An upstream offers each list that it has published; a task of its own writes the newest one, as
//! often as is of use, and never waits for the disk itself.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use peer_state::{ListVersion, SavedState, WriteSchedule, messages};
use peer_zone::{PeerSpec, Publisher};
use privileged_files::Client;
use tokio::{sync::watch, task::spawn_blocking, time::sleep_until};
use upstream_peers::Peer;

use super::{lines::Lines, peer_specs};
use crate::{config::Etcd, zones::report::StateFile};

/// A list that is to be in the file.
#[derive(Clone)]
struct List {
    mark: ListVersion,
    peers: Arc<[Arc<PeerSpec>]>,
}

/// The upstream's end.
pub(super) struct StateOffer {
    list: watch::Sender<Option<List>>,
    reports: watch::Receiver<StateFile>,
    report: StateFile,
}

/// The writer's end.
pub(super) struct StateKeeper {
    upstream: String,
    cluster: String,
    prefix: String,
    file: PathBuf,
    list: watch::Receiver<Option<List>>,
    reports: watch::Sender<StateFile>,
}

/// Both ends of the way from an upstream to its file.
pub(super) fn channel(etcd: &Etcd, file: &Path) -> (StateOffer, StateKeeper) {
    let report = StateFile { file: file.display().to_string(), revision: None, trouble: None };
    let (list, lists) = watch::channel(None);
    let (report_sender, reports) = watch::channel(report.clone());
    let keeper = StateKeeper {
        upstream: etcd.upstream.clone(),
        cluster: etcd.cluster.clone(),
        prefix: etcd.prefix.clone(),
        file: file.to_owned(),
        list: lists,
        reports: report_sender,
    };
    (StateOffer { list, reports, report }, keeper)
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

    /// Has what is published now kept.
    pub(super) fn offer(&self, publisher: &Publisher) {
        let (zone, generation) = (publisher.zone(), publisher.generation());
        let mark =
            ListVersion { generation, cluster_id: zone.cluster_id(), revision: zone.revision() };
        self.list.send_if_modified(|list| {
            let peers = match list {
                Some(known) if known.mark == mark => return false,
                Some(known) if known.mark.generation == generation => Arc::clone(&known.peers),
                _ => publisher.specs().collect(),
            };
            *list = Some(List { mark, peers });
            true
        });
    }

    /// Whether there is something new to say of the file.
    pub(super) fn has_report(&self) -> bool {
        self.reports.has_changed().unwrap_or(false)
    }

    /// Takes in what is new; says whether there was anything.
    pub(super) fn take_report(&mut self) -> bool {
        let has_report = self.has_report();
        if has_report {
            self.report = self.reports.borrow_and_update().clone();
        }
        has_report
    }

    /// What is to be reported of the file.
    pub(super) fn report(&self) -> &StateFile {
        &self.report
    }
}

/// The peers with keys, as etcd has them.
fn peers(specs: &[Arc<PeerSpec>]) -> Vec<Peer> {
    specs.iter().filter_map(|spec| peer_specs::peer(spec)).collect()
}

impl StateKeeper {
    /// Writes what is offered, until the upstream's end is gone and what it offered last is
    /// written.
    pub(super) async fn run(mut self, by: Client, lines: Lines) {
        let (mut schedule, mut is_failing) = (WriteSchedule::default(), false);
        loop {
            let due = self.due(&schedule);
            let is_offered_more = match due {
                None => self.list.changed().await.is_ok(),
                Some(due) if due <= Instant::now() => {
                    self.write(&mut schedule, &mut is_failing, &by, &lines).await;
                    continue;
                }
                Some(due) => tokio::select! {
                    // Cancel safe: the moment is an absolute one, and a change is taken in the poll
                    // that tells of it.
                    () = sleep_until(due.into()) => true,
                    changed = self.list.changed() => changed.is_ok(),
                },
            };
            if !is_offered_more {
                break;
            }
        }
        let is_unsaved =
            self.list.borrow().as_ref().is_some_and(|list| schedule.is_outdated(list.mark));
        if is_unsaved {
            self.write(&mut schedule, &mut is_failing, &by, &lines).await;
        }
    }

    /// When the newest list is to be written, unless it has been.
    fn due(&mut self, schedule: &WriteSchedule) -> Option<Instant> {
        self.list
            .borrow_and_update()
            .as_ref()
            .and_then(|list| schedule.due(list.mark, Instant::now()))
    }

    async fn write(
        &self,
        schedule: &mut WriteSchedule,
        is_failing: &mut bool,
        by: &Client,
        lines: &Lines,
    ) {
        let Some(list) = self.list.borrow().clone() else { return };
        let began = Instant::now();
        let result = self.try_write(&list, by).await;
        let ended = Instant::now();
        let (upstream, file) = (&self.upstream, self.file.display().to_string());
        match result {
            Ok(()) => {
                schedule.record_write(list.mark, began, ended);
                if std::mem::take(is_failing) {
                    let text = messages::written_again(&file, list.mark.revision);
                    lines.notice(format!("etcd: upstream \"{upstream}\": {text}"));
                }
                let revision = Some(list.mark.revision);
                self.reports
                    .send_modify(|reports| (reports.revision, reports.trouble) = (revision, None));
            }
            Err(reason) => {
                schedule.record_failure(began, ended);
                if !std::mem::replace(is_failing, true) {
                    let text = messages::not_written(&file, &reason);
                    lines.error(format!("etcd: upstream \"{upstream}\": {text}"));
                }
                self.reports.send_if_modified(|reports| {
                    let is_new = reports.trouble.as_ref() != Some(&reason);
                    reports.trouble = Some(reason);
                    is_new
                });
            }
        }
    }

    async fn try_write(&self, list: &List, by: &Client) -> Result<(), String> {
        let state = SavedState {
            cluster: self.cluster.clone(),
            prefix: self.prefix.clone(),
            cluster_id: list.mark.cluster_id,
            revision: list.mark.revision.cast_signed(),
            peers: peers(&list.peers).into(),
        };
        // A long list takes longer than the thread may be away.
        let encoded =
            spawn_blocking(move || state.encode()).await.map_err(|error| error.to_string())?;
        let content = encoded.map_err(|error| error.to_string())?;
        by.replace(&self.file, content).await.map_err(|error| messages::write_error(&error))
    }
}
