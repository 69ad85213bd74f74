//! `etcd_status`: the state of all upstreams, variables and networks, as JSON.

mod document;
pub(crate) mod http;
mod live;
mod times;
