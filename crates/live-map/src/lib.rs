//! A map from names to values in memory that processes share: one writes it, any number read it,
//! and nobody waits for anybody.

#![forbid(unsafe_code)]

pub mod hosts;
mod name;
mod shared;
pub mod split;
mod sync;
mod writer;

pub use live_value::{Tag, TornRead};
pub use name::{Kind, MAX_NAME, Name};
pub use shared::{Entry, Found, SharedMap};
pub use writer::{Full, MAX_VALUE, MapWriter, words_for};
