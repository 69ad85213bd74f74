//! Networks of clients, as the keys below a prefix of etcd name them.
//!
//! [`NamedNetworks`] takes the keys as they are listed and changed: each names one or more
//! networks, in its value (`10.0.0.0/8`, `192.0.2.7 2001:db8::/32`) or, where that is empty, by its
//! own name. A malformed value changes nothing: its key's last good networks stay, until the key
//! goes. A key that never had a good value names nobody, but it is there: that nobody can be read
//! from the keys does not mean that there are none.
//!
//! All of them are written as one table of words ([`NamedNetworks::to_table`]), in which clients
//! are looked up where it lies ([`is_in`]), and by which another process goes on. [`Ranges`] are
//! the same addresses for one process alone.

#![forbid(unsafe_code)]

mod file;
mod named;
mod ranges;
mod table;
mod text;

pub use file::{LineError, parse_lines, to_lines};
pub use named::{
    MAX_KEY_LENGTH, MAX_VALUE_LENGTH, NamedNetworks, NetworkError, NetworksUpdate, Rejected,
    TextError, shown,
};
pub use ranges::Ranges;
pub use table::{count_in, is_in};
