//! Keys and prefixes, as directives name them.

use super::args::Mistake;

/// The longest prefix, in bytes; etcd has no limit of its own, but a key below the prefix is shown
/// with it in every line of the log.
const MAX_PREFIX_LENGTH: usize = 512;

/// The longest key, in bytes; as with prefixes, etcd has no limit of its own, and it is shown in
/// lines of the log.
const MAX_KEY_LENGTH: usize = 512;

/// Checks a key that a directive names.
pub(super) fn check_key(key: &str, directive: &str) -> Result<(), Mistake> {
    if key.is_empty() {
        return Err(format!("\"{directive}\" needs a key").into());
    }
    if key.len() > MAX_KEY_LENGTH {
        return Err(
            format!("the key in \"{directive}\" is longer than {MAX_KEY_LENGTH} bytes").into()
        );
    }
    if key.chars().any(char::is_control) {
        return Err(format!("the key in \"{directive}\" has control characters").into());
    }
    Ok(())
}

/// The prefix of `etcd`, with a slash at its end.
pub(super) fn read_prefix(prefix: &str) -> Result<String, Mistake> {
    if prefix.is_empty() || prefix == "/" {
        return Err(format!(
            "the prefix \"{prefix}\" in \"etcd\" would be every key of the cluster"
        )
        .into());
    }
    if prefix.len() > MAX_PREFIX_LENGTH {
        return Err(
            format!("the prefix in \"etcd\" is longer than {MAX_PREFIX_LENGTH} bytes").into()
        );
    }
    if prefix.chars().any(char::is_control) {
        return Err("the prefix in \"etcd\" has control characters".into());
    }
    check_end(prefix, "etcd")?;
    Ok(if prefix.ends_with('/') { prefix.to_owned() } else { format!("{prefix}/") })
}

/// That a prefix does not end in two slashes: with the one that is added where it lacks, nobody
/// means the second.
pub(super) fn check_end(prefix: &str, directive: &str) -> Result<(), Mistake> {
    if prefix.ends_with("//") {
        return Err(format!(
            "the prefix \"{prefix}\" in \"{directive}\" ends in more than one \"/\""
        )
        .into());
    }
    Ok(())
}
