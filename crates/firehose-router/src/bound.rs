//! Processes that are told to end when this one ends, however it ends.
//!
//! The kernel does that (`PR_SET_PDEATHSIG`), but a process has to ask for it itself, between its
//! start and the program that it is to run. So this program is run once more, as a sub-command that
//! nobody else calls: it asks, and becomes the other program.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use clap::Args;
use nix::{
    sys::{prctl, signal::Signal},
    unistd::{Pid, getpid, getppid},
};

use crate::messages;

/// The sub-command's name.
pub(crate) const NAME: &str = "run-bound";

/// This program, also where its file has been replaced meanwhile.
const OURSELVES: &str = "/proc/self/exe";

/// As shells have it, for a program that cannot be run.
const CANNOT_RUN: u8 = 126;

/// What the sub-command is called with.
#[derive(Args, Debug)]
pub(crate) struct BoundOptions {
    parent: i32,
    signal: i32,
    /// Where memory is short it is to be ended before anybody else
    #[arg(long)]
    expendable: bool,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// A command that runs another one, which gets `signal` when the thread that starts it ends: it
/// must be the program's first one, which lives as long as the program does.
///
/// Where memory is short, one that is expendable is ended before anybody else.
///
/// A program that is set-user-id, or has capabilities of its own, is not told: the kernel forgets
/// what was asked for.
pub(crate) fn command(command: &Command, signal: Signal, is_expendable: bool) -> Command {
    let mut bound = Command::new(OURSELVES);
    bound.args([NAME, &getpid().to_string(), &(signal as i32).to_string()]);
    bound.args(is_expendable.then_some("--expendable")).arg("--");
    bound.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    bound
}

/// The sub-command: becomes the program. Returns only where that fails.
pub(crate) fn run(options: &BoundOptions) -> ExitCode {
    let [program, arguments @ ..] = &options.command[..] else { return ExitCode::FAILURE };
    if let Err(error) = Signal::try_from(options.signal).and_then(prctl::set_pdeathsig) {
        eprintln!("{}", messages::not_bound(Path::new(program), error));
    }
    if options.expendable {
        // As likely as possible (proc(5)); what cannot be written is no reason not to run.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    // It may have ended before the kernel was asked to tell of that.
    if getppid() != Pid::from_raw(options.parent) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(program).args(arguments).exec();
    eprintln!("{}", messages::cannot_run(Path::new(program), error));
    ExitCode::from(CANNOT_RUN)
}
