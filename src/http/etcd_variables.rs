//! The variables of `etcd_variable` and of `etcd_geo`, as a request sees them.

use core::{net::IpAddr, ptr, slice};

use ngx::{
    ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t},
    ngx_string,
};
use upstream_peers::SocketAddress;

use super::variable_value::set;
use crate::{
    live::{Geo, MAX_VALUE_LENGTH, PresentValue, Variable},
    nginx::{
        callback::{ERROR, OK, guard},
        socket_address,
    },
};

/// Gives nginx the value of a key, in memory of the request's pool; `data` is a [`Variable`].
pub(crate) unsafe extern "C" fn etcd_variable(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, a value to set, and what the directive set as the
        // variable's data, which lives for as long as the request's cycle.
        let (request, value, variable) =
            unsafe { (&*request, &mut *value, &*(data as *const Variable)) };
        set(value, read(request, variable));
        OK
    })
}

fn read(request: &ngx_http_request_t, variable: &Variable) -> Option<ngx_str_t> {
    let mut bytes = [0; MAX_VALUE_LENGTH];
    let found = match variable.look(&mut bytes) {
        PresentValue::InMemory(found) => found,
        PresentValue::InConfiguration(text) => {
            return Some(ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() });
        }
        PresentValue::Nothing => return None,
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

const YES: ngx_str_t = ngx_string!("1");
const NO: ngx_str_t = ngx_string!("0");

/// Says whether the client is in one of the networks; `data` is a [`Geo`].
pub(crate) unsafe extern "C" fn etcd_geo(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: as above.
        let (request, value, geo) = unsafe { (&*request, &mut *value, &*(data as *const Geo)) };
        let is_inside = geo.is_inside(client(request));
        set(value, is_inside.map(|is_inside| if is_inside { YES } else { NO }));
        OK
    })
}

/// The client's address: what `$remote_addr` says, which nginx's realip module may have taken from
/// a header or from the PROXY protocol.
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
