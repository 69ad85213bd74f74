//! The value of a live variable, as a request or a session of nginx gets it.

use core::{net::IpAddr, ptr, slice};

use ngx::ffi::{
    ngx_connection_t, ngx_int_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_variable_value_t,
};
use upstream_peers::SocketAddress;

use super::{
    kind::{Request, Value},
    variable::LiveVariable,
};
use crate::nginx::{
    callback::{ERROR, OK},
    socket_address,
    variable_value::set,
};

impl LiveVariable {
    /// Sets the variable for a request; returns what nginx is told.
    pub(crate) fn set_value(
        &self,
        request: &dyn Request,
        value: &mut ngx_variable_value_t,
    ) -> ngx_int_t {
        let text = match self.look_up(request) {
            Value::Text(text) => {
                Some(ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() })
            }
            Value::Nothing => None,
            Value::Failed => return ERROR,
        };
        set(value, text);
        OK
    }
}

/// Memory of this many bytes, zeroed, from the pool of a request; `None` where memory is short.
///
/// # Safety
///
/// The pool lives for as long as what is returned.
pub(crate) unsafe fn allocate<'a>(pool: *mut ngx_pool_t, length: usize) -> Option<&'a mut [u8]> {
    // SAFETY: the caller's promise.
    let start = unsafe { ngx_pnalloc(pool, length.max(1)) }.cast::<u8>();
    if start.is_null() {
        return None;
    }
    // SAFETY: the pool gave out that many bytes, and to nobody else.
    unsafe {
        ptr::write_bytes(start, 0, length);
        Some(slice::from_raw_parts_mut(start, length))
    }
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
