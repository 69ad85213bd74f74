//! `etcd_variable`: a key's value, in shared memory.

use core::ptr;
use core::sync::atomic::AtomicU64;

use live_value::Cell;
use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t};

use super::set;
use crate::{
    conf::VariableConf,
    module::{ERROR, OK, guard},
};

/// The longest value, in bytes: as long as the value of a peer's key; nginx's buffers for a request's headers are no longer by default.
pub(crate) const MAX_VALUE_LENGTH: usize = 4096;

/// The longest reason of a rejection that is shown, in bytes.
const MAX_REASON_LENGTH: usize = 256;

/// What lies in shared memory of a key. Zeroes are a key that was never heard of.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Live {
    /// The last good value.
    pub(crate) value: Cell<{ MAX_VALUE_LENGTH / size_of::<u64>() }>,
    /// Why the present value is rejected, if it is.
    pub(crate) rejection: Cell<{ MAX_REASON_LENGTH / size_of::<u64>() }>,
    /// Values rejected so far.
    pub(crate) rejected: AtomicU64,
    /// How far etcd was when it last spoke: the cluster's id and the revision. It is not moved while the value in hand outlives a wiped etcd.
    pub(crate) cluster_id: AtomicU64,
    pub(crate) revision: AtomicU64,
    /// Until when (ms of the monotonic clock) the value in hand outlives a wiped etcd; 0 where it does not.
    pub(crate) held_until: AtomicU64,
}

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
        let default = conf.default.as_ref()?;
        return Some(ngx_str_t { len: default.len(), data: default.as_ptr().cast_mut() });
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
