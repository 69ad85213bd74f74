//! Settings that an upstream has by its directives, and its groups by values of etcd: what both
//! say in the same words stands here, and so has the same meaning.

#![forbid(unsafe_code)]

mod check;
mod drain;
mod entries;
mod error;
mod group;
mod in_hand;
mod limits;
mod object;
mod spelling;
mod upstream;

pub use check::Check;
pub use drain::{drain_reasons, drain_time};
pub use entries::{Entries, Entry, Rejected, Rules, Update, bytes_of};
pub use error::SettingsError;
pub use group::GroupSettings;
pub use in_hand::{Change, InHand, Reader};
pub use limits::{MAX_GROUP, MAX_LENGTH};
pub use upstream::{IsVariable, UpstreamSettings};
