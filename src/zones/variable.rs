//! The shared memory of a variable's key, or of a prefix with networks: one zone for each of them, kept over reloads by its name.

use core::ffi::c_void;

use ngx::ffi::{ngx_conf_t, ngx_int_t, ngx_pagesize, ngx_shm_zone_t, ngx_slab_calloc};

use super::{LEASE_ZONE_PAGES, add, slab_pool};
use crate::{
    conf::MainConf,
    module::{ERROR, OK, guard},
    variables::Known,
};

/// The smallest page of a machine, in bytes.
const PAGE: usize = 4096;

type Init = unsafe extern "C" fn(*mut ngx_shm_zone_t, *mut c_void) -> ngx_int_t;

fn variable_name(cluster: &str, key: &str) -> String {
    format!("etcd:variable:{cluster}:{key}")
}

fn geo_name(cluster: &str, prefix: &str) -> String {
    format!("etcd:geo:{cluster}:{prefix}")
}

/// Asks nginx for the zone of a key, once for all variables that have it.
pub(crate) fn add_variable(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    cluster: &str,
    key: &str,
) -> Result<(), String> {
    let size = size_of::<crate::variables::Live>();
    ask(cf, main, &variable_name(cluster, key), size, init_variable)
}

/// Asks nginx for the zone of a prefix, once for all variables that have it.
pub(crate) fn add_geo(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    cluster: &str,
    prefix: &str,
) -> Result<(), String> {
    let size = size_of::<crate::variables::LiveNetworks>();
    ask(cf, main, &geo_name(cluster, prefix), size, init_geo)
}

fn ask(cf: *mut ngx_conf_t, main: &mut MainConf, name: &str, holds: usize, init: Init) -> Result<(), String> {
    // SAFETY: nginx sets it at its start.
    let size = (LEASE_ZONE_PAGES + holds / PAGE + 1) * unsafe { ngx_pagesize };
    let zone = add(cf, name, size)?;
    zone.init = Some(init);
    zone.data = (&raw mut *main).cast();
    Ok(())
}

unsafe extern "C" fn init_variable(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `ask` asked for.
        let Some((live, zone_name, main)) = (unsafe { known(zone, old) }) else { return ERROR };
        for variable in main.variables() {
            if variable_name(&variable.cluster, &variable.key).as_bytes() == zone_name {
                variable.live = Some(live);
            }
        }
        OK
    })
}

unsafe extern "C" fn init_geo(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `ask` asked for.
        let Some((live, zone_name, main)) = (unsafe { known(zone, old) }) else { return ERROR };
        for geo in main.geos() {
            if geo_name(&geo.cluster, &geo.prefix).as_bytes() == zone_name {
                geo.live = Some(live);
            }
        }
        OK
    })
}

/// What the zone holds, its name, and the configuration that asked for it.
///
/// # Safety
///
/// The zone must be one that [`ask`] asked for with the size of this type, mapped, with its slab pool made, as nginx passes it.
unsafe fn known<const WORDS: usize>(
    zone: *mut ngx_shm_zone_t,
    old: *mut c_void,
) -> Option<(&'static Known<WORDS>, &'static [u8], &'static MainConf)> {
    // SAFETY: the caller's promise. Zeroes are a key that was never heard of; it stays mapped for as long as this cycle, and so live the zone and the
    // configuration.
    unsafe {
        let pool = slab_pool(&*zone);
        if old.is_null() {
            (*pool).data = ngx_slab_calloc(pool, size_of::<Known<WORDS>>());
        }
        let live = (*pool).data.cast::<Known<WORDS>>().as_ref()?;
        Some((live, (*zone).shm.name.as_bytes(), &*(*zone).data.cast::<MainConf>()))
    }
}
