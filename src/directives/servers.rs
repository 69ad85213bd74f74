//! Ordinary `server` lines beside etcd's peers.

use core::slice;
use std::sync::Arc;

use ngx::ffi::{ngx_addr_t, ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t};
use peer_zone::{Parameters, PeerSpec};

/// The peers that the `server` lines of an upstream name, one for each address, in their order; the
/// server at `placeholder` is none of them.
pub(super) fn read(
    us: &ngx_http_upstream_srv_conf_t,
    placeholder: usize,
) -> Result<Vec<PeerSpec>, String> {
    // SAFETY: nginx makes the array for each upstream that is written out.
    let servers = unsafe { (*us.servers).as_slice::<ngx_http_upstream_server_t>() };
    let mut peers = Vec::new();
    for (_, server) in servers.iter().enumerate().filter(|&(index, _)| index != placeholder) {
        if is_resolved_later(server) {
            return Err(
                "\"resolve\" of \"server\" cannot be used with \"etcd\": put the name into etcd"
                    .to_owned(),
            );
        }
        let (parameters, route) = (parameters(server)?, route(server)?);
        let text: Arc<str> = server
            .name
            .to_str()
            .map_err(|_| "invalid argument of \"server\", it must be UTF-8")?
            .into();
        for address in addresses(server) {
            // SAFETY: nginx resolved the address: it has as many bytes as it says.
            let socket_address = unsafe {
                slice::from_raw_parts(address.sockaddr.cast::<u8>(), address.socklen as usize)
            };
            let name = address
                .name
                .to_str()
                .map_err(|_| "invalid address of \"server\", it must be UTF-8")?;
            peers.push(PeerSpec {
                key: None,
                socket_address: socket_address.into(),
                name: name.into(),
                server: Arc::clone(&text),
                sticky: 0,
                route: route.clone(),
                create_revision: 0,
                joined: 0,
                parameters,
            });
        }
    }
    Ok(peers)
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

fn addresses(server: &ngx_http_upstream_server_t) -> &[ngx_addr_t] {
    // SAFETY: nginx has resolved the name to as many addresses.
    unsafe { slice::from_raw_parts(server.addrs, server.naddrs) }
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
fn route(server: &ngx_http_upstream_server_t) -> Result<Option<Arc<str>>, String> {
    let route = server
        .sid
        .to_str()
        .map_err(|_| "invalid value of \"route\" in \"server\" directive, it must be UTF-8")?;
    Ok((!route.is_empty()).then(|| route.into()))
}

#[cfg(not(nginx1_29_6))]
fn route(_server: &ngx_http_upstream_server_t) -> Result<Option<Arc<str>>, String> {
    Ok(None)
}

fn parameters(server: &ngx_http_upstream_server_t) -> Result<Parameters, String> {
    let number = |value: usize, name: &str| {
        u32::try_from(value).map_err(|_| {
            format!(
                "invalid value \"{value}\" of \"{name}\" in \"server\" directive, it is too large"
            )
        })
    };
    let (down, drain) = down_and_drain(server);
    let fail_timeout = usize::try_from(server.fail_timeout).unwrap_or(0);
    Ok(Parameters {
        weight: number(server.weight, "weight")?,
        max_conns: number(server.max_conns, "max_conns")?,
        max_fails: number(server.max_fails, "max_fails")?,
        fail_timeout: number(fail_timeout, "fail_timeout")?,
        slow_start: 0,
        backup: server.backup() != 0,
        down,
        drain,
    })
}
