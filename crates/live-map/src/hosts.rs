//! Names of hosts, and masks of them, as nginx's `map` with `hostnames` has them.
//!
//! What nginx refuses is refused. So is what nginx takes and never finds: a name with a dot at its
//! end, since that of a host is ignored, and an asterisk in what begins with a dot.

use thiserror::Error;

use crate::name::{Kind, MAX_NAME, Name};

/// Why a key is no name of a host and no mask. The text is one line, without the key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HostError {
    /// See [`MAX_NAME`].
    #[error("the key is too long: {0} bytes below the prefix, the maximum is {MAX_NAME}")]
    TooLong(usize),
    /// An asterisk that is not the first or the last label, or that is not the only one.
    #[error(
        "not a host name or mask: an asterisk can only be the first or the last label \
         (*.example.com, www.example.*)"
    )]
    Asterisk,
    /// Two dots beside each other, a dot at the end, or nothing but a dot.
    #[error("not a host name or mask: a label is empty")]
    EmptyLabel,
    /// A zero byte.
    #[error("not a host name or mask: it contains a zero byte")]
    ZeroByte,
}

/// Reads the name of a key: a host, `*.example.com`, `.example.com` or `www.example.*`. The empty
/// name is that of no host.
///
/// # Errors
///
/// Where it is none of these.
pub fn parse(key: &[u8]) -> Result<Name<'_>, HostError> {
    if key.len() > MAX_NAME {
        return Err(HostError::TooLong(key.len()));
    }
    if key.contains(&0) {
        return Err(HostError::ZeroByte);
    }
    let (kind, text) = if let Some(text) = key.strip_prefix(b"*.") {
        (Kind::Head, text)
    } else if let Some(text) = key.strip_prefix(b".") {
        (Kind::Dot, text)
    } else if let Some(text) = key.strip_suffix(b".*") {
        (Kind::Tail, text)
    } else {
        (Kind::Exact, key)
    };
    if text.contains(&b'*') {
        return Err(HostError::Asterisk);
    }
    let is_label_empty = text.split(|&byte| byte == b'.').any(<[u8]>::is_empty);
    if is_label_empty && !key.is_empty() {
        return Err(HostError::EmptyLabel);
    }
    Name::new(kind, text).ok_or(HostError::TooLong(key.len()))
}
