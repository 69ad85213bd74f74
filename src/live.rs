//! Live variables: variables of nginx's whose values are made of keys in etcd.
//!
//! | file | what it is about |
//! |---|---|
//! | `kind` | what each kind of them says of itself |
//! | `content` | what the watcher has of the keys |
//! | `text` | `etcd_variable`: the value of one key |
//! | `networks` | `etcd_geo`: whether the client is in a network that a key below a prefix names |
//! | `map` | `etcd_map`: the value of the key that another value names |
//! | `map_content` | what the watcher has of the keys of such a map |
//! | `saved_map` | what a file has kept of such a map |
//! | `settings` | `settings=` of `etcd_group`: what groups have of their own |
//! | `settings_content` | what the watcher has of these |
//! | `variable` | a variable of whichever kind |
//! | `value` | the value, as a request or a session gets it |
//! | `memory` | what all processes have of the keys: the last good values, as words |
//! | `key_state` | what else is known of the keys |
//! | `zone` | where that lies, over reloads |
//!
//! A kind is one file here and one in `directives`; the watcher, the status and requests know none
//! of them.

mod content;
mod key_state;
mod kind;
mod map;
mod map_content;
mod memory;
mod networks;
mod saved_map;
mod settings;
mod settings_content;
mod text;
mod value;
mod variable;
mod zone;

pub(crate) use self::{
    content::{Content, ContentUpdate, RejectedValue, hash_of},
    key_state::{HOLD, KeyState},
    kind::{Figure, LiveKind, Request, Source, VariableKind, Word},
    map_content::{written, zone_size_for},
    memory::LiveMemory,
    text::LiveNumber,
    value::{address_of_client, allocate},
    variable::{LiveVariable, Variable},
};
