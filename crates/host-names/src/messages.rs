//! What the log says of host names in the values of keys with a prefix.

/// A name cannot be resolved.
#[must_use]
pub fn failed(name: &str, prefix: &str, reason: &str) -> String {
    format!(
        "host \"{name}\" of prefix \"{prefix}\" could not be resolved ({reason}); current \
         addresses are kept"
    )
}

/// A name is resolved again.
#[must_use]
pub fn recovered(name: &str, prefix: &str) -> String {
    format!("host \"{name}\" of prefix \"{prefix}\" resolved again")
}

/// So many more of `all` names cannot be resolved, without a line each.
#[must_use]
pub fn more_failed(left_out: u64, all: u64, prefix: &str) -> String {
    format!(
        "{left_out} more hosts of prefix \"{prefix}\" could not be resolved, {all} in total; \
         current addresses are kept"
    )
}

/// So many more of `all` names are resolved again, without a line each.
#[must_use]
pub fn more_recovered(left_out: u64, all: u64, prefix: &str) -> String {
    format!("{left_out} more hosts of prefix \"{prefix}\" resolved again, {all} in total")
}

#[cfg(test)]
mod tests {
    use super::{failed, more_failed, more_recovered, recovered};

    #[test]
    fn messages_are_worded_so() {
        for (message, expected) in [
            (
                failed("web", "/a/", "no such host"),
                "host \"web\" of prefix \"/a/\" could not be resolved (no such host); current \
                 addresses are kept",
            ),
            (recovered("web", "/a/"), "host \"web\" of prefix \"/a/\" resolved again"),
            (
                more_failed(3, 8, "/a/"),
                "3 more hosts of prefix \"/a/\" could not be resolved, 8 in total; current \
                 addresses are kept",
            ),
            (
                more_recovered(3, 8, "/a/"),
                "3 more hosts of prefix \"/a/\" resolved again, 8 in total",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }
}
