//! nginx's stream: its types, and its functions, which are looked up while nginx runs.
//!
//! A distribution has stream as a dynamic module, which may be loaded before this one, after it or
//! not at all. So nothing of it is linked: the loader would refuse this module without that one, or
//! resolve what comes later to nothing.

use core::{
    ffi::{CStr, c_void},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use ngx::ffi::{
    ngx_conf_t, ngx_int_t, ngx_listening_t, ngx_str_t, ngx_uint_t, ngx_variable_value_t,
};

pub(crate) use self::bound::*;

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    unused_imports,
    reason = "made by bindgen, and only a part of it is used"
)]
mod bound {
    use ngx::ffi::*;

    include!(concat!(env!("OUT_DIR"), "/stream.rs"));
}

/// `ngx_stream_add_variable`.
type AddVariable =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_str_t, ngx_uint_t) -> *mut ngx_stream_variable_t;

/// `ngx_stream_compile_complex_value`.
type CompileComplexValue =
    unsafe extern "C" fn(*mut ngx_stream_compile_complex_value_t) -> ngx_int_t;

/// `ngx_stream_complex_value`.
type ComplexValue = unsafe extern "C" fn(
    *mut ngx_stream_session_t,
    *mut ngx_stream_complex_value_t,
    *mut ngx_str_t,
) -> ngx_int_t;

/// `ngx_stream_get_variable_index`.
type VariableIndex = unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_str_t) -> ngx_int_t;

/// `ngx_stream_get_flushed_variable`.
type FlushedVariable =
    unsafe extern "C" fn(*mut ngx_stream_session_t, ngx_uint_t) -> *mut ngx_variable_value_t;

/// `ngx_stream_get_variable`.
type GetVariable = unsafe extern "C" fn(
    *mut ngx_stream_session_t,
    *mut ngx_str_t,
    ngx_uint_t,
) -> *mut ngx_variable_value_t;

/// A function of stream's; null before [`look_up`].
struct Symbol {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Symbol {
    const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicPtr::new(ptr::null_mut()) }
    }

    fn get(&self) -> *mut c_void {
        self.address.load(Ordering::Relaxed)
    }
}

static ADD_VARIABLE: Symbol = Symbol::new(c"ngx_stream_add_variable");
static COMPILE_COMPLEX_VALUE: Symbol = Symbol::new(c"ngx_stream_compile_complex_value");
static COMPLEX_VALUE: Symbol = Symbol::new(c"ngx_stream_complex_value");
static VARIABLE_INDEX: Symbol = Symbol::new(c"ngx_stream_get_variable_index");
static FLUSHED_VARIABLE: Symbol = Symbol::new(c"ngx_stream_get_flushed_variable");
static GET_VARIABLE: Symbol = Symbol::new(c"ngx_stream_get_variable");
static INIT_CONNECTION: Symbol = Symbol::new(c"ngx_stream_init_connection");

/// All of them.
static SYMBOLS: [&Symbol; 7] = [
    &ADD_VARIABLE,
    &COMPILE_COMPLEX_VALUE,
    &COMPLEX_VALUE,
    &VARIABLE_INDEX,
    &FLUSHED_VARIABLE,
    &GET_VARIABLE,
    &INIT_CONNECTION,
];

/// Looks up what this file has of stream's. To be called when nginx reads a block `stream`, before
/// anything else here: each cycle may have loaded the module anew.
///
/// # Errors
///
/// The name of what is not there.
pub(crate) fn look_up() -> Result<(), &'static str> {
    for symbol in SYMBOLS {
        // SAFETY: the name ends with a zero byte. nginx makes the symbols of what it loads known to
        // all (`ngx_dlopen` with `RTLD_GLOBAL`).
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.name.as_ptr()) };
        symbol.address.store(address, Ordering::Relaxed);
        if address.is_null() {
            return Err(symbol.name.to_str().unwrap_or_default());
        }
    }
    Ok(())
}

