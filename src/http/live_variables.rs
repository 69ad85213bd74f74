//! The variables whose values are made of keys in etcd, as a request sees them.

use core::{net::IpAddr, ptr, slice};

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t};
use upstream_peers::SocketAddress;

use super::variable_value::set;
use crate::{
    live::{LiveVariable, Request, Value},
    nginx::{
        callback::{ERROR, OK, guard},
        socket_address,
    },
};

/// Gives nginx the value; `data` is a [`LiveVariable`].
pub(crate) unsafe extern "C" fn live_variable(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, a value to set, and what the directive set as the
        // variable's data, which lives for as long as the request's cycle.
        let (request, value, variable) =
            unsafe { (&*request, &mut *value, &*(data as *const LiveVariable)) };
        let mut text = None;
        variable.look_up(request, &mut |found| text = lasting(request, found));
        set(value, text);
        OK
    })
}

/// The value in memory that lasts as long as the request.
fn lasting(request: &ngx_http_request_t, value: Value<'_>) -> Option<ngx_str_t> {
    let found = match value {
        Value::Copied(found) => found,
        Value::Lasting(text) => {
            return Some(ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() });
        }
        Value::Nothing => return None,
    };
    // SAFETY: the pool is the request's.
    let copy = unsafe { ngx_pnalloc(request.pool, found.len().max(1)) }.cast::<u8>();
    if copy.is_null() {
        return None;
    }
    // SAFETY: the pool gave out that many bytes.
    unsafe { ptr::copy_nonoverlapping(found.as_ptr(), copy, found.len()) };
    Some(ngx_str_t { len: found.len(), data: copy })
}

impl Request for ngx_http_request_t {
    /// What `$remote_addr` says, which nginx's realip module may have taken from a header or from
    /// the PROXY protocol.
    fn client(&self) -> Option<IpAddr> {
        // SAFETY: a request has a connection, and that one an address of that length.
        let bytes = unsafe {
            let connection = &*self.connection;
            slice::from_raw_parts(connection.sockaddr.cast::<u8>(), connection.socklen as usize)
        };
        match socket_address::parse(bytes)? {
            SocketAddress::Ip(address) => Some(address.ip()),
            SocketAddress::Unix(_) => None,
        }
    }
}
