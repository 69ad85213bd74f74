//! Lines of the log that are about one upstream.

use std::rc::Rc;

use super::lines::Lines;

/// Writes lines that begin with the upstream's name.
#[derive(Clone)]
pub(super) struct UpstreamLog {
    upstream: Rc<str>,
    lines: Lines,
}

impl UpstreamLog {
    pub(super) fn new(upstream: &str, lines: Lines) -> Self {
        Self { upstream: upstream.into(), lines }
    }

    fn line(&self, text: &str) -> String {
        format!("etcd: upstream \"{}\": {text}", self.upstream)
    }

    /// What is as it should be.
    pub(super) fn notice(&self, text: impl AsRef<str>) {
        self.lines.notice(self.line(text.as_ref()));
    }

    /// Trouble that costs nothing yet.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        self.lines.warn(self.line(text.as_ref()));
    }

    /// Trouble.
    pub(super) fn error(&self, text: impl AsRef<str>) {
        self.lines.error(self.line(text.as_ref()));
    }
}
