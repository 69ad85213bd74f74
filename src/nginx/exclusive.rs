//! Values that callbacks change: one caller at a time has the reference to change them.

use core::cell::{Cell, UnsafeCell};

use super::log;

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

    /// As [`with`](Self::with), without taking note of the loan.
    ///
    /// # Safety
    ///
    /// Nothing that `call` calls comes here.
    #[inline(always)]
    pub(crate) unsafe fn with_alone<R>(&self, call: impl FnOnce(&mut T) -> R) -> Option<R> {
        if self.is_lent.get() {
            return None;
        }
        // SAFETY: the flag is not set, so that there is no other reference, and nobody makes one
        // during the call, as the caller promises.
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
    ///
    /// # Errors
    ///
    /// Nothing changes if a caller has the present value.
    pub(crate) fn replace(&self, value: Option<T>) -> Result<Option<T>, Lent<T>> {
        let mut value = value;
        match self.with(|present| std::mem::swap(present, &mut value)) {
            Some(()) => Ok(value),
            None => Err(Lent(value)),
        }
    }
}

/// A value could not be replaced, because a caller has it: what should have taken its place.
#[derive(Debug)]
pub(crate) struct Lent<T>(pub(crate) Option<T>);

impl<T> Lent<T> {
    /// Logs that the value called `name` stays as it is, and drops what should have replaced it.
    pub(crate) fn report(self, name: &str) {
        log::error(&format!("etcd: internal error: {name} cannot be replaced: in use"));
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
    pub(crate) fn replace(&self, value: Option<T>) -> Result<Option<T>, Lent<T>> {
        self.0.replace(value)
    }
}
