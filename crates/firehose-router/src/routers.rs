//! The routers whose status is read: where they are, what they say.

mod document;
mod fetch;
mod options;
mod place;
mod tls;

pub(crate) use self::{
    document::{
        Change, Document, Histogram, Live, Peer, PeerStatistics, Upstream, UpstreamStatistics,
    },
    fetch::{FetchError, fetch},
    options::RouterOptions,
    place::StatusPlace,
};
