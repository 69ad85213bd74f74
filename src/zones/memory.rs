//! What all zones have in common: how nginx is asked for one, and where its memory is.

use core::slice;

use ngx::ffi::{
    ngx_conf_t, ngx_cycle, ngx_list_part_t, ngx_pagesize, ngx_shared_memory_add, ngx_shm_zone_t,
    ngx_slab_pool_t, ngx_str_t,
};

use crate::nginx::modules;

/// A zone for something small, in pages: the least that nginx's slab pool works with (as for
/// `MIN_ZONE_PAGES`).
const SMALLEST: usize = 8;

/// The smallest page of a machine, in bytes.
const PAGE: usize = 4096;

/// The size of a zone that holds so many bytes, beside what is nginx's own.
pub(crate) fn holding(bytes: usize) -> usize {
    (SMALLEST + bytes / PAGE + 1) * page()
}

/// Bytes of a page.
pub(crate) fn page() -> usize {
    // SAFETY: nginx sets it at its start.
    unsafe { ngx_pagesize }
}

/// Asks nginx for a zone of this name, or finds the one that was asked for in this configuration
/// already.
///
/// # Errors
///
/// Where nginx refuses it, which logs why.
pub(crate) fn add(
    cf: *mut ngx_conf_t,
    name: &str,
    size: usize,
) -> Result<*mut ngx_shm_zone_t, String> {
    let failed = || module_messages::zone_not_added(name);
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let name = unsafe { ngx_str_t::from_bytes((*cf).pool, name.as_bytes()) };
    let mut name = name.ok_or_else(failed)?;
    // SAFETY: as above.
    let zone = unsafe { ngx_shared_memory_add(cf, &raw mut name, size, modules::tag()) };
    if zone.is_null() { Err(failed()) } else { Ok(zone) }
}

/// The slab pool at the start of a zone.
pub(crate) fn slab_pool(zone: &ngx_shm_zone_t) -> *mut ngx_slab_pool_t {
    zone.shm.addr.cast()
}

/// The zone in the cycle that is running whose name `is_it`.
pub(crate) fn old_zone(is_it: impl Fn(&[u8]) -> bool) -> Option<&'static ngx_shm_zone_t> {
    // SAFETY: while a cycle is made, `ngx_cycle` is the one that is running (at the start: one
    // without zones).
    let mut part: *const ngx_list_part_t = unsafe { &raw const (*ngx_cycle).shared_memory.part };
    // SAFETY: nginx's lists end with a null pointer; a part has as many items as it says.
    while let Some(current) = unsafe { part.as_ref() } {
        if current.nelts > 0 {
            // SAFETY: as above.
            let zones = unsafe {
                slice::from_raw_parts(current.elts.cast::<ngx_shm_zone_t>(), current.nelts)
            };
            let same = |old: &&ngx_shm_zone_t| {
                is_it(old.shm.name.as_bytes()) && old.init.is_some() && !old.shm.addr.is_null()
            };
            if let Some(old) = zones.iter().find(same) {
                return Some(old);
            }
        }
        part = current.next;
    }
    None
}
