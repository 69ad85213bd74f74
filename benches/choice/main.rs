//! How good the peers are that `least_conn` and `random two` choose among many: in a model of
//! connections that stay open for a while, what share of the picks has the fewest connections.
//!
//! nginx's own `least_conn` looks at all peers, so that its share is 1.

#[path = "../pick/fleet.rs"]
mod fleet;
mod model;

use peer_zone::Method;

use self::model::Model;

const PEERS: [u32; 2] = [1_000, 10_000];
/// Open connections for each peer, on average.
const CONNECTIONS: [u32; 2] = [5, 20];

fn main() {
    println!("| method | peers | connections each | replaced | the least | least 1 % | more by |");
    println!("|---|---|---|---|---|---|---|");
    for method in [Method::LeastConn, Method::RandomTwo] {
        for peers in PEERS {
            for connections in CONNECTIONS {
                for is_replacing in [false, true] {
                    let found = Model::new(peers, method).run(connections, is_replacing);
                    let replaced = if is_replacing { "1 %" } else { "none" };
                    println!(
                        "| `{}` | {peers} | {connections} | {replaced} | {:.3} | {:.3} | {:.2} |",
                        method.name(),
                        found.least,
                        found.near,
                        found.excess,
                    );
                }
            }
        }
    }
}
