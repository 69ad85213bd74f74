//! What a process has of a cycle's upstreams, whatever protocol they are of.

mod asked_group;
pub(crate) mod asker;
pub(crate) mod at_once;
pub(crate) mod behind;
mod choice;
mod copies;
mod core_conf;
mod drains;
mod holder;
mod own_method;
mod protocol;
mod state;
#[cfg_attr(not(ngx_feature = "ssl"), path = "upstream/tls_sessions/none.rs")]
pub(crate) mod tls_sessions;
mod tried;

pub(crate) use self::{
    asked_group::AskedGroup,
    copies::Copies,
    core_conf::CoreConf,
    drains::{Closing, Drains},
    holder::{Holder, report_uncounted},
    own_method::{OwnMethod, own_method},
    protocol::{Protocol, Serving},
    state::Upstream,
    tried::Tried,
};
