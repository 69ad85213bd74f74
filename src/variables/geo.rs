//! `etcd_geo`: whether the client is in one of the networks that keys name, which are in shared memory.

use core::slice;
use std::net::IpAddr;

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t};
use ngx::ngx_string;
use upstream_peers::SocketAddress;

use super::{known::Known, set};
use crate::{
    conf::GeoConf,
    module::{ERROR, OK, guard},
    socket_address,
};

/// All networks with their keys, in bytes: some 1 000. They are few who may publish; and each process keeps them a second time, as it judges by them.
pub(crate) const MAX_NETWORKS_LENGTH: usize = 32 << 10;

/// What lies in shared memory of a prefix.
pub(crate) type LiveNetworks = Known<{ MAX_NETWORKS_LENGTH / size_of::<u64>() }>;

const YES: ngx_str_t = ngx_string!("1");
const NO: ngx_str_t = ngx_string!("0");

/// The networks as this process judges by them.
#[derive(Default)]
pub(crate) struct Judged {
    /// Which publication they are of.
    generation: Option<u64>,
    /// None where etcd has no key that would name one.
    allowed: Option<Box<dyn Fn(IpAddr) -> bool>>,
}

impl core::fmt::Debug for Judged {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Judged").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Says whether the client is in one of the networks.
pub(crate) unsafe extern "C" fn etcd_geo(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, a value to set, and what the directive set as the variable's data, which lives for as long as the
        // request's cycle; a process has one thread that comes here.
        let (request, value, conf) = unsafe { (&*request, &mut *value, &mut *(data as *mut GeoConf)) };
        let is_inside = is_inside(conf, client(request));
        set(value, is_inside.map(|is_inside| if is_inside { YES } else { NO }));
        OK
    })
}

/// The client's address: what `$remote_addr` says, which nginx's realip module may have taken from a header or from the PROXY protocol.
fn client(request: &ngx_http_request_t) -> Option<IpAddr> {
    // SAFETY: a request has a connection, and that one an address of that length.
    let bytes = unsafe {
        let connection = &*request.connection;
        slice::from_raw_parts(connection.sockaddr.cast::<u8>(), connection.socklen as usize)
    };
    match socket_address::parse(bytes)? {
        SocketAddress::Ip(address) => Some(address.ip()),
        SocketAddress::Unix(_) => None,
    }
}

/// `None` where nothing could be read: the request must not pass for one that is allowed.
fn is_inside(conf: &mut GeoConf, client: Option<IpAddr>) -> Option<bool> {
    let live = conf.live?;
    let generation = live.value.generation();
    if conf.judged.generation != Some(generation) {
        conf.judged = judge(live, &conf.initial)?;
    }
    Some(match (&conf.judged.allowed, client) {
        (None, _) => conf.empty,
        (Some(allowed), Some(address)) => allowed(address),
        // Whoever comes by a unix socket is in no network.
        (Some(_), None) => false,
    })
}

/// Once for each publication, in each process.
fn judge(live: &LiveNetworks, initial: &[u8]) -> Option<Judged> {
    let mut bytes = vec![0; MAX_NETWORKS_LENGTH];
    let reading = live.value.read(&mut bytes).ok()?;
    let networks = match reading.length {
        Some(length) => &bytes[..length],
        None if live.has_been_heard() => &[],
        None => initial,
    };
    let allowed: Option<Box<dyn Fn(IpAddr) -> bool>> = match client_networks::allowed(networks) {
        Some(allowed) => Some(Box::new(allowed)),
        None if live.has_been_heard() => None,
        // Who may is not known yet: that is not the same as that nobody is named.
        None => Some(Box::new(|_| false)),
    };
    Some(Judged { generation: Some(reading.generation), allowed })
}
