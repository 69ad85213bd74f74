//! A request: it gets a peer and gives it back.
//!
//! | file | what it is about |
//! |---|---|
//! | `peer` | nginx's upstream callbacks |
//! | `tried` | the peers that a request has tried |
//! | `hash_key` | what a request is hashed by |
//! | `sticky` | the cookie by which a client comes back to its peer |
//! | `keepalive` | the idle connections of a worker, by peer, and its TLS sessions |
//! | `drain` | the open connections of a peer that is being left are closed |
//! | `upgrade` | which requests are upgraded |
//! | `variables` | what a request shows of its peer |

pub(crate) mod drain;
pub(crate) mod hash_key;
pub(crate) mod keepalive;
pub(crate) mod peer;
pub(crate) mod sticky;
mod tried;
pub(crate) mod upgrade;
pub(crate) mod variables;
