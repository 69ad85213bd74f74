//! A request: it gets a peer and gives it back.
//!
//! | file | what it is about |
//! |---|---|
//! | `balancer` | nginx's upstream callbacks |
//! | `module` | where nginx keeps what belongs to the HTTP module |
//! | `request` | what a request keeps of its way |
//! | `hash_key` | what a request is hashed by |
//! | `sticky` | the cookie by which a client comes back to its peer |
//! | `keepalive` | the idle connections of a worker, by peer, and its TLS sessions |
//! | `drain` | the open connections of a peer that is being left are closed |
//! | `withdrawals` | what is done when a peer has left |
//! | `upstream` | what a worker has of an upstream for its requests |
//! | `header_filter` | which requests are upgraded, and when a peer has answered |
//! | `session_buffers` | buffers of upgraded connections are given back while they are empty |
//! | `shown` | what a request keeps for variables |
//! | `statistics` | what becomes of requests is counted |
//! | `variables` | what a request shows of its peer |
//! | `accessors` | bits of a request as the C compiler has them |
//! | `text` | texts of the configuration with variables |
//! | `live_variables` | the variables whose values are made of keys in etcd |
//! | `worker` | what is done for all upstreams as a worker starts, when it looks, as it ends |

pub(crate) mod accessors;
mod balancer;
mod drain;
mod hash_key;
mod header_filter;
mod keepalive;
mod live_variables;
pub(crate) mod module;
mod request;
mod session_buffers;
mod shown;
mod statistics;
mod sticky;
mod text;
mod upstream;
mod variables;
mod withdrawals;
mod worker;

pub(crate) use self::{
    balancer::{init_of, settle},
    header_filter::install as install_header_filter,
    live_variables::live_variable,
    text::{compile as compile_text, variable_names},
    upstream::{HttpConf, HttpUpstream},
    variables::{add as add_variables, shown},
    worker::PROTOCOL,
};
