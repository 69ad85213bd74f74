//! A prefix of etcd as a list and the changes that follow it, whatever happens to etcd.
//!
//! [`follow`] lists the keys under a prefix, watches from the list's revision + 1, and does it all over again after
//! any trouble. Nothing is resumed: a new list cannot have a gap, whereas a resumed watch can (etcd 3.4 answers a
//! progress request with a revision whose events it has not sent yet, and compaction takes away what was missed).
//!
//! All prefixes of a [`Cluster`] share one HTTP/2 connection to one of its endpoints.

#![forbid(unsafe_code)]

mod backoff;
mod cluster;
mod connection;
mod list;
mod prefix;
mod trouble;
mod update;
mod watch;

pub use cluster::{ClusterConfig, EndpointError, check_endpoint};
pub use connection::Cluster;
pub use prefix::follow;
pub use update::{Cause, Event, Item, Update};
