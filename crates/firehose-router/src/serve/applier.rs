//! The settings that nginx runs with: put in place, and reloaded where they change.

use std::{convert::Infallible, time::Duration};

use nix::sys::signal::Signal;
use retry_backoff::Backoff;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};

use super::{
    chooser::{Accepted, Chooser},
    error::ServeError,
    following::SettingsUpdate,
    log_servers::name_of,
    messages,
    nginx::Running,
    old_workers::OldWorkers,
    process_settings::{files_of, of_processes, workers_of},
    processes,
    repair::{Repair, RepairStep, Revert},
    settings::Setting,
    settings_state::{SettingsState, Values, describe_changes},
    settings_writer::SettingsWriter,
    tester::{Candidate, Tester},
};
use crate::local;

/// How long a change of the settings waits for others that come with it: a script that sets several
/// makes one reload.
const GATHER: Duration = Duration::from_millis(250);

/// How long it waits at most, however many come.
const GATHER_AT_MOST: Duration = Duration::from_secs(2);

/// How long nginx may take to run with what it was told to: its master sleeps for 100 ms in each
/// reload, and starts workers.
const TAKES: Duration = Duration::from_secs(20);

/// How long after a failure that says nothing of the settings (no room on the disk, no process to
/// be had) they are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// How long a change of the settings, or a reload, waits for the addresses of log servers.
const RESOLVES: Duration = Duration::from_secs(3);

/// The longest such time, as the waits grow.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How often it is looked at whether all workers run. nginx replaces one that dies at once, but for
/// those that could not begin.
const LOOK: Duration = Duration::from_secs(5);

/// Puts settings in place.
pub(crate) struct Applier {
    chooser: Chooser,
    writer: SettingsWriter,
    updates: watch::Receiver<SettingsUpdate>,
    /// The settings that were last looked at, with those among them that nginx has refused.
    seen: Values,
    /// Those that nginx runs with.
    running: Values,
    /// The number of what nginx runs with.
    rendering: u64,
    /// What is still to be done after a failure that says nothing of the settings.
    pending: Option<Pending>,
    /// The log server of which it was logged that it has no address.
    unresolved: Option<String>,
    repair: Repair,
    /// Workers of before a reload that have not begun to shut down.
    old: OldWorkers,
}

/// An attempt that is to be made once more.
#[derive(Debug)]
struct Pending {
    at: Instant,
    backoff: Backoff,
    /// Whether nginx is to reload also where nothing has changed.
    anyway: bool,
}

impl Pending {
    /// The attempt after `earlier`, which has failed; the first one of them comes after
    /// `first`, and none of them earlier.
    fn after(earlier: Option<Self>, first: Duration, anyway: bool) -> Self {
        let mut backoff =
            earlier.map_or_else(|| Backoff::new(first, LONGEST_RETRY), |earlier| earlier.backoff);
        let wait = backoff.next_wait().max(first);
        Self { at: Instant::now() + wait, backoff, anyway }
    }
}

/// What there is to do.
enum Cause {
    /// The settings in etcd have changed.
    Changed,
    /// Somebody has asked for a reload.
    Asked,
    /// A write of the file has failed a while ago.
    WriteFile,
    /// Settings could not be tried a while ago.
    Retry,
    /// A log server has another address.
    Resolved,
    /// It is time to look at the workers.
    Look,
    /// It is time to look at those of before a reload.
    Old,
}

impl Applier {
    /// Nothing runs yet.
    pub(super) fn new(
        tester: Tester,
        writer: SettingsWriter,
        updates: watch::Receiver<SettingsUpdate>,
        old: OldWorkers,
    ) -> Self {
        Self {
            chooser: Chooser::new(tester),
            writer,
            updates,
            seen: Values::new(),
            running: Values::new(),
            rendering: 0,
            pending: None,
            unresolved: None,
            repair: Repair::default(),
            old,
        }
    }

    /// What configurations are tried with.
    pub(super) fn tester(&self) -> &Tester {
        &self.chooser.tester
    }

