//! A map from names to values in memory that processes share: one writes it, any number read it,
//! and nobody waits for anybody.

#![forbid(unsafe_code)]

mod entry;
mod hash;
pub mod hosts;
mod labels;
mod layout;
mod lookup;
mod name;
mod room;
mod shared;
pub mod split;
mod sync;
mod take_over;
mod text;
mod writer;

pub use entry::MAX_VALUE;
pub use live_value::{Tag, TornRead};
pub use name::{Kind, MAX_NAME, Name};
pub use shared::{Entry, Found, SharedMap};
pub use writer::{Full, MapWriter, bytes_for, words_for};
