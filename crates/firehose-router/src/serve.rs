//! `serve`: runs nginx with the nodes and the settings that etcd has.

mod applier;
mod chooser;
mod content;
mod earlier_nginx;
mod error;
mod files;
mod folders;
mod following;
mod log_servers;
mod memory;
mod messages;
mod nginx;
mod old_workers;
mod options;
mod process_settings;
mod processes;
mod render;
mod repair;
mod settings;
#[cfg(test)]
pub(crate) use settings::reference as settings_reference;
mod settings_file;
mod settings_state;
mod settings_writer;
mod supervisor;
mod tester;
mod trial;

use std::{
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use self::{
    applier::Applier,
    earlier_nginx::EarlierNginx,
    error::ServeError,
    files::Limits,
    folders::RunFolder,
    following::SettingsUpdate,
    nginx::Program,
    old_workers::OldWorkers,
    render::Frame,
    settings_file::SettingsFileError,
    settings_state::{SettingsState, Values},
    settings_writer::SettingsWriter,
    supervisor::Starting,
    tester::Tester,
};
pub(crate) use self::{folders::status_socket, options::ServeOptions};
use crate::{etcd::Etcd, signals::Listener};

/// How long the start waits for what nginx can do without at first, all of it together: the
/// settings of etcd, and the addresses of log servers. It is long enough for an etcd that is there,
/// and for the second of two endpoints where the first is not.
const WAITS: Duration = Duration::from_secs(3);

/// Users whom packages of nginx make for its workers: Debian's, and nginx.org's.
const USERS: [&str; 2] = ["www-data", "nginx"];

/// Judges a key below those of the settings, as it would be judged here.
///
/// # Errors
///
/// Why it would not be taken.
pub(crate) fn judge_setting(key: &str, value: &[u8]) -> Result<(), String> {
    content::judge(key, value)
}

/// Runs until nginx ends, and exits as it does.
pub(crate) async fn run(options: Box<ServeOptions>) -> ExitCode {
    // Before anything that can wait: until there are handlers, signals end the program, or are lost
    // where it is the first process of a container.
    let mut signals = match Listener::new() {
        Ok(signals) => signals,
        Err(error) => return fail(&ServeError::Signals(error)),
    };
    let started = async { prepare(*options).await?.start().await };
    let supervisor = tokio::select! {
        // Cancel safe: nothing that outlives this process exists before the start's last step,
        // which does not wait.
        biased;
        signal = signals.end_requested() => {
            tracing::info!("{}", messages::not_started(signal));
            return ExitCode::SUCCESS;
        }
        started = started => started,
    };
    match supervisor {
        Ok(supervisor) => supervisor.run(signals).await,
        Err(error) => fail(&error),
    }
}

fn fail(error: &ServeError) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

async fn prepare(options: ServeOptions) -> Result<Starting, ServeError> {
    let waits_until = Instant::now() + WAITS;
    let etcd = options.etcd.read()?;
    let program = Program::find(&options.nginx)?;
    let module = program.find_module(options.module).await?;
    let run_folder = RunFolder::lock_folder(options.run_dir.as_deref())?;
    let left = EarlierNginx::find(&run_folder.path("nginx.pid"), &run_folder.path("nginx.conf"));
    if let Some(left) = &left {
        left.close(&run_folder.path("status.sock")).await;
    }
    run_folder.clear()?;
    let state = match folders::state_folder(&options.state_dir) {
        Ok(folder) => Some(folder),
        Err(error) => {
            tracing::warn!("{}", messages::no_state_folder(&options.state_dir, error));
            None
        }
    };
    let template = match options.template {
        Some(file) => match std::fs::read_to_string(&file) {
            Ok(template) => Some(template),
            Err(error) => return Err(ServeError::Template(file, error)),
        },
        None => None,
    };
    let kept = state.as_ref().map(|folder| folder.join("settings.json"));
    let (known, taken) = kept.as_ref().map(|file| load(file, &etcd)).unwrap_or_default();
    let (heard, _) = following::start(etcd.cluster(), etcd.settings_prefix(), known);
    let frame = Frame {
        template,
        listen: options.listen,
        user: user(options.nginx_user).await?,
        module,
        pid_file: run_folder.path("nginx.pid"),
        status_socket: run_folder.path("status.sock"),
        temporary: run_folder.path("temporary"),
        put_allow_file: run_folder.path("put_allow.networks"),
        state_file: state.map(|folder| folder.join("firehose.peers")),
        zone_size: options.zone_size,
        access_log: Some(options.access_log.map_or_else(access_log, without_a_pipe_that_waits)),
        etcd: with_password_file(etcd, &run_folder)?,
    };
    let heard = first_update(heard, waits_until).await;
    let writer = SettingsWriter::new(kept, frame.etcd.prefix.clone());
    let stop_timeout = Duration::from_secs(options.stop_timeout);
    let tester = Tester::new(Rc::new(program), frame, run_folder, Limits::raise());
    let applier = Applier::new(tester, writer, heard, OldWorkers::new(stop_timeout));
    Ok(Starting { applier, taken, left, stop_timeout, waits_until })
}

/// Waits until etcd has said what the settings are, or cannot.
async fn first_update(
    mut updates: watch::Receiver<SettingsUpdate>,
    end: Instant,
) -> watch::Receiver<SettingsUpdate> {
    // Whether it came in time is seen in what there is.
    let _ = timeout_at(end, updates.wait_for(|update| update.is_settled)).await;
    for line in missing(&updates.borrow()) {
        tracing::warn!("{line}");
    }
    updates
}

/// What nginx starts with where etcd has not listed its keys: a line for each part.
fn missing(update: &SettingsUpdate) -> Vec<&'static str> {
    let SettingsState { settings_source, put_allow_source, .. } = &update.state;
    let mut lines = Vec::new();
    if !update.has_settings {
        lines.push(if settings_source.is_known {
            "the settings were not read from etcd: nginx starts with the last known ones"
        } else {
            "the settings were not read from etcd: nginx starts with the defaults"
        });
    }
    if !update.has_publishers {
        lines.push(if put_allow_source.is_known {
            "the networks that may publish were not read from etcd: nginx starts with the last \
            known ones"
        } else {
            "the networks that may publish were not read from etcd: nobody may publish until they \
            are"
        });
    }
    lines
}

