//! Ordinary `server` lines beside etcd's peers, for any protocol.

use core::slice;
use std::sync::Arc;

use ngx::ffi::{ngx_addr_t, ngx_str_t, time_t};
use peer_zone::{Parameters, PeerSpec};

/// A `server` line, as nginx has read it.
pub(super) struct Server<'a> {
    /// nginx itself is to resolve the name while it runs; there are no addresses then.
    pub(super) is_resolved_later: bool,
    pub(super) name: &'a ngx_str_t,
    pub(super) addresses: &'a [ngx_addr_t],
    /// `route=`, empty without it; `None` where nginx has no such parameter.
    pub(super) route: Option<&'a ngx_str_t>,
    pub(super) weight: usize,
    pub(super) max_conns: usize,
    pub(super) max_fails: usize,
    pub(super) fail_timeout: time_t,
    pub(super) backup: bool,
    pub(super) down: bool,
    pub(super) drain: bool,
}

/// The peers that the line names, one for each address.
pub(super) fn peers(server: &Server<'_>) -> Result<Vec<PeerSpec>, String> {
    if server.is_resolved_later {
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
    let peer = |address: &ngx_addr_t| {
        // SAFETY: nginx resolved the address: it has as many bytes as it says.
        let socket_address = unsafe {
            slice::from_raw_parts(address.sockaddr.cast::<u8>(), address.socklen as usize)
        };
        let name =
            address.name.to_str().map_err(|_| "invalid address of \"server\", it must be UTF-8")?;
        Ok(PeerSpec {
            key: None,
            socket_address: socket_address.into(),
            name: name.into(),
            server: Arc::clone(&text),
            sticky: 0,
            route: route.clone(),
            labels: None,
            source: None,
            group: None,
            create_revision: 0,
            joined: 0,
            parameters,
        })
    };
    server.addresses.iter().map(peer).collect()
}

fn route(server: &Server<'_>) -> Result<Option<Arc<str>>, String> {
    let Some(route) = server.route else { return Ok(None) };
    let route = route
        .to_str()
        .map_err(|_| "invalid value of \"route\" in \"server\" directive, it must be UTF-8")?;
    Ok((!route.is_empty()).then(|| route.into()))
}

fn parameters(server: &Server<'_>) -> Result<Parameters, String> {
    let number = |value: usize, name: &str| {
        u32::try_from(value).map_err(|_| {
            format!(
                "invalid value \"{value}\" of \"{name}\" in \"server\" directive, it is too large"
            )
        })
    };
    let fail_timeout = usize::try_from(server.fail_timeout).unwrap_or(0);
    Ok(Parameters {
        weight: number(server.weight, "weight")?,
        max_conns: number(server.max_conns, "max_conns")?,
        max_fails: number(server.max_fails, "max_fails")?,
        fail_timeout: number(fail_timeout, "fail_timeout")?,
        slow_start: 0,
        backup: server.backup,
        down: server.down,
        drain: server.drain,
    })
}
