//! The cookie by which a client comes back to its peer.

use core::fmt;

use ngx::ffi::ngx_uint_t;
use upstream_peers::{sid, sid_id, sticky_id};

/// The longest time that may be given, in seconds: ten years, which is what nginx's `max` stands
/// for.
pub(crate) const MAX_EXPIRES: u64 = 315_360_000;

/// What `etcd_sticky` sets.
#[derive(Debug)]
pub(crate) struct Sticky {
    /// `cookie=`: the cookie's name.
    pub(crate) name: String,
    /// The index of nginx's variable `$cookie_NAME`.
    pub(crate) variable: ngx_uint_t,
    /// `expires=`: how long a browser keeps the cookie; `None`: until it is closed.
    pub(crate) expires: Option<Expires>,
    /// All other attributes, as they stand in the header, each with `; ` before it.
    pub(crate) attributes: String,
    /// `secret=`, see [`upstream_peers::sticky_id`]; empty without it.
    pub(crate) secret: Secret,
}

/// How long a browser keeps the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expires {
    /// So many seconds from the last answer on, at most [`MAX_EXPIRES`].
    After(u64),
    /// `max`: until 2037, as in nginx.
    Max,
}

/// By what clients know the peers of an upstream.
#[derive(Debug)]
pub(crate) enum Naming {
    /// They do not know them.
    None,
    /// By the cookie of `etcd_sticky`.
    Cookie(Secret),
    /// By the names that nginx's own `sticky` has for them.
    Sid,
}

impl Naming {
    /// The id by which a peer is found, or 0: `key` is below the prefix, and empty for a peer of a
    /// `server` line; `route` is its own name, if it has one.
    pub(crate) fn id(&self, prefix: &str, key: &str, address: &str, route: Option<&str>) -> u64 {
        match self {
            Self::None => 0,
            Self::Cookie(Secret(secret)) => sticky_id(prefix, key, address, secret),
            Self::Sid => route
                .map_or_else(|| sid_id(&sid(address.as_bytes())), |route| sid_id(route.as_bytes())),
        }
    }
}

/// A text that no log and no dump shows.
#[derive(Clone, Default)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Sticky {
    /// What the peers' ids are made with.
    pub(crate) fn naming(&self) -> Naming {
        Naming::Cookie(self.secret.clone())
    }
}
