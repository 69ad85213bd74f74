//! The variables whose values are made of keys in etcd, as a session sees them.

use core::net::IpAddr;

use ngx::ffi::{ngx_int_t, ngx_variable_value_t};

use crate::{
    live::{LiveVariable, Request, address_of_client},
    nginx::{
        callback::{ERROR, OK, guard},
        stream::ngx_stream_session_t,
    },
};

/// Gives nginx the value; `data` is a [`LiveVariable`].
pub(crate) unsafe extern "C" fn live_variable(
    session: *mut ngx_stream_session_t,
    value: *mut ngx_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid session, a value to set, and what the directive set as the
        // variable's data, which lives for as long as the session's cycle.
        let (session, value, variable) =
            unsafe { (&*session, &mut *value, &*(data as *const LiveVariable)) };
        // SAFETY: a session has a connection, with a pool.
        let pool = unsafe { (*session.connection).pool };
        variable.set_value(session, pool, value);
        OK
    })
}

impl Request for ngx_stream_session_t {
    fn client(&self) -> Option<IpAddr> {
        // SAFETY: a session has a connection.
        address_of_client(unsafe { &*self.connection })
    }
}
