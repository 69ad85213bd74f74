//! Many services by name: hosts that `etcd_map` leads to groups of one upstream.

mod arrival;
pub mod beside;
mod certificates;
mod configuration;
pub mod instructions;
mod platform;
mod proxy;
mod rounds;

pub use self::arrival::measure as measure_changes;
pub use self::certificates::measure as measure_handshakes;
pub use self::rounds::measure as measure_rounds;
