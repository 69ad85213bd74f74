//! Waits until routers have no open connection to a node.

mod drained;
mod mark;
mod progress;

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::Duration,
};

use nginx_syntax::quoted;
use tokio::time::{Instant, sleep};

pub(super) use self::drained::Drained;
use self::{
    mark::{Mark, mark},
    progress::{Progress, ask},
};
use super::{error::NodesError, target::Target};
use crate::{routers::StatusPlace, terminal::shown};

/// How often the routers are asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// The routers that are asked.
pub(super) struct Routers<'r> {
    pub(super) places: &'r [StatusPlace],
    pub(super) cacert: Option<&'r Path>,
}

/// Sees that each router that answers can be waited for, before anything is changed.
///
/// # Errors
///
/// Where a router does not have the upstream, or answers with something else.
pub(super) async fn check(drained: &Drained<'_>, routers: &Routers<'_>) -> Result<(), NodesError> {
    for place in routers.places {
        if let Err(reason) = ask(drained, place, routers.cacert).await {
            return Err(NodesError::Router(format!(
                "{}: {reason}; nothing was changed",
                shown(&place.name)
            )));
        }
    }
    Ok(())
}

/// Waits until all routers say that nobody is left.
///
/// # Errors
///
/// Where that does not happen within `limit`, or a router does not have the upstream, or the mark
/// is taken away.
pub(super) async fn wait(
    drained: &Drained<'_>,
    target: &Target,
    routers: &Routers<'_>,
    limit: Duration,
) -> Result<(), NodesError> {
    let mut said = Said::new();
    let result = watch(drained, target, routers, limit, &mut said).await;
    said.end();
    result
}

async fn watch(
    drained: &Drained<'_>,
    target: &Target,
    routers: &Routers<'_>,
    limit: Duration,
    said: &mut Said,
) -> Result<(), NodesError> {
    let end = Instant::now() + limit;
    let node = quoted(drained.peers);
    loop {
        let mut left = Vec::new();
        let mut error = None;
        for place in routers.places {
            let text = match ask(drained, place, routers.cacert).await {
                Ok(Progress::Empty) => continue,
                Ok(Progress::NotYet(reason)) => reason,
                Ok(Progress::Open(1, detail)) => format!("1 open connection{detail}"),
                Ok(Progress::Open(count, detail)) => format!("{count} open connections{detail}"),
                Err(reason) => {
                    error = Some(format!("{}: {reason}", shown(&place.name)));
                    break;
                }
            };
            left.push(format!("{}: {}", shown(&place.name), shown(&text)));
        }
        if left.is_empty() && error.is_none() {
            return Ok(());
        }
        let mark = mark(target, drained.name).await;
        let key = quoted(&target.key(drained.name));
        let state = match mark {
            Mark::Kept => format!("key {key} stays marked \"drain\""),
            Mark::Unknown => format!("key {key} was marked \"drain\""),
            Mark::Cancelled(value) => {
                return Err(NodesError::Cancelled(format!(
                    "the drain of node {node} was cancelled: key {key} now has the value {}",
                    quoted(&value)
                )));
            }
            Mark::Removed => {
                let error = error.into_iter().collect::<Vec<_>>();
                return Err(NodesError::Cancelled(format!(
                    "key {key} was removed, and node {node} is not empty: {}",
                    [left, error].concat().join("; ")
                )));
            }
        };
        if let Some(error) = error {
            return Err(NodesError::Router(format!("{error}; {state}")));
        }
        said.say(&left);
        if Instant::now() >= end {
            return Err(NodesError::NotEmpty(format!(
                "node {node} is not empty within {limit:?}, and {state}; {}",
                left.join("; ")
            )));
        }
        sleep(INTERVAL.min(end - Instant::now())).await;
    }
}

/// What was said while it waits: on a terminal one line that changes, and else a line for each
/// change.
struct Said {
    is_terminal: bool,
    lines: Vec<String>,
}

impl Said {
    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), lines: Vec::new() }
    }

    fn say(&mut self, lines: &[String]) {
        if lines == self.lines {
            return;
        }
        // Progress is nothing that a change depends on.
        let mut out = io::stderr().lock();
        if self.is_terminal {
            let _ = write!(out, "\r\x1b[K{}", lines.join("; "));
        } else {
            let _ = writeln!(out, "{}", lines.join("; "));
        }
        let _ = out.flush();
        self.lines = lines.to_vec();
    }

    /// Leaves the line.
    fn end(&mut self) {
        if self.is_terminal && !self.lines.is_empty() {
            let _ = writeln!(io::stderr());
        }
    }
}
