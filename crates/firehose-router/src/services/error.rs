//! What keeps a service from being shown, changed or removed.

use nginx_syntax::quoted;
use thiserror::Error;
use upstream_settings::SettingsError;

use crate::keys::{Failure, KeysError};

/// Routes that a message names.
const NAMED: usize = 3;

/// Why nothing was done, or not all of it.
#[derive(Debug, Error)]
pub(super) enum ServicesError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(
        "service {} has no key below {}: see \"firehose-router services list\"",
        quoted(name),
        quoted(prefix)
    )]
    Missing { name: String, prefix: String },
    #[error(
        "service {} is not removed: {} to it: change them with \"firehose-router routes set\", or \
         add --force",
        quoted(name),
        leads(routes)
    )]
    Routed { name: String, routes: Vec<String> },
    #[error("the router would reject key {} with this value: {reason}", quoted(key))]
    Rejected { key: String, reason: SettingsError },
    #[error(
        "keys of service {} were changed by other clients {times} times in between: run this again",
        quoted(name)
    )]
    Contended { name: String, times: usize },
    #[error(
        "service {} was removed, and programs that hold leases have written {} at once: stop these \
         programs",
        quoted(name),
        written(keys)
    )]
    WrittenBack { name: String, keys: Vec<String> },
}

impl Failure for ServicesError {
    fn common(&self) -> Option<&KeysError> {
        match self {
            Self::Keys(error) => Some(error),
            _ => None,
        }
    }
}

/// Some of several, and how many others there are.
fn named(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(NAMED).map(|name| quoted(name)).collect();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        others => format!("{} and {others} more", shown.join(", ")),
    }
}

fn leads(routes: &[String]) -> String {
    match routes.len() {
        1 => format!("key {} leads", named(routes)),
        _ => format!("keys {} lead", named(routes)),
    }
}

fn written(keys: &[String]) -> String {
    let word = if keys.len() == 1 { "key" } else { "keys" };
    format!("{word} {}", named(keys))
}

#[cfg(test)]
mod tests {
    use upstream_settings::SettingsError;

    use super::ServicesError;

    #[test]
    fn messages_are_worded_so() {
        let name = || "web".to_owned();
        let keys = |count: usize| (1..=count).map(|number| format!("/k/{number}")).collect();
        for (error, expected) in [
            (
                ServicesError::Missing { name: name(), prefix: "/services/".to_owned() },
                "service \"web\" has no key below \"/services/\": see \"firehose-router services \
                 list\"",
            ),
            (
                ServicesError::Routed { name: name(), routes: keys(1) },
                "service \"web\" is not removed: key \"/k/1\" leads to it: change them with \
                 \"firehose-router routes set\", or add --force",
            ),
            (
                ServicesError::Routed { name: name(), routes: keys(5) },
                "service \"web\" is not removed: keys \"/k/1\", \"/k/2\", \"/k/3\" and 2 more lead \
                 to it: change them with \"firehose-router routes set\", or add --force",
            ),
            (
                ServicesError::WrittenBack { name: name(), keys: keys(2) },
                "service \"web\" was removed, and programs that hold leases have written keys \
                 \"/k/1\", \"/k/2\" at once: stop these programs",
            ),
            (
                ServicesError::Rejected {
                    key: "/s/web\n".to_owned(),
                    reason: SettingsError::NoObject,
                },
                "the router would reject key \"/s/web\\n\" with this value: the value is not a \
                 JSON object, such as {\"balance\":\"least_conn\"}",
            ),
            (
                ServicesError::Contended { name: name(), times: 10 },
                "keys of service \"web\" were changed by other clients 10 times in between: run \
                 this again",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
