//! What a process has of a cycle's upstreams, whatever protocol they are of.

mod core_conf;
mod protocol;
mod state;

pub(crate) use self::{
    core_conf::CoreConf,
    protocol::{Kept, Protocol, Serving},
    state::Upstream,
};
