//! Memory that lives as long as a cycle.

use ngx::{core::Pool, ffi::ngx_conf_t};

/// Puts `value` into the pool of the cycle whose configuration is being read; `None` where memory
/// is short.
///
/// The reference lives as long as the cycle. So do a cycle's requests, and this process's part in
/// it: code that gets the reference from the configuration of a cycle needs it no longer.
pub(crate) fn allocate<T>(cf: &ngx_conf_t, value: T) -> Option<&'static T> {
    // SAFETY: the pool is the cycle's.
    let pool = unsafe { Pool::from_ngx_pool(cf.pool) };
    // SAFETY: the pool returns a valid pointer or null, and nobody else has it.
    unsafe { pool.allocate(value).as_ref() }
}
