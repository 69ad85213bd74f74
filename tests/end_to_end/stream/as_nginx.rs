//! What nginx's own tests ask of `stream {}`, asked with `server` lines and with etcd.

mod max_conns;
mod proxy;
mod random;
mod tls;
mod udp;
mod upstream;

use harness::*;

/// An address at which nobody listens.
fn dead() -> Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}
