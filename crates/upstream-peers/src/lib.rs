//! What etcd says of an upstream's peers: keys, values, and the membership they add up to.
//!
//! * [`parse_value`] reads one value, in any of the forms that are written into etcd for servers;
//!   [`Reading`] says which of its endpoints and which [`Labels`] are wanted.
//! * [`Membership`] takes the keys of one prefix as they are listed and changed, and says which
//!   peers they make. A malformed value changes nothing: its key's last good peer stays.
//! * [`Allow`] says where peers may be.
//! * [`Ages`] says when each of them joined, also of those that came while etcd could not be heard.
//! * [`ExpiryGuard`] keeps the keys whose leases have run out together with too many others'.
//! * [`sticky_id`] names a peer towards clients without saying where it is; [`sid`] is nginx's own
//!   name for it.
//!
//! Nothing in here trusts what it is given: sizes are bounded ([`MAX_KEY_LENGTH`],
//! [`MAX_LONG_VALUE_LENGTH`], [`MAX_SERVERS_OF_KEY`]), nothing panics, and text that comes from
//! outside reaches a message only as an [`Excerpt`].

#![forbid(unsafe_code)]

mod address;
mod age;
mod allow;
mod excerpt;
mod expiry;
mod form;
mod key_name;
mod labels;
mod membership;
pub mod messages;
mod own_parameters;
mod parameters;
mod parse;
mod peer;
mod source;
mod sticky;
mod value;

pub use address::{AddressError, SocketAddress, Target};
pub use age::{Ages, KnownAge};
pub use allow::{Added, Allow, NotANetwork, OutsideAddresses};
pub use excerpt::{Excerpt, MAX_EXCERPT};
pub use expiry::{EXPIRY_WINDOW, ExpiryGuard, Vanishing};
pub use form::{PriorityOrder, ValueForm};
pub use labels::{Labels, MAX_LABEL_BYTES, MAX_LABELS, NotALabel, Reading, Select};
pub use membership::{ChangedPeers, Membership, MembershipChange, Removed};
pub use own_parameters::OwnParameters;
pub use parameters::{MAX_ROUTE_LENGTH, MAX_WEIGHT, Overrides, ParameterError, Parameters};
pub use parse::{form_of, parse_server, parse_value};
pub use peer::Peer;
pub use source::Source;
pub use sticky::{SID_LENGTH, sid, sid_id, sticky_cookie, sticky_id, sticky_id_of};
pub use value::{
    KeyContent, MAX_KEY_LENGTH, MAX_LONG_VALUE_LENGTH, MAX_SERVERS_OF_KEY, MAX_URL_KEY_LENGTH,
    MAX_VALUE_LENGTH, Value, ValueError, check_key,
};
