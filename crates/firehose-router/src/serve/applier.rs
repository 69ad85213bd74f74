//! The settings that nginx runs with: tested, put in place, and reloaded where they change.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

use super::{
    ServeError,
    files::Limits,
    folders::{self, RunFolder},
    following::SettingsUpdate,
    keeping::Keeping,
    lingering::Lingering,
    log_servers::{LogServers, name_of},
    memory::{self, Workers},
    nginx::{NginxError, Program, Running},
    processes,
    render::{Frame, render},
    settings::Setting,
    settings_state::{SettingsState, Values},
    trial,
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

/// How long at most.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// How often it is looked at whether all workers run. nginx replaces one that dies at once, but for
/// those that could not begin.
const LOOK: Duration = Duration::from_secs(5);

/// How long after a reload for want of workers there is another, at first; then twice as long each
/// time.
const FIRST_REPAIR: Duration = Duration::from_secs(10);

/// How long at most.
const LONGEST_REPAIR: Duration = Duration::from_secs(300);

/// The settings that say how much of the machine nginx takes.
const PROCESS_SETTINGS: [Setting; 3] =
    [Setting::WorkerProcesses, Setting::WorkerConnections, Setting::WorkerRlimitNofile];

/// Puts settings in place.
pub(crate) struct Applier {
    pub(super) program: Rc<Program>,
    pub(super) frame: Frame,
    pub(super) run_folder: RunFolder,
    pub(super) keeping: Keeping,
    pub(super) servers: LogServers,
    pub(super) heard: watch::Receiver<SettingsUpdate>,
    /// The settings that were last looked at, with those among them that nginx has refused.
    pub(super) seen: Values,
    /// Those that nginx runs with.
    pub(super) good: Values,
    /// The number of what nginx runs with.
    pub(super) rendering: u64,
    /// What is still to be done after a failure that says nothing of the settings.
    pub(super) pending: Option<Pending>,
    /// The log server of which it was said that it has no address.
    pub(super) unresolved: Option<String>,
    /// Settings of which it was said that nginx does not take them, or that there is no room for
    /// them.
    pub(super) told: RefCell<BTreeSet<(Setting, String)>>,
    /// Settings of processes with which workers have run, in a trial or in earnest.
    pub(super) proven: RefCell<BTreeSet<Values>>,
    pub(super) repair: Repair,
    /// How many files there may be.
    pub(super) limits: Limits,
    /// Workers of before a reload that have not begun to shut down.
    pub(super) old: Lingering,
    /// nginx's master, once there is one.
    pub(super) master: Option<Pid>,
}

/// What is known of the workers that run.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// Settings of processes with which all workers ran.
    standing: Option<Values>,
    /// Settings with which they did not, until their keys change.
    refused: Values,
    /// How many looks in a row have found too few of them.
    looks: u32,
    /// When nginx may reload again for want of workers, and how long the pause after that is.
    not_before: Option<(Instant, Duration)>,
}

/// What was found of settings.
struct Judged {
    good: Values,
    /// When to try again, if some could not be taken just now, and may be later.
    retry: Option<Duration>,
}

/// An attempt that is to be made once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    at: Instant,
    /// How long the next one waits.
    wait: Duration,
    /// Whether nginx is to reload also where nothing has changed.
    anyway: bool,
}

impl Pending {
    fn after(wait: Duration, anyway: bool) -> Self {
        Self { at: Instant::now() + wait, wait: (wait * 2).min(LONGEST_RETRY), anyway }
    }
}

