//! What a request keeps for variables alone, where the configuration uses them: how many
//! connections its last peer had, and the attempts that failed.

use core::{
    cell::Cell,
    ptr::{self, NonNull},
};

use ngx::ffi::{ngx_palloc, ngx_pnalloc, ngx_pool_t, ngx_str_t};
use peer_statistics::Failure;
use peer_zone::Connections;

/// What a request keeps for variables, in its pool.
pub(super) struct Shown {
    /// Connections to the last peer when it was given back.
    pub(super) left: Cell<Option<Connections>>,
    /// The first attempt that failed, and the last one.
    failed: Cell<Option<(NonNull<Failed>, NonNull<Failed>)>>,
}

/// An attempt that failed.
struct Failed {
    next: Cell<Option<NonNull<Self>>>,
    /// The peer's key or, if it has none, its name; in the pool of the request.
    peer: ngx_str_t,
    failure: Failure,
}

/// Writes a value to a pool.
///
/// # Safety
///
/// The pool lives as long as what is returned is used.
unsafe fn allocate<T>(pool: *mut ngx_pool_t, value: T) -> Option<NonNull<T>> {
    // SAFETY: the caller's promise; the pool aligns for any type.
    let place = NonNull::new(unsafe { ngx_palloc(pool, size_of::<T>()) }.cast::<T>())?;
    // SAFETY: the pool gave out as many bytes.
    unsafe { place.write(value) };
    Some(place)
}

impl Shown {
    /// That in `place`, which is made in the pool of the request if there is none; `None` if there
    /// is no memory.
    ///
    /// # Safety
    ///
    /// The pool is that of the request that the place belongs to.
    pub(super) unsafe fn make(
        place: &Cell<Option<NonNull<Self>>>,
        pool: *mut ngx_pool_t,
    ) -> Option<&Self> {
        if place.get().is_none() {
            let empty = Self { left: Cell::new(None), failed: Cell::new(None) };
            // SAFETY: the caller's promise.
            place.set(unsafe { allocate(pool, empty) });
        }
        Self::of(place)
    }

    /// That in `place`.
    pub(super) fn of(place: &Cell<Option<NonNull<Self>>>) -> Option<&Self> {
        // SAFETY: `make` has written it, in the pool of the request, which has the place; nobody
        // makes a `&mut` to it.
        place.get().map(|shown| unsafe { shown.as_ref() })
    }

    /// An attempt at a peer has failed.
    ///
    /// # Safety
    ///
    /// The pool is that of the request, in which the text is.
    pub(super) unsafe fn add_failure(
        &self,
        pool: *mut ngx_pool_t,
        peer: ngx_str_t,
        failure: Failure,
    ) {
        let failed = Failed { next: Cell::new(None), peer, failure };
        // SAFETY: the caller's promise. Without memory the list lacks it.
        let Some(failed) = (unsafe { allocate(pool, failed) }) else { return };
        let first = match self.failed.get() {
            Some((first, last)) => {
                // SAFETY: as in `of`.
                unsafe { last.as_ref() }.next.set(Some(failed));
                first
            }
            None => failed,
        };
        self.failed.set(Some((first, failed)));
    }

    /// The attempts that failed, as a text in the pool: `KEY=KIND, KEY=KIND`, where keys are
    /// percent-encoded as far as needed; `None` if there are none, or if there is no memory.
    ///
    /// # Safety
    ///
    /// The pool is that of the request.
    pub(super) unsafe fn failures(&self, pool: *mut ngx_pool_t) -> Option<ngx_str_t> {
        let (first, _) = self.failed.get()?;
        let mut length = 0;
        for_each(first, |piece| length += piece.len());
        // SAFETY: the caller's promise.
        let data = NonNull::new(unsafe { ngx_pnalloc(pool, length) }.cast::<u8>())?.as_ptr();
        let mut at = data;
        for_each(first, |piece| {
            // SAFETY: all pieces together are as long as what the pool gave out.
            unsafe {
                ptr::copy_nonoverlapping(piece.as_ptr(), at, piece.len());
                at = at.add(piece.len());
            }
        });
        Some(ngx_str_t { len: length, data })
    }
}

/// Calls `call` with the pieces of the text.
fn for_each(first: NonNull<Failed>, mut call: impl FnMut(&[u8])) {
    let mut next = Some(first);
    while let Some(failed) = next {
        // SAFETY: as in `Shown::of`.
        let failed = unsafe { failed.as_ref() };
        escaped(failed.peer.as_bytes(), &mut call);
        call(b"=");
        call(failed.failure.name().as_bytes());
        next = failed.next.get();
        if next.is_some() {
            call(b", ");
        }
    }
}

/// Calls `call` with the pieces of a key such that the list can be taken apart again: what
/// separates its parts, and what cannot be seen, is percent-encoded.
fn escaped(key: &[u8], call: &mut impl FnMut(&[u8])) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let is_special =
        |byte: &u8| matches!(byte, b'%' | b',' | b'=') || *byte <= b' ' || *byte == 127;
    for part in key.chunk_by(|before, byte| !is_special(before) && !is_special(byte)) {
        match part {
            [byte] if is_special(byte) => {
                call(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            plain => call(plain),
        }
    }
}
