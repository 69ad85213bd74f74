//! Ordinary `server` lines of an upstream of stream's, beside etcd's peers.

use core::slice;

use peer_zone::PeerSpec;

use crate::{
    directives::servers::{Server, peers},
    nginx::stream::{ngx_stream_upstream_server_t, ngx_stream_upstream_srv_conf_t},
};

/// The peers that the `server` lines of an upstream name, one for each address, in their order; the
/// server at `placeholder` is none of them.
pub(super) fn read(
    us: &ngx_stream_upstream_srv_conf_t,
    placeholder: usize,
) -> Result<Vec<PeerSpec>, String> {
    // SAFETY: nginx makes the array for each upstream that is written out.
    let servers = unsafe { (*us.servers).as_slice::<ngx_stream_upstream_server_t>() };
    let lines = servers.iter().enumerate().filter(|&(index, _)| index != placeholder);
    let mut all = Vec::new();
    for (_, server) in lines {
        all.extend(peers(&Server {
            is_resolved_later: is_resolved_later(server),
            name: &server.name,
            // SAFETY: nginx has resolved the name to as many addresses.
            addresses: unsafe { slice::from_raw_parts(server.addrs, server.naddrs) },
            route: None,
            weight: server.weight,
            max_conns: server.max_conns,
            max_fails: server.max_fails,
            fail_timeout: server.fail_timeout,
            backup: server.backup() != 0,
            down: server.down != 0,
            drain: false,
        })?);
    }
    Ok(all)
}

/// Whether nginx itself is to resolve the name while it runs, which it does in a zone of its own
/// only.
#[cfg(nginx1_27_3)]
fn is_resolved_later(server: &ngx_stream_upstream_server_t) -> bool {
    server.host.len > 0
}

#[cfg(not(nginx1_27_3))]
fn is_resolved_later(_server: &ngx_stream_upstream_server_t) -> bool {
    false
}
