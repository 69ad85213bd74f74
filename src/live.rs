//! Live variables: variables of nginx's whose values are made of keys in etcd.
//!
//! | file | what it is about |
//! |---|---|
//! | `kind` | what each kind of them says of itself |
//! | `text` | `etcd_variable`: the value of one key |
//! | `networks` | `etcd_geo`: whether the client is in a network that a key below a prefix names |
//! | `variable` | a variable of whichever kind |
//! | `memory` | what all processes share of its keys: the last good values as words |
//! | `key_state` | and what is known of the keys beside them |
//! | `zone` | where that lies, over reloads |
//!
//! A kind is one file here and one in `directives`; the watcher, the status and requests know none
//! of them.

mod key_state;
mod kind;
mod memory;
mod networks;
mod text;
mod variable;
mod zone;

pub(crate) use self::{
    key_state::HOLD,
    kind::{Content, ContentUpdate, Figure, LiveKind, Request, Source, Value},
    memory::LiveMemory,
    text::LiveNumber,
    variable::{LiveVariable, Variable},
};
