//! What all sub-commands say, and how messages show paths and numbers.

use std::{
    fmt::Display,
    io::{self, ErrorKind},
    path::Path,
};

use nginx_syntax::quoted;

/// No socket of a router was found.
pub(crate) const NO_ROUTER: &str =
    "no router is running here (no status socket was found; see --run-dir)";

/// No socket of a router was found, and no URL is given.
pub(crate) const NO_ROUTER_OR_URL: &str =
    "no router is running here (no status socket was found; see --run-dir), and no --url is given";

/// The router did not answer at its socket.
pub(crate) fn no_answer(socket: &Path, error: &io::Error) -> String {
    let socket = socket.display();
    match error.kind() {
        ErrorKind::NotFound => {
            format!("no router is running here (there is no socket {socket}; see --run-dir)")
        }
        ErrorKind::ConnectionRefused => {
            format!("no router is running here (nothing listens at {socket}; see --run-dir)")
        }
        _ => format!("the router at {socket} does not answer: {error}"),
    }
}

/// A program runs, but will not get a signal when this one ends.
pub(crate) fn not_bound(program: &Path, error: impl Display) -> String {
    format!("{} will not end with its parent: {error}", program.display())
}

/// A program cannot be run.
pub(crate) fn cannot_run(program: &Path, error: impl Display) -> String {
    format!("cannot run {}: {error}", program.display())
}

/// The program has no runtime for its tasks.
pub(crate) fn no_runtime(error: impl Display) -> String {
    format!("cannot start the runtime: {error}")
}

/// A flag is not a number.
pub(crate) fn not_a_number(least: impl Display, most: impl Display) -> String {
    format!("must be a number from {least} to {most}")
}

/// A flag is a number, but not within its range.
pub(crate) fn out_of_range(least: impl Display, most: impl Display) -> String {
    format!("must be from {least} to {most}")
}

/// A path between quotation marks.
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_reads_as_it_does_here() {
        let (path, kind) = (Path::new("/a/b"), |kind: ErrorKind| io::Error::from(kind));
        for (message, expected) in [
            (
                no_answer(path, &kind(ErrorKind::NotFound)),
                "no router is running here (there is no socket /a/b; see --run-dir)",
            ),
            (
                no_answer(path, &kind(ErrorKind::ConnectionRefused)),
                "no router is running here (nothing listens at /a/b; see --run-dir)",
            ),
            (
                no_answer(path, &kind(ErrorKind::TimedOut)),
                "the router at /a/b does not answer: timed out",
            ),
            (not_bound(path, "EINVAL"), "/a/b will not end with its parent: EINVAL"),
            (cannot_run(path, "no memory"), "cannot run /a/b: no memory"),
            (no_runtime("no memory"), "cannot start the runtime: no memory"),
            (not_a_number(2, 9), "must be a number from 2 to 9"),
            (out_of_range(2, 9), "must be from 2 to 9"),
            (quoted_path(Path::new("/a b/\"c\n")), "\"/a b/\"c\\n\""),
        ] {
            assert_eq!(message, expected);
        }
    }
}
