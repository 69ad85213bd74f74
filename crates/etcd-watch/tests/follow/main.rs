//! Following a prefix of a real etcd, through all that can happen to it.

mod endpoints;
mod etcd;
mod fake;
mod followed;
mod hostile;
mod listing;
mod model;
mod outages;
mod relay;
