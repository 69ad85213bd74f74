//! Texts with variables, as stream has them.

use core::{mem, ptr::NonNull};
use std::sync::Arc;

use ngx::{
    core::Pool,
    ffi::{ngx_conf_t, ngx_str_t},
};
use upstream_settings::IsVariable;

use super::module::core_main_conf;
use crate::nginx::{
    callback::OK,
    named_variables,
    stream::{
        compile_complex_value, complex_value, flushed_variable, ngx_stream_compile_complex_value_t,
        ngx_stream_complex_value_t, ngx_stream_session_t, variable, variable_index,
    },
    text::{Text, bytes},
    variable_value::{bytes_of, is_current},
};

/// Compiles the text for sessions of the cycle. Returns whether nginx takes it.
///
/// # Safety
///
/// The configuration is valid, and in the block `stream`.
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
        let index = unsafe { variable_index(cf, &raw mut name) };
        let Some(Ok(index)) = index.map(usize::try_from) else { return false };
        text.in_stream.set_variable(index);
        return true;
    }
    let complex: *mut ngx_stream_complex_value_t =
        pool.calloc(size_of::<ngx_stream_complex_value_t>()).cast();
    let (Some(mut word), false) = (copy(&text.written), complex.is_null()) else { return false };
    // SAFETY: zeroes are what nginx itself starts from, and mean no flag and none of the optional
    // fields.
    let mut compile: ngx_stream_compile_complex_value_t = unsafe { mem::zeroed() };
    (compile.cf, compile.value, compile.complex_value) = (cf, &raw mut word, complex);
    // SAFETY: all three pointers are valid; what the value refers to is in the cycle's pool.
    let code = unsafe { compile_complex_value(&raw mut compile) };
    text.in_stream.set_complex(complex);
    code == Some(OK)
}

/// The text for a session, whose variables and memory it lies in; `None` where nginx cannot
/// evaluate it, which is an error of the session.
///
/// # Safety
///
/// The session lives, and is of the cycle that the text was compiled for. Nothing is evaluated for
/// the session while what is returned is used, but what leaves variables as they are.
pub(super) unsafe fn evaluate<'a>(
    session: NonNull<ngx_stream_session_t>,
    text: &Text,
) -> Option<&'a [u8]> {
    let session = session.as_ptr();
    if let Some(index) = text.in_stream.variable() {
        // SAFETY: the caller's promise: a session has a value for each index of its cycle.
        let value = unsafe { &*(*session).variables.add(index) };
        if is_current(value) {
            // SAFETY: the value is one of the session's.
            return Some(unsafe { bytes_of(value) });
        }
        // SAFETY: as above.
        return unsafe { flushed_variable(session, index)?.as_ref().map(|value| bytes_of(value)) };
    }
    let (complex, mut value) = (text.in_stream.complex(), ngx_str_t::empty());
    // SAFETY: the caller's promise; a text that was compiled and is no variable has such a value.
    let code = unsafe { complex_value(session, complex, &raw mut value) };
    // SAFETY: what nginx has evaluated lies in the session's memory.
    (code == Some(OK)).then(|| unsafe { bytes(value) })
}

/// What says whether sessions have a variable of a name, once the configuration has been read.
///
/// # Safety
///
/// The configuration is valid, and in the block `stream` or at its end.
pub(crate) unsafe fn variable_names(cf: *mut ngx_conf_t) -> IsVariable {
    // SAFETY: the caller's promise.
    let Some(core) = core_main_conf(unsafe { &*cf }) else { return Arc::new(|_| false) };
    // SAFETY: nginx keeps its core module's configuration for as long as the cycle.
    unsafe {
        named_variables::lookup(&raw const core.variables_hash, &raw const core.prefix_variables)
    }
}

/// As [`evaluate`], a text that does not stand in the configuration, with variables by their names.
/// It lives as long as the session.
///
/// # Safety
///
/// The session lives.
pub(super) unsafe fn evaluate_by_names(
    session: *mut ngx_stream_session_t,
    text: &str,
) -> Option<ngx_str_t> {
    // SAFETY: the caller's promise: a session has a connection, with its pool; a value lies in the
    // session's memory.
    unsafe {
        named_variables::evaluate((*(*session).connection).pool, text, |name, hash| {
            variable(session, name, hash)?.as_ref().map(|value| bytes_of(value))
        })
    }
}
