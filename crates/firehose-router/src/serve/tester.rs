//! nginx's configuration, tried before it is put in place: by `nginx -t`, by the room that there
//! is, and by workers that serve nobody.

use std::{cell::RefCell, collections::BTreeSet, path::PathBuf, rc::Rc};

use nix::unistd::Pid;

use super::{
    error::ServeError,
    files::Limits,
    folders::{self, RunFolder},
    log_servers::LogServers,
    memory,
    nginx::{NginxError, Program},
    process_settings::{files_of, of_processes, workers_of},
    render::{Frame, render},
    settings::Setting,
    settings_state::{SettingsState, Values},
    trial,
};

/// Tries configurations.
pub(crate) struct Tester {
    pub(crate) program: Rc<Program>,
    pub(crate) frame: Frame,
    pub(crate) run_folder: RunFolder,
    pub(crate) servers: LogServers,
    /// How many files there may be.
    pub(crate) limits: Limits,
    /// Settings of processes with which workers have run, in a trial or in earnest.
    proven: RefCell<BTreeSet<Values>>,
    /// nginx's master, once there is one.
    pub(crate) master: Option<Pid>,
}

/// Settings that are tried.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) state: &'a SettingsState,
    /// Those that nginx runs with.
    pub(crate) running: &'a Values,
    /// The number by which the configuration is known again.
    pub(crate) rendering: u64,
}

impl Tester {
    /// Nothing is tried yet.
    pub(crate) fn new(
        program: Rc<Program>,
        frame: Frame,
        run_folder: RunFolder,
        limits: Limits,
    ) -> Self {
        Self {
            program,
            frame,
            run_folder,
            servers: LogServers::new(),
            limits,
            proven: RefCell::default(),
            master: None,
        }
    }

    /// The file that nginx reads.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.run_folder.path("nginx.conf")
    }

    /// Workers did not run with these settings after all.
    pub(crate) fn disprove(&self, settings: &Values) {
        self.proven.borrow_mut().remove(settings);
    }

    /// Tests the configuration and puts it where nginx reads it.
    pub(crate) async fn put(&self, candidate: Candidate<'_>) -> Result<(), ServeError> {
        let tested = self.test(candidate).await?;
        let file = self.configuration();
        std::fs::rename(&tested, &file).map_err(|error| ServeError::Write(file, error))
    }

    /// Writes the configuration beside the one in use, and has nginx test it.
    pub(crate) async fn test(&self, candidate: Candidate<'_>) -> Result<PathBuf, ServeError> {
        let Candidate { state, running, rendering } = candidate;
        self.check_room(state, running)?;
        let file = self.run_folder.path("nginx.conf.new");
        let text = render(&self.frame, state, &self.servers, rendering)?;
        let networks = client_networks::to_lines(state.put_allow.words());
        for (file, text) in [(&self.frame.put_allow_file, networks), (&file, text)] {
            folders::write(file, text.as_bytes(), 0o644)
                .map_err(|error| ServeError::Write(file.clone(), error))?;
        }
        self.program.test(&file).await?;
        self.try_workers(state).await?;
        Ok(file)
    }

    /// Checks whether there is memory for the workers, and whether they may have the files that
    /// they need. Where they take no more than those that run, or than the default's, there is
    /// memory.
    fn check_room(&self, state: &SettingsState, running: &Values) -> Result<(), NginxError> {
        let (wanted, files) = (workers_of(state), files_of(state));
        let before = workers_of(&state.with_reloaded(running));
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
    async fn try_workers(&self, state: &SettingsState) -> Result<(), NginxError> {
        let settings = of_processes(&state.values);
        if settings.is_empty() || self.proven.borrow().contains(&settings) {
            return Ok(());
        }
        let get = |setting| state.get(setting).unwrap_or_default().to_owned();
        let wanted = trial::Wanted {
            user: self.frame.user.as_deref(),
            processes: &get(Setting::WorkerProcesses),
            connections: &get(Setting::WorkerConnections),
            files: state.get(Setting::WorkerRlimitNofile),
        };
        trial::run(&self.program, &self.run_folder, &wanted).await?;
        self.proven.borrow_mut().insert(settings);
        Ok(())
    }
}
