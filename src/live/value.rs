//! The value of a live variable, as a request or a session of nginx gets it.

use core::{net::IpAddr, ptr, slice};

use ngx::ffi::{ngx_connection_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_variable_value_t};
use upstream_peers::SocketAddress;

use super::{
    kind::{Request, Value},
    variable::LiveVariable,
};
use crate::nginx::{socket_address, variable_value::set};

impl LiveVariable {
    /// Sets the variable for a request; `pool` is the request's.
    pub(crate) fn set_value(
        &self,
        request: &dyn Request,
        pool: *mut ngx_pool_t,
        value: &mut ngx_variable_value_t,
    ) {
        let mut text = None;
        self.look_up(request, &mut |found| text = lasting(pool, found));
        set(value, text);
    }
}

/// The value in memory that lasts as long as the request, whose pool this is.
fn lasting(pool: *mut ngx_pool_t, value: Value<'_>) -> Option<ngx_str_t> {
    let found = match value {
        Value::Copied(found) => found,
        Value::Lasting(text) => {
            return Some(ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() });
        }
        Value::Nothing => return None,
    };
    // SAFETY: the pool is that of a request that lives.
    let copy = unsafe { ngx_pnalloc(pool, found.len().max(1)) }.cast::<u8>();
    if copy.is_null() {
        return None;
    }
    // SAFETY: the pool gave out that many bytes.
    unsafe { ptr::copy_nonoverlapping(found.as_ptr(), copy, found.len()) };
    Some(ngx_str_t { len: found.len(), data: copy })
}

/// What `$remote_addr` says of a client, which nginx's realip modules may have taken from a header
/// or from the PROXY protocol.
pub(crate) fn address_of_client(client: &ngx_connection_t) -> Option<IpAddr> {
    // SAFETY: a client's connection has an address of that length.
    let bytes =
        unsafe { slice::from_raw_parts(client.sockaddr.cast::<u8>(), client.socklen as usize) };
    match socket_address::parse(bytes)? {
        SocketAddress::Ip(address) => Some(address.ip()),
        SocketAddress::Unix(_) => None,
    }
}
