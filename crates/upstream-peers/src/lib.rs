//! What etcd says of an upstream's peers: keys, values, and the membership they add up to.
//!
//! * [`parse_value`] reads one value, in any of the forms that are written into etcd for a server.
//! * [`Membership`] takes the keys of one prefix as they are listed and changed, and says which peers they make. A malformed value
//!   changes nothing: its key's last good peer stays.
//!
//! Nothing in here trusts what it is given: sizes are bounded ([`MAX_KEY_LENGTH`], [`MAX_VALUE_LENGTH`]), nothing panics, and text
//! that comes from outside reaches a message only as an [`Excerpt`].

#![forbid(unsafe_code)]

mod address;
mod excerpt;
mod membership;
mod parameters;
mod value;

pub use address::{AddressError, SocketAddress, Target};
pub use excerpt::{Excerpt, MAX_EXCERPT};
pub use membership::{Membership, Outcome, Peer};
pub use parameters::{MAX_WEIGHT, Overrides, ParameterError, Parameters};
pub use value::{MAX_KEY_LENGTH, MAX_VALUE_LENGTH, Value, ValueError, parse_value};
