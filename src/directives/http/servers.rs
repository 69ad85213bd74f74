//! Ordinary `server` lines of an upstream of HTTP's, beside etcd's peers.

use core::slice;

use ngx::ffi::{ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t, ngx_str_t};
use peer_zone::PeerSpec;

use crate::directives::servers::{Server, peers};

/// The peers that the `server` lines of an upstream name, one for each address, in their order; the
/// server at `placeholder` is none of them.
pub(super) fn read(
    us: &ngx_http_upstream_srv_conf_t,
    placeholder: usize,
) -> Result<Vec<PeerSpec>, String> {
    // SAFETY: nginx makes the array for each upstream that is written out.
    let servers = unsafe { (*us.servers).as_slice::<ngx_http_upstream_server_t>() };
    let lines = servers.iter().enumerate().filter(|&(index, _)| index != placeholder);
    let mut all = Vec::new();
    for (_, server) in lines {
        let (down, drain) = down_and_drain(server);
        all.extend(peers(&Server {
            is_resolved_later: is_resolved_later(server),
            name: &server.name,
            // SAFETY: nginx has resolved the name to as many addresses.
            addresses: unsafe { slice::from_raw_parts(server.addrs, server.naddrs) },
            route: route(server),
            weight: server.weight,
            max_conns: server.max_conns,
            max_fails: server.max_fails,
            fail_timeout: server.fail_timeout,
            backup: server.backup() != 0,
            down,
            drain,
        })?);
    }
    Ok(all)
}

/// Whether nginx itself is to resolve the name while it runs, which it does in a zone of its own
/// only.
#[cfg(nginx1_27_3)]
fn is_resolved_later(server: &ngx_http_upstream_server_t) -> bool {
    server.host.len > 0
}

#[cfg(not(nginx1_27_3))]
fn is_resolved_later(_server: &ngx_http_upstream_server_t) -> bool {
    false
}

/// Whether the line says `down`, and whether it says `drain`. From 1.29.6 on both are bits of one
/// number, of which this one is `drain` (`NGX_HTTP_UPSTREAM_DRAINING`).
#[cfg(nginx1_29_6)]
fn down_and_drain(server: &ngx_http_upstream_server_t) -> (bool, bool) {
    const DRAINING: usize = 8;
    (server.down & !DRAINING != 0, server.down & DRAINING != 0)
}

#[cfg(not(nginx1_29_6))]
fn down_and_drain(server: &ngx_http_upstream_server_t) -> (bool, bool) {
    (server.down != 0, false)
}

#[cfg(nginx1_29_6)]
fn route(server: &ngx_http_upstream_server_t) -> Option<&ngx_str_t> {
    Some(&server.sid)
}

#[cfg(not(nginx1_29_6))]
fn route(_server: &ngx_http_upstream_server_t) -> Option<&ngx_str_t> {
    None
}
