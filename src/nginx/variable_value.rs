//! The values of variables, as nginx has them.

use core::ptr;

use super::text::bytes;
use ngx::ffi::{ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_variable_value_t};

/// Sets a variable to `text`, which lives in the pool of the request or session; without it the
/// variable has no value.
pub(crate) fn set(value: &mut ngx_variable_value_t, text: Option<ngx_str_t>) {
    let text_or_empty = text.unwrap_or(ngx_str_t { len: 0, data: ptr::null_mut() });
    value.data = text_or_empty.data;
    // What is shown is a key, a number or a value of at most 1 MiB, all far shorter than the 28
    // bits of a variable's length.
    value.set_len(text_or_empty.len as u32);
    value.set_valid(u32::from(text.is_some()));
    value.set_not_found(u32::from(text.is_none()));
    value.set_no_cacheable(0);
}

/// Whether the value is there, and need not be evaluated anew, as `ngx_http_get_flushed_variable`
/// has it.
pub(crate) fn is_current(value: &ngx_variable_value_t) -> bool {
    (value.valid() != 0 || value.not_found() != 0) && value.no_cacheable() == 0
}

/// The text of a variable, which is empty where there is no value.
///
/// # Safety
///
/// The value is one of a request or session that lives for as long as what is returned.
pub(crate) unsafe fn bytes_of<'a>(value: &ngx_variable_value_t) -> &'a [u8] {
    let len = if value.not_found() == 0 { value.len() as usize } else { 0 };
    // SAFETY: the caller's promise.
    unsafe { bytes(ngx_str_t { len, data: value.data }) }
}

/// A number as a text in the pool; `None` if that has no memory.
pub(crate) fn print(pool: *mut ngx_pool_t, number: u64) -> Option<ngx_str_t> {
    /// Digits of the largest `u64`.
    const LONGEST: usize = 20;
    // SAFETY: the pool is that of a request or session that lives.
    let start = unsafe { ngx_pnalloc(pool, LONGEST) }.cast::<u8>();
    if start.is_null() {
        return None;
    }
    let mut rest = number;
    let mut at = LONGEST;
    loop {
        at -= 1;
        // SAFETY: `at` is below the length, since no number has more digits; a digit fits a byte.
        unsafe { start.add(at).write(b'0' + (rest % 10) as u8) };
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    // SAFETY: `at` is within what was given out.
    Some(ngx_str_t { len: LONGEST - at, data: unsafe { start.add(at) } })
}
