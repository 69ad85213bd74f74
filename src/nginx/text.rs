//! Texts of the configuration that may contain variables, which each protocol compiles and
//! evaluates for itself.

use core::{
    ffi::c_void,
    slice,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use nginx_syntax::only_variable;
use ngx::ffi::ngx_str_t;

/// A text of a directive that may contain variables. It lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct Text {
    /// As it is written.
    pub(crate) written: String,
    /// The parameter whose value it is; empty for the directive's first argument.
    pub(crate) parameter: &'static str,
    /// As HTTP has it.
    pub(crate) in_http: Compiled,
    /// As stream has it.
    #[cfg(stream)]
    pub(crate) in_stream: Compiled,
}

impl Text {
    /// A text that nobody has compiled yet.
    pub(crate) fn new(written: &str, parameter: &'static str) -> Self {
        Self {
            written: written.to_owned(),
            parameter,
            in_http: Compiled::default(),
            #[cfg(stream)]
            in_stream: Compiled::default(),
        }
    }

    /// The name of the variable that is all of the text, if it is one of nginx's own or of a
    /// module's: those of regular expressions, `$1`, have no index.
    pub(crate) fn only_variable(&self) -> Option<&str> {
        only_variable(&self.written)
    }
}

/// What a protocol has made of a text. It is written while the configuration is read, and read by
/// requests afterwards.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// The index of the variable that is all of the text, and 1; 0 for any other text.
    index: AtomicUsize,
    /// The complex value, in the pool of the cycle; null where the text is one variable, or is not
    /// compiled.
    complex: AtomicPtr<c_void>,
}

impl Compiled {
    /// The text is the variable of this index.
    pub(crate) fn set_variable(&self, index: usize) {
        self.index.store(index + 1, Ordering::Relaxed);
    }

    /// The text is this complex value of the protocol's.
    pub(crate) fn set_complex<T>(&self, value: *mut T) {
        self.complex.store(value.cast(), Ordering::Relaxed);
    }

    /// The index of the variable that is all of the text.
    pub(crate) fn variable(&self) -> Option<usize> {
        self.index.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The complex value; null where the text is one variable, or is not compiled.
    pub(crate) fn complex<T>(&self) -> *mut T {
        self.complex.load(Ordering::Relaxed).cast()
    }
}

/// The bytes of a text of nginx's, which may be empty without any address.
///
/// # Safety
///
/// It lies in memory that lives and does not change for as long as what is returned.
pub(crate) unsafe fn bytes<'a>(text: ngx_str_t) -> &'a [u8] {
    if text.len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(text.data, text.len) }
}
