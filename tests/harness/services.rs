//! Services of Debian's that speak other protocols than HTTP, and the configurations of
//! `nginx-conf/stream/` before them.

mod mqtt;
mod name_server;
mod patroni;
mod postgres;
mod shipped;
mod unprivileged;

pub use mqtt::{Broker, Subscriber, publish};
pub use name_server::{NameServer, Transport, ask_for_text};
pub use patroni::{Patroni, running_role};
pub use postgres::Postgres;
pub use shipped::ShippedStream;
