//! What the log says of keys that are not taken: once for each value.

use std::collections::BTreeSet;

use crate::serve::{content::ApplyResult, settings::SettingError};

/// Lines of which it is known that they were logged; a script that writes nonsense all day must not
/// fill the memory.
const MAX_LOGGED: usize = 1_000;

/// Logs keys that are rejected or unknown.
pub(super) struct RejectionLog {
    prefix: String,
    logged: BTreeSet<(String, String)>,
}

impl RejectionLog {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, logged: BTreeSet::new() }
    }

    /// Logs what is new of a result.
    pub(super) fn log_result(&mut self, result: ApplyResult) {
        if self.logged.len() > MAX_LOGGED {
            self.logged.clear();
        }
        let prefix = &self.prefix;
        for (key, error) in result.rejected {
            if self.logged.insert((key.clone(), error.to_string())) {
                tracing::error!("{}", rejected(prefix, &key, &error.to_string()));
            }
        }
        for key in result.unknown {
            if self.logged.insert((key.clone(), String::new())) {
                tracing::warn!("{}", ignored(prefix, &key));
            }
        }
    }

    /// A fresh list has come: what it does not have any more is logged again where it comes back.
    pub(super) fn retain_keys(&mut self, is_there: impl Fn(&str) -> bool) {
        self.logged.retain(|(key, _)| is_there(key));
    }
}

/// A setting whose value is malformed.
pub(in crate::serve) fn rejected(prefix: &str, key: &str, reason: &str) -> String {
    format!("key \"{prefix}{key}\" rejected: {reason}; the last valid value is kept")
}

/// A key that is no setting.
fn ignored(prefix: &str, key: &str) -> String {
    format!("key \"{prefix}{key}\" ignored: {}", SettingError::Unknown)
}

#[cfg(test)]
mod tests {
    use super::{ignored, rejected};

    #[test]
    fn messages_are_worded_so() {
        assert_eq!(
            rejected("/f/nginx/", "balance", "\"x\" is not a method"),
            "key \"/f/nginx/balance\" rejected: \"x\" is not a method; the last valid value is kept"
        );
        let line = ignored("/f/nginx/", "colour");
        assert!(
            line.starts_with("key \"/f/nginx/colour\" ignored: there is no setting of this name"),
            "{line}"
        );
    }
}
