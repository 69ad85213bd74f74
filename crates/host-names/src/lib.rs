//! Host names and their addresses, looked up in the background and again whenever their time (TTL)
//! is up.
//!
//! [`HostNames`] is told which names are in use, and says which of them have other addresses than
//! before. What was known of a name stays until something better is known: no answer, an error of a
//! name server and even the answer that there is no such name take no address away, since a peer
//! that cannot be reached any more is found out by nginx itself, whereas a peer that is taken away
//! by mistake is an outage.

#![forbid(unsafe_code)]

mod backoff;
mod host_names;
mod lookup;
pub mod messages;
mod schedule;
mod servers;

pub use host_names::HostNames;
pub use schedule::{LONGEST_TIME_TO_LIVE, LookupFailure, NameEvent, SHORTEST_TIME_TO_LIVE};
