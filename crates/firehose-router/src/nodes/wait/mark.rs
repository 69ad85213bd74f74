//! Whether a key says still that its node drains.

use std::time::Duration;

use tokio::time::timeout;
use upstream_peers::{KeyContent, Reading, parse_value};

use crate::nodes::target::Target;

/// How long etcd may take to say it: the routers are more important.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has become of the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is there.
    Kept,
    /// The key has this value, which does not have it.
    Cancelled(String),
    /// The key is gone.
    Removed,
    /// etcd does not say it now.
    Unknown,
}

/// Looks at the key.
pub(super) async fn mark(target: &Target, name: &str) -> Mark {
    match timeout(PATIENCE, target.store.read(&target.key(name))).await {
        Ok(Ok(None)) => Mark::Removed,
        Ok(Ok(Some(there))) if drains(name, &there.value, &target.reading) => Mark::Kept,
        Ok(Ok(Some(there))) => Mark::Cancelled(there.text()),
        Ok(Err(_)) | Err(_) => Mark::Unknown,
    }
}

/// Whether the value drains its node. A router keeps the last valid value in place of one that it
/// rejects, so that such a value cancels nothing.
fn drains(name: &str, value: &[u8], reading: &Reading) -> bool {
    let is_drained = |value: &upstream_peers::Value| {
        value.overrides.drain == Some(true) || value.overrides.weight == Some(0)
    };
    match parse_value(name, value, reading).map(KeyContent::into_values) {
        Ok(values) => values.iter().all(is_drained),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use upstream_peers::Reading;

    use super::drains;

    #[test]
    fn only_a_valid_value_without_the_mark_cancels_it() {
        for (value, expected) in [
            ("10.0.0.7:80 drain", true),
            ("10.0.0.7:80 weight=0", true),
            ("10.0.0.7:http", true),
            ("10.0.0.7:80", false),
            ("10.0.0.7:80 weight=5", false),
            (r#"{"addr":"10.0.0.7:80","drain":true}"#, true),
        ] {
            assert_eq!(drains("n", value.as_bytes(), &Reading::default()), expected, "{value}");
        }
    }
}
