//! Keys and prefixes, as directives name them.

/// The longest key or prefix, in bytes. etcd has no limit of its own, but both are shown in lines
/// of the log.
const MAX_LENGTH: usize = 512;

/// A key that a directive names.
pub(super) fn key(text: &str) -> Option<String> {
    let is_key =
        !text.is_empty() && text.len() <= MAX_LENGTH && !text.chars().any(char::is_control);
    is_key.then(|| text.to_owned())
}

/// A prefix, with a slash at its end, which is added where it lacks. `/` would be every key of the
/// cluster; two slashes at the end nobody means.
pub(super) fn prefix(text: &str) -> Option<String> {
    let text = key(text).filter(|text| text != "/" && !text.ends_with("//"))?;
    Some(if text.ends_with('/') { text } else { text + "/" })
}
