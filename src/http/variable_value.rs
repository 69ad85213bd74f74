//! How nginx asks for a variable's value, and gets it.

use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t};

/// How nginx asks for a variable's value.
pub(super) type Getter = unsafe extern "C" fn(
    *mut ngx_http_request_t,
    *mut ngx_http_variable_value_t,
    usize,
) -> ngx_int_t;

/// Sets a variable to `text`, which lives in the request's pool; without it the variable has no
/// value.
pub(crate) fn set(value: &mut ngx_http_variable_value_t, text: Option<ngx_str_t>) {
    let text_or_empty = text.unwrap_or(ngx_str_t { len: 0, data: ptr::null_mut() });
    value.data = text_or_empty.data;
    // What is shown is a key, a number or a value of at most 4096 bytes, all far shorter than the
    // 28 bits of a variable's length.
    value.set_len(text_or_empty.len as u32);
    value.set_valid(u32::from(text.is_some()));
    value.set_not_found(u32::from(text.is_none()));
    value.set_no_cacheable(0);
}
