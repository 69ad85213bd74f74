//! Names of hosts, and masks of them, as nginx's `map` with `hostnames` has them.

use thiserror::Error;

use crate::name::Name;

/// Why a key is no name of a host and no mask.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HostError {
    /// See [`MAX_NAME`](crate::MAX_NAME).
    #[error("the name is too long: {0} bytes, the maximum is {max}", max = crate::MAX_NAME)]
    TooLong(usize),
    /// An asterisk that is not the first or the last label.
    #[error(
        "not a host name or mask: an asterisk must be the first or the last label, such as \
         *.example.com or www.example.*"
    )]
    Asterisk,
    /// Two dots beside each other.
    #[error("not a host name or mask: a label is empty")]
    EmptyLabel,
    /// A zero byte.
    #[error("not a host name or mask: it contains a zero byte")]
    ZeroByte,
}

/// Reads the name of a key: a host name, `*.example.com`, `.example.com` or `www.example.*`.
///
/// # Errors
///
/// Where nginx's `map` refuses it.
pub fn parse(_key: &[u8]) -> Result<Name<'_>, HostError> {
    todo!()
}
