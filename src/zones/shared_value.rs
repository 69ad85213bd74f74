//! One value in a zone of its own: all processes see it, and it is kept over reloads by the zone's
//! name.

use core::{cell::Cell, ffi::c_void};

use ngx::ffi::{ngx_conf_t, ngx_int_t, ngx_shm_zone_t, ngx_slab_alloc, ngx_slab_calloc};

use super::memory::{add, holding, slab_pool};
use crate::nginx::{
    callback::{ERROR, OK, guard},
    cycle_pool,
};

/// A type of which zeroes are a value, and that all processes can share.
///
/// # Safety
///
/// All bytes zero are a valid value; what changes in it is atomic, and it has no pointers.
pub(crate) unsafe trait Shared: Sync + 'static {}

// SAFETY: zeroes are a lease that nobody holds; all of it is atomic.
unsafe impl Shared for peer_zone::protocol::Lease {}

// SAFETY: zeroes are a cell without a value; all of it is atomic.
unsafe impl<const WORDS: usize> Shared for live_value::ValueCell<WORDS> {}

/// Bytes from which on a value is left as the kernel gives its memory: to write zeroes would take
/// all of it at once.
const LARGE: usize = 64 << 10;

/// Where the value is, once nginx has mapped its zone.
#[derive(Debug)]
pub(crate) struct SharedValue<T: 'static>(Cell<Option<&'static T>>);

impl<T: Shared> SharedValue<T> {
    /// The value; `None` before the end of the configuration. It stays mapped for as long as the
    /// cycle.
    pub(crate) fn get(&self) -> Option<&'static T> {
        self.0.get()
    }

    /// Asks nginx for the zone of this name; each name is for one type only. Asked again, it gives
    /// the same value.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(crate) fn add(cf: *mut ngx_conf_t, name: &str) -> Result<&'static Self, String> {
        let zone = add(cf, name, holding(size_of::<T>()))?;
        // SAFETY: nginx passes a valid configuration, which has given the zone out; `data` is what
        // was set here for the same name, and so the same type.
        unsafe {
            if let Some(known) = (*zone).data.cast::<Self>().as_ref() {
                return Ok(known);
            }
            let value = cycle_pool::allocate(&*cf, Self(Cell::new(None)))
                .ok_or_else(|| format!("no memory for zone \"{name}\""))?;
            (*zone).init = Some(Self::init);
            (*zone).data = (&raw const *value).cast_mut().cast();
            Ok(value)
        }
    }

    unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
        guard(ERROR, || {
            // SAFETY: nginx passes the zone that `add` asked for, mapped, with its slab pool made.
            // A new one is zeroes behind what the pool keeps for itself, since it was mapped just
            // now, and zeroes are a value.
            unsafe {
                let pool = slab_pool(&*zone);
                if old.is_null() {
                    let size = size_of::<T>();
                    (*pool).data = if size < LARGE {
                        ngx_slab_calloc(pool, size)
                    } else {
                        ngx_slab_alloc(pool, size)
                    };
                }
                let value = (*pool).data.cast::<T>().as_ref();
                (*(*zone).data.cast::<Self>()).0.set(value);
                if value.is_some() { OK } else { ERROR }
            }
        })
    }
}