/// What there is to do.
enum Cause {
    /// etcd has told of the settings.
    Heard,
    /// Somebody has asked for a reload.
    Asked,
    /// A write of the file has failed a while ago.
    Keep,
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
        let heard = self.heard.borrow_and_update().state.clone();
        self.want_log_servers(&heard);
        self.servers.settle(resolved).await;
        if let Some(name) =
            self.frame.log_server().filter(|name| self.servers.address(name).is_none())
        {
            tracing::warn!(
                "--access-log: {}: nothing is logged there until that changes",
                self.servers.failure(name)
            );
        }
        let heard = self.with_log_server(heard);
        self.rendering = 1;
        self.good = self.first(&heard, taken).await?;
        self.seen = self.heard.borrow().state.reloaded();
        let known = SettingsState { values: self.good.clone(), ..SettingsState::default() };
        if let Some(lacking) = self.limits.lacking(workers_of(&known), files_of(&known)) {
            tracing::warn!("{lacking}");
        }
        let running = self.program.start(&self.configuration())?;
        self.master = Some(running.master());
        self.keep();
        Ok(running)
    }

    /// Follows the settings, and has nginx reload where that is needed, or asked for.
    pub(super) async fn follow(&mut self, running: &Running, reload: &Notify) -> Infallible {
        let mut is_followed = true;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let cause = tokio::select! {
                // Cancel safe: a change is taken in the poll that tells of it, and so is what was
                // asked for; an answer stays in its channel; the others are absolute moments.
                changed = self.heard.changed(), if is_followed => {
                    // Where nothing will be heard any more, what is asked for is done all the same.
                    is_followed = changed.is_ok();
                    if changed.is_err() {
                        continue;
                    }
                    Cause::Heard
                }
                () = reload.notified() => Cause::Asked,
                () = self.servers.changed() => Cause::Resolved,
                () = at(self.keeping.retry()) => Cause::Keep,
                () = at(self.pending.map(|pending| pending.at)) => Cause::Retry,
                _ = looks.tick() => Cause::Look,
                () = at(self.old.next()) => Cause::Old,
            };
            match cause {
                Cause::Heard => {
                    self.gather().await;
                    self.keep();
                    self.take_settings(running, false).await;
                }
                Cause::Asked => {
                    // As nginx would at a reload.
                    self.servers.refresh();
                    self.take_settings(running, true).await;
                }
                Cause::Keep => self.keep(),
                Cause::Retry => self.take_settings(running, false).await,
                Cause::Resolved => self.take_settings(running, true).await,
                Cause::Look => self.look_at_workers(running).await,
                Cause::Old => self.old.look(running.master()),
            }
        }
    }

    fn configuration(&self) -> PathBuf {
        self.run_folder.path("nginx.conf")
    }

    /// The configuration that nginx starts with. What nginx refuses is left out, and nothing is
    /// left out without a word: of the settings that etcd has those that nginx takes, beginning
    /// with those that it ran with last, or without any.
    async fn first(&mut self, heard: &SettingsState, taken: &Values) -> Result<Values, ServeError> {
        let rendering = self.rendering;
        let refused = match self.put(heard, rendering).await {
            Ok(()) => return Ok(heard.reloaded()),
            Err(error) if error.is_refusal() => error,
            Err(error) => return Err(error),
        };
        let nothing = Values::new();
        for base in [taken, &nothing] {
            let base = heard.with_reloaded(base);
            if base == *heard || !self.is_taken(&base, rendering).await? {
                continue;
            }
            tracing::error!("with the settings that etcd has, {refused}");
            let (known, retry) = self.try_each(base, heard, rendering).await?;
            self.pending = retry.map(|wait| Pending::after(wait, false));
            self.put(&known, rendering).await?;
            return Ok(known.reloaded());
        }
        // Without a word of etcd's, also of who may publish: then nobody may until the module has
        // heard it.
        let mut unknown = SettingsState::default();
        unknown.values.extend(
            heard
                .values
                .get_key_value(&Setting::PutAllow)
                .map(|(key, value)| (*key, value.clone())),
        );
        if heard.restricts_publishing() {
            unknown.put_allow_source.origin = heard.put_allow_source.origin;
        }
        match self.put(&unknown, rendering).await {
            Ok(()) => {
                tracing::error!(
                    "nginx starts without any setting: with those that it had last, and without \
                     them, {refused}"
                );
                Ok(nothing)
            }
            Err(_) => Err(refused),
        }
    }

    /// Whether nginx takes these settings.
    async fn is_taken(&self, known: &SettingsState, rendering: u64) -> Result<bool, ServeError> {
        match self.test(known, rendering).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until the settings have come to rest.
    async fn gather(&mut self) {
        let end = Instant::now() + GATHER_AT_MOST;
        while Instant::now() < end
            && timeout(GATHER, self.heard.changed()).await.is_ok_and(|changed| changed.is_ok())
        {
        }
    }

    /// Keeps the settings for a start without etcd.
    fn keep(&mut self) {
        let heard = self.heard.borrow();
        if heard.has_listed() {
            self.keeping.write_file(&heard.state, &self.good);
        }
    }

    /// Has nginx reload, if there is anything that it would have to reload for, or `anyway`.
    async fn take_settings(&mut self, running: &Running, anyway: bool) {
        let heard = self.heard.borrow_and_update().state.clone();
        let wanted = heard.reloaded();
        let pending = self.pending.take();
        let anyway = anyway || pending.is_some_and(|pending| pending.anyway);
        if wanted == self.seen && !anyway && pending.is_none() {
            return;
        }
        // What is refused is not tried again before something changes.
        self.seen = wanted;
        self.want_log_servers(&heard);
        self.servers.settle(Instant::now() + RESOLVES).await;
        let heard = self.with_log_server(heard);
        let heard = self.without_refused(heard);
        let next = self.rendering + 1;
        let Judged { good, retry } = match self.put_what_is_good(&heard, next).await {
            Ok(judged) => judged,
            Err(error) => {
                if pending.is_none() {
                    tracing::error!("the settings change nothing: {error}; they are tried again");
                }
                self.pending =
                    Some(Pending::after(pending.map_or(RETRY, |pending| pending.wait), anyway));
                return;
            }
        };
        if let Some(wait) = retry {
            let wait = pending.map_or(wait, |pending| pending.wait.max(wait));
            self.pending = Some(Pending::after(wait, false));
        }
        if good == self.good && !anyway {
            return;
        }
        let changes = changes(&self.good, &good);
        self.good = good;
        self.rendering = next;
        let before = processes::workers(running.master());
        running.signal(Signal::SIGHUP);
        if self.runs(next).await {
            self.old.replaced(before);
            tracing::info!(
                "nginx has reloaded: {}",
                if changes.is_empty() { "the same settings" } else { &changes }
            );
            self.keep();
        } else {
            tracing::error!(
                "nginx does not run with the settings within {} s of its reload ({changes}): see \
                 its own lines",
                TAKES.as_secs()
            );
        }
    }

    /// The names of log servers that are to be resolved: of the settings, of what nginx runs with,
    /// and of the flags.
    fn want_log_servers(&mut self, heard: &SettingsState) {
        let setting = heard.values.get(&Setting::SyslogEndpoint);
        let settings = setting.into_iter().chain(self.good.get(&Setting::SyslogEndpoint));
        let names = settings.filter_map(|server| name_of(server)).chain(self.frame.log_server());
        self.servers.want(&names.map(str::to_owned).collect());
    }

    /// The settings, with the log server that nginx runs with where theirs has no address yet: it
    /// is taken once it has one.
    fn with_log_server(&mut self, mut heard: SettingsState) -> SettingsState {
        let unresolved = heard.values.get(&Setting::SyslogEndpoint).filter(|server| {
            name_of(server).is_some_and(|name| self.servers.address(name).is_none())
        });
        let unresolved = unresolved.cloned();
        if let Some(server) = &unresolved {
            let name = name_of(server).unwrap_or_default();
            if self.unresolved.as_ref() != Some(server) {
                tracing::error!(
                    "key \"{}{}\" rejected for now: {}; the last good value stays until that \
                     changes",
                    self.frame.etcd.settings_prefix(),
                    Setting::SyslogEndpoint.key(),
                    self.servers.failure(name),
                );
            }
            match self.good.get(&Setting::SyslogEndpoint) {
                Some(before) => heard.values.insert(Setting::SyslogEndpoint, before.clone()),
                None => heard.values.remove(&Setting::SyslogEndpoint),
            };
        }
        self.unresolved = unresolved;
        heard
    }

    /// Puts the configuration of these settings in place, once nginx takes it. Where it does not,
    /// those that it takes are found one by one. Returns those that are in place.
    async fn put_what_is_good(
        &self,
        heard: &SettingsState,
        rendering: u64,
    ) -> Result<Judged, ServeError> {
        match self.put(heard, rendering).await {
            Ok(()) => {
                self.told.borrow_mut().clear();
                Ok(Judged { good: heard.reloaded(), retry: None })
            }
            Err(error) if error.is_refusal() => {
                let before = heard.with_reloaded(&self.good);
                // Where nginx does not even take what it runs with, that is no key's fault.
                self.test(&before, rendering).await?;
                let (known, retry) = self.try_each(before, heard, rendering).await?;
                self.put(&known, rendering).await?;
                Ok(Judged { good: known.reloaded(), retry })
            }
            Err(error) => Err(error),
        }
    }

    /// Beginning with settings that are good, takes each of `heard` that nginx takes with them.
    /// Says also when to try again, if some may be taken later.
    async fn try_each(
        &self,
        mut good: SettingsState,
        heard: &SettingsState,
        rendering: u64,
    ) -> Result<(SettingsState, Option<Duration>), ServeError> {
        let changed = |setting: &Setting| heard.values.get(setting) != good.values.get(setting);
        let mut left: Vec<Setting> = Setting::all().filter(changed).collect();
        let mut refused = BTreeMap::new();
        // One that another one leaves no room for may be taken behind that.
        loop {
            let mut is_any_taken = false;
            for setting in std::mem::take(&mut left) {
                let mut tried = good.clone();
                match heard.values.get(&setting) {
                    Some(value) => tried.values.insert(setting, value.clone()),
                    None => tried.values.remove(&setting),
                };
                match self.test(&tried, rendering).await {
                    Ok(_) => {
                        self.told.borrow_mut().retain(|(told, _)| *told != setting);
                        refused.remove(&setting);
                        (good, is_any_taken) = (tried, true);
                    }
                    Err(error) if error.is_refusal() => {
                        if error.is_of_several() {
                            left.push(setting);
                        }
                        refused.insert(setting, error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if !is_any_taken || left.is_empty() {
                break;
            }
        }
        for (setting, error) in &refused {
            let shown = heard.values.get(setting).map_or("its default", String::as_str).to_owned();
            // Once for each value, however often it is tried.
            if self.told.borrow_mut().insert((*setting, shown.clone())) {
                tracing::error!(
                    "key \"{}{}\" rejected: with {shown}, {error}; the last good value stays",
                    self.frame.etcd.settings_prefix(),
                    setting.key(),
                );
            }
        }
        Ok((good, refused.values().filter_map(ServeError::retry).min()))
    }

    /// Tests the configuration and puts it where nginx reads it.
    async fn put(&self, known: &SettingsState, rendering: u64) -> Result<(), ServeError> {
        let tested = self.test(known, rendering).await?;
        let file = self.configuration();
        std::fs::rename(&tested, &file).map_err(|error| ServeError::Write(file, error))
    }

    /// Writes the configuration beside the one in use, and has nginx test it.
    async fn test(&self, known: &SettingsState, rendering: u64) -> Result<PathBuf, ServeError> {
        self.look_for_room(known)?;
        let file = self.run_folder.path("nginx.conf.new");
        let text = render(&self.frame, known, &self.servers, rendering)?;
        let networks = client_networks::to_lines(known.put_allow.words());
        for (file, text) in [(&self.frame.put_allow_file, networks), (&file, text)] {
            folders::write(file, text.as_bytes(), 0o644)
                .map_err(|error| ServeError::Write(file.clone(), error))?;
        }
        self.program.test(&file).await?;
        self.try_workers(known).await?;
        Ok(file)
    }

    /// Looks whether there is memory for the workers, and whether they may have the files that they
    /// need. Where they take no more than those that run, or than the default's, there is memory.
    fn look_for_room(&self, known: &SettingsState) -> Result<(), NginxError> {
        let (wanted, files) = (workers_of(known), files_of(known));
        let before = workers_of(&known.with_reloaded(&self.good));
        let default = workers_of(&SettingsState::default());
        if [before, default].iter().all(|least| wanted.bytes() > least.bytes()) {
            memory::check(wanted).map_err(|error| NginxError::NoRoom(error.to_string()))?;
        }
        self.limits.check(wanted, files, default).map_err(NginxError::TooFewFiles)?;
        match self.master {
            Some(master) => {
                self.limits.check_beside(master, wanted, files).map_err(NginxError::TooFewFiles)
            }
            None => Ok(()),
        }
    }

    /// Has workers run with settings with which none have run yet, beside those that serve.
    async fn try_workers(&self, known: &SettingsState) -> Result<(), NginxError> {
        let settings = of_processes(&known.values);
        if settings.is_empty() || self.proven.borrow().contains(&settings) {
            return Ok(());
        }
        let get = |setting| known.get(setting).unwrap_or_default().to_owned();
        let wanted = trial::Wanted {
            user: self.frame.user.as_deref(),
            processes: &get(Setting::WorkerProcesses),
            connections: &get(Setting::WorkerConnections),
            files: known.get(Setting::WorkerRlimitNofile),
        };
        trial::run(&self.program, &self.run_folder, &wanted).await?;
        self.proven.borrow_mut().insert(settings);
        Ok(())
    }

    /// The settings, without those with which workers did not run.
    fn without_refused(&mut self, heard: SettingsState) -> SettingsState {
        self.repair.refused.retain(|setting, value| heard.values.get(setting) == Some(value));
        let mut known = heard;
        for setting in self.repair.refused.keys() {
            match self.good.get(setting) {
                Some(value) => known.values.insert(*setting, value.clone()),
                None => known.values.remove(setting),
            };
        }
        known
    }

    /// Looks whether all workers run. Where some do not, with settings with which they never did,
    /// the last good ones come back; otherwise nginx reloads, which makes it start them again.
    async fn look_at_workers(&mut self, running: &Running) {
        let wanted =
            workers_of(&SettingsState { values: self.good.clone(), ..SettingsState::default() })
                .processes;
        // How many "auto" are is nginx's to say.
        let is_auto = self.good.get(&Setting::WorkerProcesses).is_some_and(|value| value == "auto");
        let expected = if is_auto { 1 } else { wanted };
        let workers = processes::workers(running.master());
        let found = workers.iter().filter(|&&worker| !self.old.has(worker)).count() as u64;
        if found >= expected || running.is_ending() {
            self.repair.looks = 0;
            self.repair.standing = Some(of_processes(&self.good));
            return;
        }
        self.repair.looks += 1;
        if self.repair.looks < 2 {
            return;
        }
        self.repair.looks = 0;
        let now = of_processes(&self.good);
        let standing = self.repair.standing.clone().unwrap_or_default();
        if now != standing {
            for setting in PROCESS_SETTINGS
                .into_iter()
                .filter(|setting| now.get(setting) != standing.get(setting))
            {
                let value = now.get(&setting).cloned();
                tracing::error!(
                    "key \"{}{}\" rejected: with {}, {found} of {expected} workers run; the last \
                     good value comes back",
                    self.frame.etcd.settings_prefix(),
                    setting.key(),
                    value.as_deref().unwrap_or("its default"),
                );
                if let Some(value) = value {
                    self.repair.refused.insert(setting, value);
                }
                match standing.get(&setting) {
                    Some(value) => self.good.insert(setting, value.clone()),
                    None => self.good.remove(&setting),
                };
            }
            self.proven.borrow_mut().remove(&now);
            self.take_settings(running, true).await;
            return;
        }
        let at = Instant::now();
        let wait = match self.repair.not_before {
            Some((not_before, _)) if at < not_before => return,
            // Long ago is another time.
            Some((not_before, wait)) if at < not_before + LONGEST_REPAIR => wait,
            _ => FIRST_REPAIR,
        };
        self.repair.not_before = Some((at + wait, (wait * 2).min(LONGEST_REPAIR)));
        tracing::warn!("{found} of {expected} workers run: nginx reloads");
        self.take_settings(running, true).await;
    }

    /// Waits until nginx runs with this rendering.
    async fn runs(&self, rendering: u64) -> bool {
        let wanted = rendering.to_string();
        let asking = async {
            while local::get(&self.frame.status_socket, "/rendering")
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

/// The settings that say how much of the machine nginx takes.
fn of_processes(values: &Values) -> Values {
    let mut values = values.clone();
    values.retain(|setting, _| PROCESS_SETTINGS.contains(setting));
    values
}

/// The workers of these settings.
fn workers_of(known: &SettingsState) -> Workers {
    let number = |setting| known.get(setting).and_then(|value| value.parse::<u64>().ok());
    // "auto" is one for each processor.
    let processors = || std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    Workers {
        processes: number(Setting::WorkerProcesses).unwrap_or_else(processors),
        connections: number(Setting::WorkerConnections).unwrap_or_default(),
    }
}

/// How many files a worker of these settings may have, if they say so.
fn files_of(known: &SettingsState) -> Option<u64> {
    known.get(Setting::WorkerRlimitNofile).and_then(|value| value.parse().ok())
}

/// What is another than before, in words.
fn changes(before: &Values, now: &Values) -> String {
    let changed = Setting::all().filter(|setting| before.get(setting) != now.get(setting));
    let words =
        changed.map(|setting| match now.get(&setting).map(String::as_str).or(setting.default()) {
            Some(value) => format!("{} {value}", setting.key()),
            None => format!("{} unset", setting.key()),
        });
    words.collect::<Vec<_>>().join(", ")
}
