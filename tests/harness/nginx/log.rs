//! What a running nginx writes to `error.log`.

use super::{Nginx, read};
use crate::{Result, ensure, log};

/// How much of the log a failed test shows.
const LOG_LINES: usize = 40;

impl Nginx {
    /// What `error.log` holds.
    pub fn log(&self) -> String {
        read(self.folder.path(), "logs/error.log")
    }

    /// The lines of `error.log` that contain a text.
    pub fn log_lines(&self, text: &str) -> Vec<String> {
        log::lines(&self.log(), text)
    }

    /// Waits for a line with a text in `error.log`, and gives the first.
    ///
    /// # Errors
    ///
    /// When it does not come soon.
    pub async fn wait_for_log(&self, text: &str) -> Result<String> {
        log::wait_for_line(text, || self.log()).await
    }

    /// Waits until so many lines of `error.log` contain a text. The watcher's lines are written a
    /// moment after what they tell of.
    ///
    /// # Errors
    ///
    /// When fewer come soon, or when there are more.
    pub async fn wait_for_log_lines(&self, text: &str, count: usize) -> Result<()> {
        log::wait_for_lines(text, count, || self.log()).await
    }

    /// Fails if the log tells of a crash, or of anything that nginx or the module calls critical or
    /// worse.
    ///
    /// # Errors
    ///
    /// The lines that do.
    pub fn check_log(&self) -> Result<()> {
        let log = self.log();
        let bad = |line: &&str| {
            // The level is the third word of a line: date, time, level. What follows may quote
            // anything.
            let level = line.split(' ').nth(2).unwrap_or_default();
            matches!(level, "[alert]" | "[emerg]" | "[crit]")
                || line.contains("panicked")
                || line.contains("etcd: internal error")
                || line.contains("etcd: the watcher failed")
                || line.contains("exited on signal")
        };
        let lines: Vec<_> = log.lines().filter(bad).collect();
        ensure!(lines.is_empty(), "in error.log: {}", lines.join("\n"));
        Ok(())
    }
}

impl Drop for Nginx {
    /// Shows the log's end, which is seen where the test failed: cargo swallows it otherwise.
    fn drop(&mut self) {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        println!(
            "error.log ends with:\n{}",
            lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
        );
    }
}
