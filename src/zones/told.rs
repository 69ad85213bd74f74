//! What has been said of an upstream's keys, in a zone of its own: it outlives watchers and
//! reloads, and takes nothing of the peers' zone.

use core::ffi::c_void;

use ngx::ffi::{ngx_conf_t, ngx_int_t, ngx_pagesize, ngx_shm_zone_t, ngx_slab_alloc};

use super::{LEASE_ZONE_PAGES, add, slab_pool};
use crate::{
    conf::{Etcd, UpstreamConf},
    module::{ERROR, OK, guard},
};

/// How many things can be remembered of an upstream, eight bytes each and twice (see
/// [`live_value::ValueCell`]): 2 MB of addresses, of which as much takes memory as is ever written.
pub(crate) const MAX_TOLD: usize = 1 << 17;

/// What has been said, as hashes in the machine's order of bytes.
pub(crate) type Told = live_value::ValueCell<MAX_TOLD>;

/// Asks nginx for the zone of what is said of an upstream.
pub(crate) fn add_told(
    cf: *mut ngx_conf_t,
    conf: *mut UpstreamConf,
    etcd: &Etcd,
) -> Result<(), String> {
    // SAFETY: nginx sets it at its start.
    let page = unsafe { ngx_pagesize };
    let size = (LEASE_ZONE_PAGES + size_of::<Told>() / page + 1) * page;
    // Another size is another zone: nginx takes none over whose size has changed.
    let zone =
        add(cf, &format!("etcd:told:{}@{}:{}", etcd.upstream, etcd.cluster, etcd.prefix), size)?;
    zone.init = Some(init_told);
    zone.data = conf.cast();
    Ok(())
}

unsafe extern "C" fn init_told(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add_told` asked for, mapped, with its slab pool made.
        // A new one is zeroes behind what the pool keeps for itself, since it was mapped just now,
        // and zeroes are a cell without a value; to write them would take all of the memory at
        // once. It stays mapped for as long as this cycle.
        unsafe {
            let pool = slab_pool(&*zone);
            if old.is_null() {
                (*pool).data = ngx_slab_alloc(pool, size_of::<Told>());
            }
            let conf = &mut *(*zone).data.cast::<UpstreamConf>();
            conf.told = (*pool).data.cast::<Told>().as_ref();
            if conf.told.is_some() { OK } else { ERROR }
        }
    })
}
