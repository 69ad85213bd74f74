//! The program's own log, on standard error beside nginx's.

use std::io;

/// From now on what is said goes to standard error, one line each.
pub(crate) fn start() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        // nginx's own lines have no colors either.
        .with_ansi(false)
        .with_target(false)
        .init();
}