    /// Starts nginx.
    ///
    /// # Errors
    ///
    /// Where it does not start even without settings.
    ///
    /// `taken` are the settings that the last one ran with. Log servers that have no address at
    /// `resolved` are left out until they have one.
    pub(super) async fn start(
        &mut self,
        taken: &Values,
        resolved: Instant,
    ) -> Result<Running, ServeError> {
        let wanted = self.updates.borrow_and_update().state.clone();
        self.want_log_servers(&wanted);
        let tester = &mut self.chooser.tester;
        tester.servers.settle(resolved).await;
        if let Some(name) =
            tester.frame.log_server().filter(|name| tester.servers.address(name).is_none())
        {
            let failure = tester.servers.failure(name);
            tracing::warn!("{}", messages::log_server_without_address(failure));
        }
        let wanted = self.with_log_server(wanted);
        self.rendering = 1;
        let Accepted { values, retry } =
            self.chooser.put_first(&wanted, taken, self.rendering).await?;
        self.running = values;
        self.pending = retry.map(|wait| Pending::after(None, wait, false));
        self.seen = self.updates.borrow().state.reloaded();
        let state = SettingsState::of_values(&self.running);
        let tester = &mut self.chooser.tester;
        if let Some(lacking) = tester.limits.lacking(workers_of(&state), files_of(&state)) {
            tracing::warn!("{lacking}");
        }
        let nginx = tester.program.start(&tester.configuration())?;
        tester.master = Some(nginx.master());
        self.write_file();
        Ok(nginx)
    }

