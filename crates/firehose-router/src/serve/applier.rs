//! The settings that nginx runs with: tested, put in place, and reloaded where they change.

use std::{collections::BTreeMap, convert::Infallible, path::PathBuf, rc::Rc, time::Duration};

use nix::sys::signal::Signal;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    ServeError,
    folders::{self, RunFolder},
    following::Heard,
    keeping::Keeping,
    known::Known,
    log_servers::{LogServers, name_of},
    nginx::{NginxError, Program, Running},
    render::{Frame, render},
    settings::Setting,
};
use crate::local;

/// How long a change of the settings waits for others that come with it: a script that sets several makes one reload.
const GATHER: Duration = Duration::from_millis(250);

/// How long it waits at most, however many come.
const GATHER_AT_MOST: Duration = Duration::from_secs(2);

/// How long nginx may take to run with what it was told to: its master sleeps for 100 ms in each reload, and starts workers.
const TAKES: Duration = Duration::from_secs(20);

/// How long after a failure that says nothing of the settings (no room on the disk, no process to be had) they are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// How long a change of the settings, or a reload, waits for the addresses of log servers.
const RESOLVES: Duration = Duration::from_secs(3);

/// What a reload is made of.
type Values = BTreeMap<Setting, String>;

/// Puts settings in place.
pub(crate) struct Applier {
    pub(super) program: Rc<Program>,
    pub(super) frame: Frame,
    pub(super) run_folder: RunFolder,
    pub(super) keeping: Keeping,
    pub(super) servers: LogServers,
    pub(super) heard: watch::Receiver<Heard>,
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
}

/// An attempt that is to be made once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    at: Instant,
    /// Whether nginx is to reload also where nothing has changed.
    anyway: bool,
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
}

impl Applier {
    /// Starts nginx.
    ///
    /// # Errors
    ///
    /// Where it does not start even without settings.
    ///
    /// Log servers that have no address at `resolved` are left out until they have one.
    pub(super) async fn start(&mut self, resolved: Instant) -> Result<Running, ServeError> {
        let heard = self.heard.borrow_and_update().known.clone();
        self.want_log_servers(&heard);
        self.servers.settle(resolved).await;
        if let Some(name) = self.frame.log_server().filter(|name| self.servers.address(name).is_none()) {
            tracing::warn!(
                "\"{name}\" of --access-log has no address ({}): nothing is logged there until it has one",
                self.servers.failure(name)
            );
        }
        let heard = self.with_log_server(heard);
        self.rendering = 1;
        self.good = self.first(&heard).await?;
        self.seen = self.heard.borrow().known.reloaded();
        let running = self.program.start(&self.configuration())?;
        tracing::info!("nginx runs: clients connect to {}", self.frame.listen.join(", "));
        self.keep();
        Ok(running)
    }

