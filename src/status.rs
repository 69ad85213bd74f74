//! `etcd_status`: the state of all upstreams, variables and networks, in steps.

mod changes;
mod figures;
pub(crate) mod http;
mod live;
mod peer;
mod response;
mod times;
mod upstream;
mod walk;
