//! The variables whose values are made of keys in etcd, as a request sees them.

use core::net::IpAddr;

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};

use crate::{
    live::{LiveVariable, Request, address_of_client},
    nginx::callback::{ERROR, OK, guard},
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
        variable.set_value(request, request.pool, value);
        OK
    })
}

impl Request for ngx_http_request_t {
    fn client(&self) -> Option<IpAddr> {
        // SAFETY: a request has a connection.
        address_of_client(unsafe { &*self.connection })
    }
}
