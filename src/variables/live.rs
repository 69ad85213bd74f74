//! `etcd_variable`: a key's value, in shared memory.

use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t};

use super::{known::Known, set};
use crate::{
    conf::VariableConf,
    module::{ERROR, OK, guard},
};

/// The longest value, in bytes: as long as the value of a peer's key; nginx's buffers for a request's headers are no longer by default.
pub(crate) const MAX_VALUE_LENGTH: usize = 4096;

/// What lies in shared memory of a key.
pub(crate) type Live = Known<{ MAX_VALUE_LENGTH / size_of::<u64>() }>;

/// Gives nginx the value, in memory of the request's pool.
pub(crate) unsafe extern "C" fn etcd_variable(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, a value to set, and what the directive set as the variable's data, which lives for as long as the
        // request's cycle.
        let (request, value, conf) = unsafe { (&*request, &mut *value, &*(data as *const VariableConf)) };
        set(value, read(request, conf));
        OK
    })
}

fn read(request: &ngx_http_request_t, conf: &VariableConf) -> Option<ngx_str_t> {
    let mut bytes = [0; MAX_VALUE_LENGTH];
    let length = conf.live.and_then(|live| live.value.read(&mut bytes).ok()?.length);
    let Some(length) = length else {
        let otherwise = conf.without_value()?;
        return Some(ngx_str_t { len: otherwise.len(), data: otherwise.as_ptr().cast_mut() });
    };
    // SAFETY: the pool is the request's.
    let copy = unsafe { ngx_pnalloc(request.pool, length.max(1)) }.cast::<u8>();
    if copy.is_null() {
        return None;
    }
    // SAFETY: the pool gave out that many bytes, and no reading is longer than what it was read into.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), copy, length) };
    Some(ngx_str_t { len: length, data: copy })
}
