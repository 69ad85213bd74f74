//! `etcd_variable`: a key's value, in shared memory.

use core::ptr;

use live_value::TornRead;
use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t};

use super::{known::Known, set};
use crate::{
    conf::VariableConf,
    module::{ERROR, OK, guard},
};

/// The longest value, in bytes: as long as the value of a peer's key; nginx's buffers for a
/// request's headers are no longer by default.
pub(crate) const MAX_VALUE_LENGTH: usize = 4096;

/// What lies in shared memory of a key.
pub(crate) type Live = Known<{ MAX_VALUE_LENGTH / size_of::<u64>() }>;

/// What a look at a value has found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Its bytes; `None` where there is no value.
    pub(crate) length: Option<usize>,
    /// Whether etcd has ever said what there is. It is of the same moment as the value: between two
    /// looks etcd might be heard, and a value that is there would pass for none.
    pub(crate) is_heard: bool,
}

impl Live {
    /// Whether etcd has ever said what there is: its first word is published, also where that is
    /// that there is no value.
    pub(crate) fn has_been_heard(&self) -> bool {
        self.value.generation() != 0
    }

    /// Reads the value into `bytes`.
    pub(crate) fn look(&self, bytes: &mut [u8; MAX_VALUE_LENGTH]) -> Look {
        match self.value.read(bytes) {
            Ok(reading) => Look { length: reading.length, is_heard: reading.generation != 0 },
            Err(TornRead) => Look { length: None, is_heard: true },
        }
    }
}

/// Gives nginx the value, in memory of the request's pool.
pub(crate) unsafe extern "C" fn etcd_variable(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request, a value to set, and what the directive set as the
        // variable's data, which lives for as long as the request's cycle.
        let (request, value, conf) =
            unsafe { (&*request, &mut *value, &*(data as *const VariableConf)) };
        set(value, read(request, conf));
        OK
    })
}

fn read(request: &ngx_http_request_t, conf: &VariableConf) -> Option<ngx_str_t> {
    let mut bytes = [0; MAX_VALUE_LENGTH];
    let look = conf.live.map(|live| live.look(&mut bytes)).unwrap_or_default();
    let Some(length) = look.length else {
        let otherwise = conf.without_value(look)?;
        return Some(ngx_str_t { len: otherwise.len(), data: otherwise.as_ptr().cast_mut() });
    };
    // SAFETY: the pool is the request's.
    let copy = unsafe { ngx_pnalloc(request.pool, length.max(1)) }.cast::<u8>();
    if copy.is_null() {
        return None;
    }
    // SAFETY: the pool gave out that many bytes, and no reading is longer than what it was read
    // into.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), copy, length) };
    Some(ngx_str_t { len: length, data: copy })
}