/// `ngx_stream_add_variable`; null where there is no stream.
///
/// # Safety
///
/// A block `stream` is being read.
pub(crate) unsafe fn add_variable(
    cf: *mut ngx_conf_t,
    name: *mut ngx_str_t,
    flags: ngx_uint_t,
) -> *mut ngx_stream_variable_t {
    let address = ADD_VARIABLE.get();
    if address.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the function has this type (`ngx_stream_variables.h`); the caller's promise.
    unsafe { core::mem::transmute::<*mut c_void, AddVariable>(address)(cf, name, flags) }
}

/// `ngx_stream_compile_complex_value`; `None` where there is no stream.
///
/// # Safety
///
/// A block `stream` is being read, and all pointers of the argument are valid.
pub(crate) unsafe fn compile_complex_value(
    value: *mut ngx_stream_compile_complex_value_t,
) -> Option<ngx_int_t> {
    let address = COMPILE_COMPLEX_VALUE.get();
    if address.is_null() {
        return None;
    }
    // SAFETY: the function has this type (`ngx_stream_script.h`); the caller's promise.
    Some(unsafe { core::mem::transmute::<*mut c_void, CompileComplexValue>(address)(value) })
}

/// `ngx_stream_complex_value`; `None` where there is no stream.
///
/// # Safety
///
/// The session lives, and the value was compiled for its cycle.
pub(crate) unsafe fn complex_value(
    session: *mut ngx_stream_session_t,
    value: *mut ngx_stream_complex_value_t,
    text: *mut ngx_str_t,
) -> Option<ngx_int_t> {
    let address = COMPLEX_VALUE.get();
    if address.is_null() {
        return None;
    }
    // SAFETY: the function has this type (`ngx_stream_script.h`); the caller's promise.
    Some(unsafe {
        core::mem::transmute::<*mut c_void, ComplexValue>(address)(session, value, text)
    })
}

/// `ngx_stream_get_variable_index`; `None` where there is no stream.
///
/// # Safety
///
/// A block `stream` is being read, and the name is valid.
pub(crate) unsafe fn variable_index(
    cf: *mut ngx_conf_t,
    name: *mut ngx_str_t,
) -> Option<ngx_int_t> {
    let address = VARIABLE_INDEX.get();
    if address.is_null() {
        return None;
    }
    // SAFETY: the function has this type (`ngx_stream_variables.h`); the caller's promise.
    Some(unsafe { core::mem::transmute::<*mut c_void, VariableIndex>(address)(cf, name) })
}

/// `ngx_stream_get_flushed_variable`; `None` where there is no stream.
///
/// # Safety
///
/// The session lives, and the index is one of its cycle.
pub(crate) unsafe fn flushed_variable(
    session: *mut ngx_stream_session_t,
    index: ngx_uint_t,
) -> Option<*mut ngx_variable_value_t> {
    let address = FLUSHED_VARIABLE.get();
    if address.is_null() {
        return None;
    }
    // SAFETY: the function has this type (`ngx_stream_variables.h`); the caller's promise.
    Some(unsafe { core::mem::transmute::<*mut c_void, FlushedVariable>(address)(session, index) })
}

/// `ngx_stream_get_variable`; `None` where there is no stream.
///
/// # Safety
///
/// The session lives; the name is in lower case, and has this hash.
pub(crate) unsafe fn variable(
    session: *mut ngx_stream_session_t,
    name: *mut ngx_str_t,
    hash: ngx_uint_t,
) -> Option<*mut ngx_variable_value_t> {
    let address = GET_VARIABLE.get();
    if address.is_null() {
        return None;
    }
    // SAFETY: the function has this type (`ngx_stream_variables.h`); the caller's promise.
    Some(unsafe { core::mem::transmute::<*mut c_void, GetVariable>(address)(session, name, hash) })
}

/// Whether the connections of a listening socket are sessions of stream's.
pub(crate) fn is_of_stream(socket: &ngx_listening_t) -> bool {
    let address = INIT_CONNECTION.get();
    !address.is_null()
        && socket.handler.is_some_and(|handler| handler as *const c_void == address.cast_const())
}
