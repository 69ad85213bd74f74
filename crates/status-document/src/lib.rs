//! The status document of `etcd_status`: what it says, the queries that choose a part of it, and
//! the formats in which it is written.
//!
//! A document is never in memory as a whole. Whoever has the data calls the methods of a
//! [`Writer`] one after the other, in the order of the passes that the writer asks for, and takes
//! what has been written when it is enough for one piece. So a piece costs what is in it, however
//! many peers there are.

#![forbid(unsafe_code)]

mod accept;
mod figures;
mod json;
pub mod metrics;
mod model;
mod query;
mod writer;

pub use self::{
    accept::Format,
    figures::{Checks, Failures, Histogram, PeerFigures, Picks, UpstreamFigures},
    json::{ChangesWriter, JsonWriter},
    metrics::{Exposition, MetricsWriter},
    model::{
        Change, Counts, Endpoint, GroupSettings, Groups, Head, Health, Holding, HoldingReason,
        Live, LiveFigure, LiveKind, Peer, RESYNC_CAUSES, Rejection, State, StateFile, Unresolved,
        Upstream, UpstreamKind, Zone,
    },
    query::{BadQuery, Query, quoted},
    writer::{Over, Parts, Pass, Rows, Writer},
};