    /// Follows the settings, and has nginx reload where that is needed, or asked for.
    pub(super) async fn follow(&mut self, running: &Running, reload: &Notify) -> Infallible {
        let mut is_followed = true;
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
            }
        }
    }

    fn configuration(&self) -> PathBuf {
        self.run_folder.path("nginx.conf")
    }

    /// The configuration that nginx starts with: what nginx refuses is left out, and nothing is left out without a word.
    async fn first(&self, heard: &Known) -> Result<Values, ServeError> {
        let rendering = self.rendering;
        let refused = match self.put(heard, rendering).await {
            Ok(()) => return Ok(heard.reloaded()),
            Err(ServeError::Nginx(error @ NginxError::Refused(_))) => error,
            Err(error) => return Err(error),
        };
        if heard.reloaded().is_empty() {
            return Err(refused.into());
        }
        tracing::error!("with the settings that etcd has, {refused}");
        let nothing = Known { values: kept_anyway(heard), ..heard.clone() };
        self.put(&nothing, rendering).await?;
        let known = self.try_each(nothing, heard, rendering).await?;
        self.put(&known, rendering).await?;
        Ok(known.reloaded())
    }

    /// Waits until the settings have come to rest.
    async fn gather(&mut self) {
        let end = Instant::now() + GATHER_AT_MOST;
        while Instant::now() < end
            && timeout(GATHER, self.heard.changed()).await.is_ok_and(|changed| changed.is_ok())
        {}
    }

    /// Keeps the settings for a start without etcd.
    fn keep(&mut self) {
        let heard = self.heard.borrow();
        if heard.has_listed {
            self.keeping.keep(&heard.known);
        }
    }

    /// Has nginx reload, if there is anything that it would have to reload for, or `anyway`.
    async fn take_settings(&mut self, running: &Running, anyway: bool) {
        let heard = self.heard.borrow_and_update().known.clone();
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
        let next = self.rendering + 1;
        let good = match self.put_what_is_good(&heard, next).await {
            Ok(good) => good,
            Err(error) => {
                if pending.is_none() {
                    tracing::error!("the settings change nothing: {error}; they are tried again");
                }
                self.pending = Some(Pending { at: Instant::now() + RETRY, anyway });
                return;
            }
        };
        if good == self.good && !anyway {
            return;
        }
        let changes = changes(&self.good, &good);
        self.good = good;
        self.rendering = next;
        running.signal(Signal::SIGHUP);
        if self.runs(next).await {
            tracing::info!(
                "nginx has reloaded: {}",
                if changes.is_empty() { "the same settings" } else { &changes }
            );
        } else {
            tracing::error!(
                "nginx does not run with the settings within {} s of its reload ({changes}): see its own lines",
                TAKES.as_secs()
            );
        }
    }

    /// The names of log servers that are to be resolved: of the settings, of what nginx runs with, and of the flags.
    fn want_log_servers(&mut self, heard: &Known) {
        let setting = heard.values.get(&Setting::SyslogEndpoint);
        let settings = setting.into_iter().chain(self.good.get(&Setting::SyslogEndpoint));
        let names = settings.filter_map(|server| name_of(server)).chain(self.frame.log_server());
        self.servers.want(&names.map(str::to_owned).collect());
    }

    /// The settings, with the log server that nginx runs with where theirs has no address yet: it is taken once it has one.
    fn with_log_server(&mut self, mut heard: Known) -> Known {
        let unresolved = heard
            .values
            .get(&Setting::SyslogEndpoint)
            .filter(|server| name_of(server).is_some_and(|name| self.servers.address(name).is_none()));
        let unresolved = unresolved.cloned();
        if let Some(server) = &unresolved {
            let name = name_of(server).unwrap_or_default();
            if self.unresolved.as_ref() != Some(server) {
                tracing::error!(
                    "key \"{}{}\" rejected for now: \"{name}\" has no address ({}); the last good value stays until it has one",
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

    /// Puts the configuration of these settings in place, once nginx takes it. Where it does not, those that it takes are found one by one. Returns
    /// those that are in place.
    async fn put_what_is_good(&self, heard: &Known, rendering: u64) -> Result<Values, ServeError> {
        match self.put(heard, rendering).await {
            Ok(()) => Ok(heard.reloaded()),
            Err(ServeError::Nginx(NginxError::Refused(_))) => {
                let mut before = Known { values: kept_anyway(heard), ..heard.clone() };
                before.values.extend(self.good.clone());
                let known = self.try_each(before, heard, rendering).await?;
                self.put(&known, rendering).await?;
                Ok(known.reloaded())
            }
            Err(error) => Err(error),
        }
    }

    /// Beginning with settings that are good, takes each of `heard` that nginx takes with them.
    async fn try_each(&self, mut good: Known, heard: &Known, rendering: u64) -> Result<Known, ServeError> {
        for setting in Setting::ALL {
            let (value, before) = (heard.values.get(&setting), good.values.get(&setting).cloned());
            if value == before.as_ref() {
                continue;
            }
            let mut tried = good.clone();
            match value {
                Some(value) => tried.values.insert(setting, value.clone()),
                None => tried.values.remove(&setting),
            };
            match self.test(&tried, rendering).await {
                Ok(_) => good = tried,
                Err(ServeError::Nginx(error)) => tracing::error!(
                    "key \"{}{}\" rejected: with {}, {error}; the last good value stays",
                    self.frame.etcd.settings_prefix(),
                    setting.key(),
                    value.map_or("its default", String::as_str),
                ),
                Err(error) => return Err(error),
            }
        }
        Ok(good)
    }

    /// Tests the configuration and puts it where nginx reads it.
    async fn put(&self, known: &Known, rendering: u64) -> Result<(), ServeError> {
        let tested = self.test(known, rendering).await?;
        let file = self.configuration();
        std::fs::rename(&tested, &file).map_err(|error| ServeError::Write(file, error))
    }

    /// Writes the configuration beside the one in use, and has nginx test it.
    async fn test(&self, known: &Known, rendering: u64) -> Result<PathBuf, ServeError> {
        let file = self.run_folder.path("nginx.conf.new");
        let text = render(&self.frame, known, &self.servers, rendering)?;
        folders::write(&file, text.as_bytes(), 0o644)
            .map_err(|error| ServeError::Write(file.clone(), error))?;
        self.program.test(&file).await?;
        Ok(file)
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

/// The settings that are no business of nginx's, so that it is none of them that it refuses: those that act without a reload, and who may publish.
fn kept_anyway(known: &Known) -> Values {
    let mut values = known.values.clone();
    values.retain(|setting, _| setting.is_live() || *setting == Setting::PutAllow);
    values
}

/// What is another than before, in words.
fn changes(before: &Values, now: &Values) -> String {
    let changed = Setting::ALL.into_iter().filter(|setting| before.get(setting) != now.get(setting));
    let words = changed.map(|setting| match now.get(&setting).map(String::as_str).or(setting.default()) {
        Some(value) => format!("{} {value}", setting.key()),
        None => format!("{} unset", setting.key()),
    });
    words.collect::<Vec<_>>().join(", ")
}
