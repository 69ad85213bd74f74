//! A prefix of etcd as a list and the changes that follow it, whatever happens to etcd.
//!
//! [`follow`] lists the keys under a prefix, watches from the list's revision + 1, and does it all
//! over again after any trouble. Nothing is resumed: a new list cannot have a gap, whereas a
//! resumed watch can (etcd 3.4 answers a progress request with a revision whose events it has not
//! sent yet, and compaction takes away what was missed).
//!
//! All prefixes of a [`Cluster`] share one HTTP/2 connection to one of its endpoints, one login,
//! and the proof that the member there reaches its quorum.

#![forbid(unsafe_code)]

mod advice;
mod backoff;
mod call;
mod cluster;
mod connection;
mod endpoints;
mod files;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod lease;
mod limits;
mod list;
mod listening_time;
mod login;
pub mod messages;
mod origin;
mod outage;
mod outage_reports;
mod prefix;
mod progress;
mod quorum;
mod quorum_state;
mod range;
mod replica;
mod setting_names;
mod tls;
mod trouble;
mod update;
mod watch;

pub use call::CallError;
pub use cluster::{ClusterConfig, EndpointError, Identity, Login, Tls, check_endpoint};
pub use connection::Cluster;
pub use endpoints::{Endpoint, EndpointState};
/// The library by which etcd is called, for users of [`Cluster::call`].
pub use etcd_client;
pub use files::{Files, OwnFiles, ReadFile};
pub use limits::Limits;
pub use origin::{Continuity, Origin};
pub use outage_reports::{OutageMessage, OutageReport, Watched, log_outages};
pub use prefix::{Keys, follow};
pub use replica::{DEFAULT_HOLD, Holding, Listing, Replaced, Replica};
pub use setting_names::SettingNames;
pub use update::{Cause, Event, Item, Update};