    /// Follows the settings, and has nginx reload where that is needed, or asked for.
    pub(super) async fn follow(&mut self, nginx: &Running, reload: &Notify) -> Infallible {
        let mut is_followed = true;
        // nginx is given time to start its workers, here and after each reload.
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let cause = tokio::select! {
                // Cancel safe: a change is taken in the poll that tells of it, and so is what was
                // asked for; an answer stays in its channel; the others are absolute moments.
                changed = self.updates.changed(), if is_followed => {
                    // Where nothing will be heard any more, what is asked for is done all the same.
                    is_followed = changed.is_ok();
                    if changed.is_err() {
                        continue;
                    }
                    Cause::Changed
                }
                () = reload.notified() => Cause::Asked,
                () = self.chooser.tester.servers.changed() => Cause::Resolved,
                () = at(self.writer.retry()) => Cause::WriteFile,
                () = at(self.pending.as_ref().map(|pending| pending.at)) => Cause::Retry,
                _ = looks.tick() => Cause::Look,
                () = at(self.old.next()) => Cause::Old,
            };
            let before = self.rendering;
            match cause {
                Cause::Changed => {
                    self.gather().await;
                    self.write_file();
                    self.apply_settings(nginx, false).await;
                }
                Cause::Asked => {
                    // As nginx would at a reload.
                    self.chooser.tester.servers.refresh();
                    self.apply_settings(nginx, true).await;
                }
                Cause::WriteFile => self.write_file(),
                Cause::Retry => self.apply_settings(nginx, false).await,
                Cause::Resolved => self.apply_settings(nginx, true).await,
                Cause::Look => self.check_workers(nginx).await,
                Cause::Old => self.old.end_lingering(nginx.master()),
            }
            if self.rendering != before {
                looks.reset();
            }
        }
    }

    /// Waits until the settings have come to rest.
    async fn gather(&mut self) {
        let end = Instant::now() + GATHER_AT_MOST;
        while Instant::now() < end
            && timeout(GATHER, self.updates.changed()).await.is_ok_and(|changed| changed.is_ok())
        {
        }
    }

    /// Keeps the settings for a start without etcd.
    fn write_file(&mut self) {
        let update = self.updates.borrow();
        if update.has_listed() {
            self.writer.write_file(&update.state, &self.running);
        }
    }

    /// Has nginx reload, if there is anything that it would have to reload for, or `anyway`.
    async fn apply_settings(&mut self, nginx: &Running, anyway: bool) {
        let state = self.updates.borrow_and_update().state.clone();
        let wanted = state.reloaded();
        let pending = self.pending.take();
        let anyway = anyway || pending.as_ref().is_some_and(|pending| pending.anyway);
        if wanted == self.seen && !anyway && pending.is_none() {
            return;
        }
        // What is refused is not tried again before something changes.
        self.seen = wanted;
        self.want_log_servers(&state);
        self.chooser.tester.servers.settle(Instant::now() + RESOLVES).await;
        let state = self.with_log_server(state);
        let state = self.repair.without_refused(state, &self.running);
        let next = self.rendering + 1;
        let candidate = Candidate { state: &state, running: &self.running, rendering: next };
        let Accepted { values, retry } = match self.chooser.put(candidate).await {
            Ok(accepted) => accepted,
            Err(error) => {
                if pending.is_none() {
                    tracing::error!("{}", messages::not_applied_yet(error));
                }
                self.pending = Some(Pending::after(pending, RETRY, anyway));
                return;
            }
        };
        if let Some(wait) = retry {
            self.pending = Some(Pending::after(pending, wait, false));
        }
        if values == self.running && !anyway {
            return;
        }
        let changes = describe_changes(&self.running, &values);
        self.running = values;
        self.rendering = next;
        let before = processes::workers(nginx.master());
        nginx.signal(Signal::SIGHUP);
        if self.runs(next).await {
            self.old.replaced(before);
            tracing::info!("{}", messages::reloaded(&changes));
            self.write_file();
        } else {
            tracing::error!("{}", messages::not_reloaded(TAKES, &changes));
        }
    }

    /// The names of log servers that are to be resolved: of the settings, of what nginx runs with,
    /// and of the flags.
    fn want_log_servers(&mut self, wanted: &SettingsState) {
        let setting = wanted.values.get(&Setting::SyslogEndpoint);
        let settings = setting.into_iter().chain(self.running.get(&Setting::SyslogEndpoint));
        let of_frame = self.chooser.tester.frame.log_server();
        let names = settings.filter_map(|server| name_of(server)).chain(of_frame);
        let names = names.map(str::to_owned).collect();
        self.chooser.tester.servers.want(&names);
    }

    /// The settings, with the log server that nginx runs with where theirs has no address yet: it
    /// is taken once it has one.
    fn with_log_server(&mut self, mut wanted: SettingsState) -> SettingsState {
        let Tester { servers, frame, .. } = &self.chooser.tester;
        let unresolved = wanted
            .values
            .get(&Setting::SyslogEndpoint)
            .filter(|server| name_of(server).is_some_and(|name| servers.address(name).is_none()));
        let unresolved = unresolved.cloned();
        if let Some(server) = &unresolved {
            let name = name_of(server).unwrap_or_default();
            if self.unresolved.as_ref() != Some(server) {
                let key = frame.key_of(Setting::SyslogEndpoint);
                let message = messages::log_server_rejected(&key, servers.failure(name));
                tracing::error!("{message}");
            }
            match self.running.get(&Setting::SyslogEndpoint) {
                Some(before) => wanted.values.insert(Setting::SyslogEndpoint, before.clone()),
                None => wanted.values.remove(&Setting::SyslogEndpoint),
            };
        }
        self.unresolved = unresolved;
        wanted
    }

    /// Looks whether all workers run. Where some do not, with settings with which they never did,
    /// the last good ones come back; otherwise nginx reloads, which makes it start them again.
    async fn check_workers(&mut self, nginx: &Running) {
        let wanted = workers_of(&SettingsState::of_values(&self.running)).processes;
        // How many "auto" are is nginx's to say.
        let is_auto =
            self.running.get(&Setting::WorkerProcesses).is_some_and(|value| value == "auto");
        let expected = if is_auto { 1 } else { wanted };
        let workers = processes::workers(nginx.master());
        let found = workers.iter().filter(|&&worker| !self.old.has(worker)).count() as u64;
        if found >= expected || nginx.is_ending() {
            self.repair.note_standing(&self.running);
            return;
        }
        match self.repair.note_missing(&self.running) {
            RepairStep::Nothing => return,
            RepairStep::Reload => {
                tracing::warn!("{}", messages::workers_missing(found, expected));
            }
            RepairStep::Revert(reverts) => {
                self.tester().disprove(&of_processes(&self.running));
                for Revert { setting, from, to } in reverts {
                    let key = self.tester().frame.key_of(setting);
                    let message =
                        messages::setting_reverted(&key, from.as_deref(), found, expected);
                    tracing::error!("{message}");
                    match to {
                        Some(value) => self.running.insert(setting, value),
                        None => self.running.remove(&setting),
                    };
                }
            }
        }
        self.apply_settings(nginx, true).await;
    }

    /// Waits until nginx runs with this rendering.
    async fn runs(&self, rendering: u64) -> bool {
        let wanted = rendering.to_string();
        let asking = async {
            while local::get(&self.tester().frame.status_socket, "/rendering")
                .await
                .map_or_else(|_| String::new(), |said| said.trim().to_owned())
                != wanted
            {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(TAKES, asking).await.is_ok()
    }
}

/// Waits until a time; for ever, where there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
