//! What a request or a session keeps for a method that goes by something of its own.

use core::{cell::Cell, ptr::NonNull};

use ngx::ffi::{ngx_palloc, ngx_pool_t, ngx_str_t};
use peer_zone::KeyProgress;

/// That, and how far the method has come with it.
pub(crate) struct Keyed {
    /// In the pool of the request or session, or of the connection.
    pub(crate) hash_key: ngx_str_t,
    pub(crate) progress: Cell<KeyProgress>,
}

/// Room in a pool for a `T` and, behind it, for what is kept of a key if there is one; `None` if
/// the pool has no memory.
///
/// # Safety
///
/// The pool lives for as long as both are used.
#[inline]
pub(crate) unsafe fn allocate<T>(
    pool: *mut ngx_pool_t,
    hash_key: Option<ngx_str_t>,
) -> Option<(NonNull<T>, Option<NonNull<Keyed>>)> {
    const { assert!(align_of::<Keyed>() <= align_of::<T>()) };
    let size = size_of::<T>() + hash_key.map_or(0, |_| size_of::<Keyed>());
    // SAFETY: the caller's promise.
    let room = NonNull::new(unsafe { ngx_palloc(pool, size) }.cast::<T>())?;
    let keyed = hash_key.map(|hash_key| {
        // SAFETY: the pool gave out room for both, one behind the other, aligned for any type; what
        // is behind a `T` is aligned for it (see above).
        unsafe {
            let keyed = room.add(1).cast::<Keyed>();
            keyed.write(Keyed { hash_key, progress: Cell::default() });
            keyed
        }
    });
    Some((room, keyed))
}
