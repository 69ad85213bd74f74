//! The values of variables, as nginx has them.

use core::ptr;

use super::text::bytes;
use ngx::ffi::{ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_variable_value_t};

/// The bits of a value, as compilers have them: from the lowest one, or from the highest one where
/// numbers begin with their highest byte. What bindgen makes of them looks at each of the 32 in a
/// loop.
struct Bits {
    /// Where the length begins.
    len: u32,
    valid: u32,
    no_cacheable: u32,
    not_found: u32,
    escape: u32,
}

/// The length has so many bits.
const LEN_BITS: u32 = 28;

const BITS: Bits = if cfg!(target_endian = "little") {
    Bits { len: 0, valid: 1 << 28, no_cacheable: 1 << 29, not_found: 1 << 30, escape: 1 << 31 }
} else {
    Bits { len: 4, valid: 1 << 3, no_cacheable: 1 << 2, not_found: 1 << 1, escape: 1 }
};

fn bits_of(value: &ngx_variable_value_t) -> u32 {
    // SAFETY: the bits are a word at the value's beginning.
    unsafe { ptr::from_ref(value).cast::<u32>().read() }
}

fn len_of(bits: u32) -> usize {
    ((bits >> BITS.len) & ((1 << LEN_BITS) - 1)) as usize
}

/// Sets a variable to `text`, which lives in the pool of the request or session; without it the
/// variable has no value.
pub(crate) fn set(value: &mut ngx_variable_value_t, text: Option<ngx_str_t>) {
    let (found, text) = match text {
        Some(text) => (BITS.valid, text),
        None => (BITS.not_found, ngx_str_t { len: 0, data: ptr::null_mut() }),
    };
    value.data = text.data;
    // What is shown is a key, a number or a value of at most 1 MiB, for whose length there are more
    // than enough bits.
    let bits = (bits_of(value) & BITS.escape) | (text.len as u32) << BITS.len | found;
    // SAFETY: the bits are a word at the value's beginning.
    unsafe { ptr::from_mut(value).cast::<u32>().write(bits) };
    debug_assert_eq!(value.len() as usize, text.len);
    debug_assert_eq!(
        value.valid() + 2 * value.not_found(),
        if found == BITS.valid { 1 } else { 2 }
    );
    debug_assert_eq!(value.no_cacheable(), 0);
}

/// Whether the value is there, and need not be evaluated anew, as `ngx_http_get_flushed_variable`
/// has it.
pub(crate) fn is_current(value: &ngx_variable_value_t) -> bool {
    let bits = bits_of(value);
    let is_known = bits & (BITS.valid | BITS.not_found) != 0;
    debug_assert_eq!(is_known, value.valid() != 0 || value.not_found() != 0);
    debug_assert_eq!(bits & BITS.no_cacheable != 0, value.no_cacheable() != 0);
    is_known && bits & BITS.no_cacheable == 0
}

/// The text of a variable, which is empty where there is no value.
///
/// # Safety
///
/// The value is one of a request or session that lives for as long as what is returned.
pub(crate) unsafe fn bytes_of<'a>(value: &ngx_variable_value_t) -> &'a [u8] {
    let bits = bits_of(value);
    debug_assert_eq!(len_of(bits), value.len() as usize);
    let len = if bits & BITS.not_found == 0 { len_of(bits) } else { 0 };
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
