//! What a process has of a cycle's upstreams, whatever protocol they are of.

mod core_conf;
mod state;

pub(crate) use self::{core_conf::CoreConf, state::Upstream};
