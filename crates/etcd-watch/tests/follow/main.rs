//! Following a prefix of a real etcd, through all that can happen to it.

mod certificates;
mod compaction;
mod endpoints;
mod etcd;
mod fake;
mod followed;
mod hostile;
mod leases;
mod limits;
mod listing;
mod model;
mod outages;
mod proxy;
mod quorum;
mod relay;
mod tls;
mod users;
