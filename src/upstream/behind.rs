//! What a request or a session keeps behind its own memory: for an upstream with groups, and for a
//! method that goes by something of the request's.

use core::{cell::Cell, ffi::c_void, ptr::NonNull};

use ngx::ffi::{ngx_palloc, ngx_pool_t, ngx_str_t};
use peer_zone::KeyProgress;

use super::asked_group::AskedGroup;

/// What the method goes by, and how far it has come with it.
pub(crate) struct Keyed {
    /// In the pool of the request or session, or of the connection.
    pub(crate) hash_key: ngx_str_t,
    pub(crate) progress: Cell<KeyProgress>,
}

impl Keyed {
    fn new(hash_key: ngx_str_t) -> Self {
        Self { hash_key, progress: Cell::default() }
    }
}

/// Where that lies: the group, if the upstream has groups, and then the key, if there is one.
/// Nothing of it takes memory that is not there.
#[derive(Clone, Copy)]
pub(crate) struct Behind(Option<NonNull<c_void>>);

impl Behind {
    /// The group that is asked for.
    ///
    /// # Safety
    ///
    /// This was made by [`allocate_grouped`], and nobody makes a `&mut` to what lies there.
    #[inline(always)]
    pub(crate) unsafe fn group<'a>(self) -> Option<&'a AskedGroup> {
        // SAFETY: the caller's promise: it begins with a group.
        self.0.map(|room| unsafe { room.cast().as_ref() })
    }

    /// What is kept of a key.
    ///
    /// # Safety
    ///
    /// As for [`group`](Self::group) if the upstream `has_groups`; otherwise this was made by
    /// [`allocate`].
    #[inline(always)]
    pub(crate) unsafe fn keyed<'a>(self, has_groups: bool) -> Option<&'a Keyed> {
        // SAFETY: the caller's promise: a key lies behind the group that says so, or alone.
        unsafe {
            if !has_groups {
                return self.0.map(|room| room.cast().as_ref());
            }
            let group = self.0.filter(|room| room.cast::<AskedGroup>().as_ref().is_keyed())?;
            Some(group.cast::<AskedGroup>().add(1).cast().as_ref())
        }
    }
}

/// Room in a pool for a `T`, and behind it for the group of this name and for what is kept of a key
/// if there is one; `None` if the pool has no memory.
///
/// # Safety
///
/// The pool, the key and the name of the group live for as long as all of it is used.
#[inline(always)]
pub(crate) unsafe fn allocate_grouped<T>(
    pool: *mut ngx_pool_t,
    hash_key: Option<ngx_str_t>,
    group: ngx_str_t,
) -> Option<(NonNull<T>, Behind)> {
    const {
        assert!(align_of::<AskedGroup>() <= align_of::<T>());
        assert!(align_of::<Keyed>() <= align_of::<AskedGroup>());
    };
    let of_key = hash_key.map_or(0, |_| size_of::<Keyed>());
    let size = size_of::<T>() + size_of::<AskedGroup>() + of_key;
    // SAFETY: the caller's promise.
    let room = NonNull::new(unsafe { ngx_palloc(pool, size) }.cast::<T>())?;
    // SAFETY: the pool gave out room for all, one behind the other, aligned for any type; what is
    // behind each is aligned for it (see above). The name lives as long, as the caller promises.
    let behind = unsafe {
        let behind = room.add(1).cast::<AskedGroup>();
        behind.write(AskedGroup::new(group, hash_key.is_some()));
        if let Some(hash_key) = hash_key {
            behind.add(1).cast().write(Keyed::new(hash_key));
        }
        behind
    };
    Some((room, Behind(Some(behind.cast()))))
}

/// Room in a pool for a `T` and, behind it, for what is kept of a key if there is one; `None` if
/// the pool has no memory.
///
/// # Safety
///
/// The pool and the key live for as long as both are used.
#[inline]
pub(crate) unsafe fn allocate<T>(
    pool: *mut ngx_pool_t,
    hash_key: Option<ngx_str_t>,
) -> Option<(NonNull<T>, Behind)> {
    const { assert!(align_of::<Keyed>() <= align_of::<T>()) };
    let size = size_of::<T>() + hash_key.map_or(0, |_| size_of::<Keyed>());
    // SAFETY: the caller's promise.
    let room = NonNull::new(unsafe { ngx_palloc(pool, size) }.cast::<T>())?;
    let behind = hash_key.map(|hash_key| {
        // SAFETY: the pool gave out room for both, one behind the other, aligned for any type; what
        // is behind a `T` is aligned for it (see above).
        unsafe {
            let keyed = room.add(1).cast::<Keyed>();
            keyed.write(Keyed::new(hash_key));
            keyed.cast()
        }
    });
    Some((room, Behind(behind)))
}
