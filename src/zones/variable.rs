//! The shared memory of a variable's key: one zone for each key of a cluster, kept over reloads by its name.

use core::ffi::c_void;

use ngx::ffi::{ngx_conf_t, ngx_int_t, ngx_pagesize, ngx_shm_zone_t, ngx_slab_calloc};

use super::{LEASE_ZONE_PAGES, add, slab_pool};
use crate::{
    conf::MainConf,
    module::{ERROR, OK, guard},
    variables::Live,
};

/// Pages beside those of the least zone: what a key takes.
const MORE_PAGES: usize = size_of::<Live>() / 4096 + 1;

fn name(cluster: &str, key: &str) -> String {
    format!("etcd:variable:{cluster}:{key}")
}

/// Asks nginx for the zone of a key, once for all variables that have it.
pub(crate) fn add_variable(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    cluster: &str,
    key: &str,
) -> Result<(), String> {
    // SAFETY: nginx sets it at its start.
    let size = (LEASE_ZONE_PAGES + MORE_PAGES) * unsafe { ngx_pagesize };
    let zone = add(cf, &name(cluster, key), size)?;
    zone.init = Some(init);
    zone.data = (&raw mut *main).cast();
    Ok(())
}

unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add_variable` asked for, mapped, with its slab pool made. A key of zeroes is one that was never heard of; it
        // stays mapped for as long as this cycle.
        let live = unsafe {
            let pool = slab_pool(&*zone);
            if old.is_null() {
                (*pool).data = ngx_slab_calloc(pool, size_of::<Live>());
            }
            (*pool).data.cast::<Live>().as_ref()
        };
        let Some(live) = live else { return ERROR };
        // SAFETY: `add_variable` set it, and it lives for as long as the cycle.
        let (zone_name, main) = unsafe { ((*zone).shm.name.as_bytes(), &*(*zone).data.cast::<MainConf>()) };
        for variable in main.variables() {
            if name(&variable.cluster, &variable.key).as_bytes() == zone_name {
                variable.live = Some(live);
            }
        }
        OK
    })
}
