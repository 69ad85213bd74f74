//! The shared memory of a prefix with networks: one zone for each, kept over reloads by its name,
//! or copied from one of another size.

use core::{cell::Cell, ffi::c_void, slice, sync::atomic::AtomicU64};

use ngx::ffi::{
    NGX_LOG_EMERG, ngx_conf_t, ngx_int_t, ngx_shm_zone_t, ngx_slab_alloc, ngx_slab_calloc,
};

use super::{networks::LiveNetworks, value_state::Known};
use crate::{
    nginx::{
        callback::{ERROR, OK, guard},
        cycle_pool, log,
    },
    zones::memory::{add, old_zone, page, slab_pool},
};

/// What the slab pool of a prefix's zone keeps for us: what is known of the networks, and where
/// their table is.
#[repr(C)]
struct Networks {
    known: Known<0>,
    words: *const AtomicU64,
    count: usize,
}

/// The networks below a prefix, once nginx has mapped their zone.
#[derive(Debug)]
pub(crate) struct NetworksZone {
    live: Cell<Option<LiveNetworks>>,
    /// The cluster's id and the revision of what the configuration has.
    origin: Cell<Option<(u64, u64)>>,
}

impl NetworksZone {
    /// The networks; `None` before the end of the configuration.
    pub(crate) fn get(&self) -> Option<LiveNetworks> {
        self.live.get()
    }

    /// Asks nginx for the zone of a prefix. Whoever asks again gets the same one.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(crate) fn add(
        cf: *mut ngx_conf_t,
        (cluster, prefix): (&str, &str),
        size: usize,
        origin: Option<(u64, u64)>,
    ) -> Result<&'static Self, String> {
        // The name says what lies there: another layout has another one.
        let name = format!("etcd:networks:{cluster}:{prefix}");
        let zone = add(cf, &name, size)?;
        // SAFETY: nginx passes a valid configuration, which has given the zone out; `data` is what
        // was set here for the same name.
        let own = unsafe {
            match (*zone).data.cast::<Self>().as_ref() {
                Some(known) => known,
                None => {
                    let own = Self { live: Cell::new(None), origin: Cell::new(None) };
                    let own = cycle_pool::allocate(&*cf, own)
                        .ok_or_else(|| format!("no memory for the zone \"{name}\""))?;
                    (*zone).init = Some(init);
                    (*zone).data = (&raw const *own).cast_mut().cast();
                    own
                }
            }
        };
        if origin.is_some() {
            own.origin.set(origin);
        }
        Ok(own)
    }
}

unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add` asked for, mapped, with its slab pool made, and
        // what `add` has set as its data.
        let (zone, own) = unsafe { (&*zone, &*(*zone).data.cast::<NetworksZone>()) };
        let is_new = old.is_null();
        let is_too_small = is_new && make_networks(zone).is_none();
        let Some(networks) = find_networks(zone).filter(|_| !is_too_small) else {
            let name = String::from_utf8_lossy(zone.shm.name.as_bytes()).into_owned();
            let message =
                format!("the zone \"{name}\" of \"etcd_geo\" is too small: raise its \"zone=\"");
            log::to(NGX_LOG_EMERG, zone.shm.log, &message);
            return ERROR;
        };
        own.live.set(Some(networks));
        if is_new {
            match (old_zone(zone).and_then(find_networks), own.origin.get()) {
                // Only the size is another one.
                (Some(before), _) => networks.go_on(&before),
                // The first list is compared with what the configuration has.
                (None, Some((cluster_id, revision))) => networks.go_on_from(cluster_id, revision),
                (None, None) => {}
            }
        }
        OK
    })
}

/// Makes room for a table of all that a fresh zone has. It is memory that nobody has touched yet,
/// which is zeroes, and takes no memory until it is used.
fn make_networks(zone: &ngx_shm_zone_t) -> Option<()> {
    let pool = slab_pool(zone);
    // SAFETY: nobody else knows of the zone yet. What is left of the pool after the first page is
    // one run of free pages.
    unsafe {
        let networks = ngx_slab_calloc(pool, size_of::<Networks>()).cast::<Networks>().as_mut()?;
        let length = (*pool).pfree * page();
        let words = ngx_slab_alloc(pool, length).cast::<AtomicU64>();
        if words.is_null() {
            return None;
        }
        networks.words = words;
        networks.count = length / size_of::<AtomicU64>();
        (*pool).data = (&raw mut *networks).cast();
    }
    Some(())
}

/// The networks that lie in a zone.
fn find_networks(zone: &ngx_shm_zone_t) -> Option<LiveNetworks> {
    // SAFETY: the memory is mapped; its slab pool keeps `Networks` once `make_networks` has been
    // there, with words that are nobody else's. Both stay mapped for as long as the cycle that has
    // the zone, and so does whoever gets this.
    unsafe {
        let networks = (*slab_pool(zone)).data.cast::<Networks>().as_ref()?;
        Some(LiveNetworks::new(
            &networks.known,
            slice::from_raw_parts(networks.words, networks.count),
        ))
    }
}
