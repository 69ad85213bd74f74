//! What a request or a session keeps for a method that goes by something of its own.

use core::{cell::Cell, ptr::NonNull};

use ngx::ffi::{ngx_palloc, ngx_pool_t, ngx_str_t};
use peer_zone::KeyProgress;

use super::asked_group::AskedGroup;

/// That, and how far the method has come with it.
pub(crate) struct Keyed {
    /// In the pool of the request or session, or of the connection.
    pub(crate) hash_key: ngx_str_t,
    pub(crate) progress: Cell<KeyProgress>,
}

impl Keyed {
    /// The group that is asked for.
    ///
    /// # Safety
    ///
    /// This was made by [`allocate_grouped`].
    #[inline]
    pub(crate) unsafe fn group<'a>(this: NonNull<Self>) -> &'a AskedGroup {
        // SAFETY: the caller's promise: it lies behind this, in the same room.
        unsafe { this.add(1).cast().as_ref() }
    }
}

/// As [`allocate`], with room for a group behind both: what is kept of a key is there in any case.
///
/// # Safety
///
/// As for [`allocate`]; the name of the group lives as long.
pub(crate) unsafe fn allocate_grouped<T>(
    pool: *mut ngx_pool_t,
    hash_key: Option<ngx_str_t>,
    group: ngx_str_t,
) -> Option<(NonNull<T>, Option<NonNull<Keyed>>)> {
    const {
        assert!(align_of::<Keyed>() <= align_of::<T>());
        assert!(align_of::<AskedGroup>() <= align_of::<Keyed>());
    };
    let size = size_of::<T>() + size_of::<Keyed>() + size_of::<AskedGroup>();
    // SAFETY: the caller's promise.
    let room = NonNull::new(unsafe { ngx_palloc(pool, size) }.cast::<T>())?;
    let hash_key = hash_key.unwrap_or(ngx_str_t::empty());
    // SAFETY: the pool gave out room for all three, one behind the other, aligned for any type;
    // what is behind each is aligned for it (see above).
    let keyed = unsafe {
        let keyed = room.add(1).cast::<Keyed>();
        keyed.write(Keyed { hash_key, progress: Cell::default() });
        // The name lives as long, as the caller promises.
        keyed.add(1).cast::<AskedGroup>().write(AskedGroup::new(group));
        keyed
    };
    Some((room, Some(keyed)))
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
