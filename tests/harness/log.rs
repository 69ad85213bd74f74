//! Lines of a log, and waiting for them.

use crate::{Result, SOON, ensure, eventually};

/// The lines that contain a text.
pub(crate) fn lines(log: &str, text: &str) -> Vec<String> {
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// Waits for a line that contains a text, and gives the first.
///
/// # Errors
///
/// When none comes soon: the log.
pub(crate) async fn wait_for_line(text: &str, log: impl Fn() -> String) -> Result<String> {
    eventually(SOON, &format!("a log line with {text:?}"), async || {
        let log = log();
        lines(&log, text).into_iter().next().ok_or_else(|| log.into())
    })
    .await
}

/// Waits until so many lines contain a text.
///
/// # Errors
///
/// When fewer come soon, or when there are more: the log.
pub(crate) async fn wait_for_lines(
    text: &str,
    count: usize,
    log: impl Fn() -> String,
) -> Result<()> {
    let found = eventually(SOON, &format!("{count} log lines with {text:?}"), async || {
        let log = log();
        let found = lines(&log, text).len();
        ensure!(found >= count, "{found}: {log}");
        Ok(found)
    })
    .await?;
    ensure!(found == count, "{found} log lines with {text:?}, not {count}: {}", log());
    Ok(())
}
