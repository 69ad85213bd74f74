//! Values that callbacks change: one caller at a time has the reference to change them.

use core::cell::{Cell, UnsafeCell};

/// A value that is changed in place, by one caller at a time: a caller that comes in between, from
/// a callback that nginx has called meanwhile, gets nothing.
#[derive(Debug, Default)]
pub(crate) struct Exclusive<T> {
    is_lent: Cell<bool>,
    value: UnsafeCell<T>,
}

/// Ends a loan, also where a panic does.
struct Loan<'a>(&'a Cell<bool>);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<T> Exclusive<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { is_lent: Cell::new(false), value: UnsafeCell::new(value) }
    }

    /// Calls `call` with the value; `None` where a caller has it already.
    #[inline]
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.is_lent.replace(true) {
            return None;
        }
        let _loan = Loan(&self.is_lent);
        // SAFETY: the flag was not set, so that there is no other reference, and nobody makes one
        // until it is unset.
        Some(call(unsafe { &mut *self.value.get() }))
    }
}

impl<T> Exclusive<Option<T>> {
    /// Calls `call` with the value, where there is one and nobody has it already.
    #[inline]
    pub(crate) fn with_some<R>(&self, call: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.with(|value| value.as_mut().map(call)).flatten()
    }

    /// Puts `value` in the place of the present one, which is returned.
    pub(crate) fn replace(&self, value: Option<T>) -> Option<T> {
        self.with(|present| std::mem::replace(present, value)).flatten()
    }
}

/// One for each process, in a static.
pub(crate) struct OfProcess<T>(Exclusive<Option<T>>);

// SAFETY: the caller of `new` promises that one thread uses it.
unsafe impl<T> Sync for OfProcess<T> {}

impl<T> OfProcess<T> {
    /// Without a value at first.
    ///
    /// # Safety
    ///
    /// Only the thread of the event loop may use it.
    pub(crate) const unsafe fn new() -> Self {
        Self(Exclusive::new(None))
    }

    /// As [`Exclusive::with_some`].
    #[inline]
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.with_some(call)
    }

    /// As [`Exclusive::replace`].
    pub(crate) fn replace(&self, value: Option<T>) -> Option<T> {
        self.0.replace(value)
    }
}