/// What the last router has kept; nothing, where it has kept nothing that is of use.
fn load(file: &std::path::Path, etcd: &Etcd) -> (SettingsState, Values) {
    match settings_file::load(file, &etcd.prefix) {
        Ok(kept) => kept,
        Err(SettingsFileError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            Default::default()
        }
        Err(error) => {
            tracing::warn!("{}", messages::settings_file_not_used(file, error));
            Default::default()
        }
    }
}

/// nginx reads the password from a file.
fn with_password_file(mut etcd: Etcd, run_folder: &RunFolder) -> Result<Etcd, ServeError> {
    if let (Some(login), Some(password)) = (&mut etcd.config.login, &etcd.password) {
        let file = run_folder.path("etcd-password");
        folders::write(&file, password.as_bytes(), 0o600)
            .map_err(|error| ServeError::Write(file.clone(), error))?;
        login.password_file = file;
    }
    Ok(etcd)
}

/// Whom nginx's workers are to be; `None` where this is not run by root, and they cannot be anybody
/// else.
async fn user(named: Option<String>) -> Result<Option<String>, ServeError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    if named.is_some() {
        return Ok(named);
    }
    // The list of users may be on another machine.
    let found = tokio::task::spawn_blocking(|| {
        let exists = |name: &&str| matches!(nix::unistd::User::from_name(name), Ok(Some(_)));
        USERS.into_iter().find(exists)
    });
    found.await.unwrap_or_default().map(|name| Some(name.to_owned())).ok_or(ServeError::NoUser)
}

/// Standard output, where that can be opened once more by its name: a socket, as journald has it,
/// cannot.
fn access_log() -> String {
    if can_be_opened("/dev/stdout") {
        "stdout".to_owned()
    } else if std::path::Path::new("/dev/log").exists() {
        "syslog:server=unix:/dev/log,nohostname,tag=firehose_router".to_owned()
    } else {
        tracing::warn!("{}", messages::NO_ACCESS_LOG);
        "off".to_owned()
    }
}

/// The access log that was asked for; none, where it is a pipe that nobody reads from: nginx would
/// wait for a reader before it serves anybody.
fn without_a_pipe_that_waits(log: String) -> String {
    let is_pipe = std::fs::metadata(&log).is_ok_and(|file| file.file_type().is_fifo());
    if is_pipe && !can_be_opened(&log) {
        tracing::warn!("{}", messages::nobody_reads(&log));
        return "off".to_owned();
    }
    log
}

/// Whether a log can be opened without waiting: a pipe that nobody reads from cannot.
fn can_be_opened(log: &str) -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(log).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{SettingsUpdate, missing};

    #[test]
    fn messages_of_a_start_without_etcd() {
        let mut update = SettingsUpdate::default();
        assert_eq!(
            missing(&update),
            [
                "the settings were not read from etcd: nginx starts with the defaults",
                "the networks that may publish were not read from etcd: nobody may publish until \
                 they are"
            ]
        );
        update.state.settings_source.is_known = true;
        update.state.put_allow_source.is_known = true;
        assert_eq!(
            missing(&update),
            [
                "the settings were not read from etcd: nginx starts with the last known ones",
                "the networks that may publish were not read from etcd: nginx starts with the last \
                 known ones"
            ]
        );
        (update.has_settings, update.has_publishers) = (true, true);
        assert!(missing(&update).is_empty());
    }
}
