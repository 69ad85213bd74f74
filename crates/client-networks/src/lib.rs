//! Networks of clients, as the keys below a prefix of etcd name them.
//!
//! [`NamedNetworks`] takes the keys as they are listed and changed: each names one or more networks, in its value (`10.0.0.0/8`,
//! `192.0.2.7 2001:db8::/32`) or, where that is empty, by its own name. A malformed value changes nothing: its key's last good networks stay, until
//! the key goes. One that never named a network holds nobody, and is a key all the same: where any key is, somebody means to name who is in.
//! All of them are written as one text ([`NamedNetworks::to_bytes`]), by which another process goes on, or judges clients ([`allowed`]).

#![forbid(unsafe_code)]

mod named;
mod text;

pub use named::{MAX_KEY_LENGTH, NamedNetworks, NetworkError, Outcome, Rejected, shown};
pub use text::{TooLong, allowed};
