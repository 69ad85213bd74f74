//! The values of variables, as nginx has them.

use core::ptr;

use ngx::ffi::{ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_variable_value_t};

/// Sets a variable to `text`, which lives in the pool of the request or session; without it the
/// variable has no value.
pub(crate) fn set(value: &mut ngx_variable_value_t, text: Option<ngx_str_t>) {
    let text_or_empty = text.unwrap_or(ngx_str_t { len: 0, data: ptr::null_mut() });
    value.data = text_or_empty.data;
    // What is shown is a key, a number or a value of at most 4096 bytes, all far shorter than the
    // 28 bits of a variable's length.
    value.set_len(text_or_empty.len as u32);
    value.set_valid(u32::from(text.is_some()));
    value.set_not_found(u32::from(text.is_none()));
    value.set_no_cacheable(0);
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
