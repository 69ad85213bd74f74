//! Sessions of `stream {}` beside the same nginx with static servers.

pub mod count;
pub mod counting;
pub mod datagrams;
pub mod instructions;
pub mod memory;
mod session;
mod setup;
pub mod throughput;

pub use self::counting::IDLE;
pub use self::session::session;
pub use self::setup::KEY;
use crate::method::Method;

/// The methods that are measured.
pub const METHODS: [Method; 4] =
    [Method::RoundRobin, Method::LeastConn, Method::RandomTwo, Method::HashConsistent];
