//! A session of stream's, over TCP or UDP: it gets a peer and gives it back.
//!
//! | file | what it is about |
//! |---|---|
//! | `balancer` | nginx's upstream callbacks |
//! | `module` | where nginx keeps what belongs to the stream module |
//! | `pools` | the pools that sessions have |
//! | `session` | what a session keeps of its way |
//! | `hash_key` | what a session is hashed by |
//! | `drain` | the sessions at a peer that is being left are ended |
//! | `upstream` | what a worker has of an upstream for its sessions |
//! | `statistics` | what becomes of sessions is counted |
//! | `tls` | TLS sessions with peers |
//! | `variables` | what a session shows of its peer |
//! | `text` | texts of the configuration with variables |
//! | `live_variables` | the variables whose values are made of keys in etcd |
//! | `worker` | what is done for all upstreams as a worker starts, when it looks, as it ends |

mod balancer;
mod drain;
mod hash_key;
mod live_variables;
pub(crate) mod module;
mod pools;
mod session;
mod statistics;
mod text;
#[cfg(ngx_feature = "ssl")]
mod tls;
mod upstream;
mod variables;
mod worker;

pub(crate) use self::{
    balancer::init,
    live_variables::live_variable,
    text::{compile as compile_text, variable_names},
    upstream::{StreamConf, StreamUpstream},
    variables::{add as add_variables, settle as settle_variables},
    worker::PROTOCOL,
};
