//! The program's own log, on standard error beside nginx's.

use std::io::{self, IsTerminal};

/// From now on what is said goes to standard error, one line each.
pub(crate) fn start() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}
