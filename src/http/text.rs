//! Texts with variables, as HTTP has them.

use core::{mem, ptr::NonNull};

use ngx::{
    core::Pool,
    ffi::{
        ngx_conf_t, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
        ngx_http_complex_value, ngx_http_complex_value_t, ngx_http_conf_ctx_t,
        ngx_http_core_main_conf_t, ngx_http_core_module, ngx_http_get_flushed_variable,
        ngx_http_get_variable, ngx_http_get_variable_index, ngx_http_request_t, ngx_str_t,
    },
};
use upstream_settings::IsVariable;

use crate::nginx::{
    callback::OK,
    named_variables,
    text::{Text, bytes},
    variable_value::{bytes_of, is_current},
};

/// Compiles the text for requests of the cycle. Returns whether nginx takes it.
///
/// # Safety
///
/// The configuration is valid, and in the block `http`.
pub(crate) unsafe fn compile(cf: *mut ngx_conf_t, text: &Text) -> bool {
    // SAFETY: the caller's promise.
    let memory = unsafe { (*cf).pool };
    // SAFETY: the pool is the cycle's.
    let copy = |text: &str| unsafe { ngx_str_t::from_bytes(memory, text.as_bytes()) };
    // SAFETY: as above.
    let pool = unsafe { Pool::from_ngx_pool(memory) };
    if let Some(name) = text.only_variable() {
        let Some(mut name) = copy(name) else { return false };
        // SAFETY: as above; nginx copies the name.
        let index = unsafe { ngx_http_get_variable_index(cf, &raw mut name) };
        let Ok(index) = usize::try_from(index) else { return false };
        text.in_http.set_variable(index);
        return true;
    }
    let complex = pool.calloc_type::<ngx_http_complex_value_t>();
    let (Some(mut word), false) = (copy(&text.written), complex.is_null()) else { return false };
    // SAFETY: zeroes are what nginx itself starts from, and mean no flag and none of the optional
    // fields.
    let mut compile: ngx_http_compile_complex_value_t = unsafe { mem::zeroed() };
    (compile.cf, compile.value, compile.complex_value) = (cf, &raw mut word, complex);
    // SAFETY: all three pointers are valid; what the value refers to is in the cycle's pool.
    let code = unsafe { ngx_http_compile_complex_value(&raw mut compile) };
    text.in_http.set_complex(complex);
    code == OK
}

/// The text for a request, whose variables and memory it lies in; `None` where nginx cannot
/// evaluate it, which is an error of the request.
///
/// # Safety
///
/// The request lives, and is of the cycle that the text was compiled for. Nothing is evaluated for
/// the request while what is returned is used, but what leaves variables as they are.
#[inline(always)]
pub(super) unsafe fn evaluate<'a>(
    request: NonNull<ngx_http_request_t>,
    text: &Text,
) -> Option<&'a [u8]> {
    let request = request.as_ptr();
    if let Some(index) = text.in_http.variable() {
        // SAFETY: the caller's promise: a request has a value for each index of its cycle.
        let value = unsafe { &*(*request).variables.add(index) };
        if is_current(value) {
            // SAFETY: the value is one of the request's.
            return Some(unsafe { bytes_of(value) });
        }
        // SAFETY: as above.
        return unsafe {
            ngx_http_get_flushed_variable(request, index).as_ref().map(|value| bytes_of(value))
        };
    }
    let (complex, mut value) = (text.in_http.complex(), ngx_str_t::empty());
    // SAFETY: the caller's promise; a text that was compiled and is no variable has such a value.
    let code = unsafe { ngx_http_complex_value(request, complex, &raw mut value) };
    // SAFETY: what nginx has evaluated lies in the request's memory.
    (code == OK).then(|| unsafe { bytes(value) })
}

/// What says whether requests have a variable of a name, once the configuration has been read.
///
/// # Safety
///
/// The configuration is valid, and in the block `http` or at its end.
pub(crate) unsafe fn variable_names(cf: *mut ngx_conf_t) -> IsVariable {
    // SAFETY: the caller's promise: it has a context of HTTP's, in which nginx's core module has
    // its own configuration, for as long as the cycle.
    unsafe {
        let context = &*(*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let core = *context.main_conf.add(ngx_http_core_module.ctx_index);
        let core = core.cast::<ngx_http_core_main_conf_t>();
        named_variables::lookup(
            &raw const (*core).variables_hash,
            &raw const (*core).prefix_variables,
        )
    }
}

/// As [`evaluate`], a text that does not stand in the configuration, with variables by their names.
/// It lives as long as the request.
///
/// # Safety
///
/// The request lives.
pub(super) unsafe fn evaluate_by_names(
    request: *mut ngx_http_request_t,
    text: &str,
) -> Option<ngx_str_t> {
    // SAFETY: the caller's promise; a value lies in the request's memory.
    unsafe {
        named_variables::evaluate((*request).pool, text, |name, hash| {
            ngx_http_get_variable(request, name, hash).as_ref().map(|value| bytes_of(value))
        })
    }
}
