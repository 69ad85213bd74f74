//! The shared memory of a variable's key, or of a prefix with networks: one zone for each of them,
//! kept over reloads by its name.

use core::{ffi::c_void, slice, sync::atomic::AtomicU64};

use ngx::ffi::{
    NGX_LOG_EMERG, ngx_conf_t, ngx_int_t, ngx_pagesize, ngx_shm_zone_t, ngx_slab_alloc,
    ngx_slab_calloc,
};

use super::{LEASE_ZONE_PAGES, add, old_zone, slab_pool};
use crate::{
    config::MainConf,
    live::{networks::LiveNetworks, value_state::Known},
    nginx::{
        callback::{ERROR, OK, guard},
        log,
    },
};

/// The smallest page of a machine, in bytes.
const PAGE: usize = 4096;

type Init = unsafe extern "C" fn(*mut ngx_shm_zone_t, *mut c_void) -> ngx_int_t;

fn variable_name(cluster: &str, key: &str) -> String {
    format!("etcd:variable:{cluster}:{key}")
}

fn geo_name(cluster: &str, prefix: &str) -> String {
    // The name says what lies there: another layout has another one.
    format!("etcd:networks:{cluster}:{prefix}")
}

/// Asks nginx for the zone of a key, once for all variables that have it.
pub(crate) fn add_variable(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    cluster: &str,
    key: &str,
) -> Result<(), String> {
    let size = holding(size_of::<crate::live::value::Live>());
    ask(cf, main, &variable_name(cluster, key), size, init_variable)
}

/// Asks nginx for the zone of a prefix, once for all variables that have it.
pub(crate) fn add_geo(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    cluster: &str,
    prefix: &str,
    size: usize,
) -> Result<(), String> {
    ask(cf, main, &geo_name(cluster, prefix), size, init_geo)
}

/// The size of a zone that holds so much, beside what is nginx's own.
fn holding(bytes: usize) -> usize {
    // SAFETY: nginx sets it at its start.
    (LEASE_ZONE_PAGES + bytes / PAGE + 1) * unsafe { ngx_pagesize }
}

fn ask(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    name: &str,
    size: usize,
    init: Init,
) -> Result<(), String> {
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

/// What the slab pool of a prefix's zone keeps for us: what is known of the networks, and where
/// their table is.
#[repr(C)]
struct Networks {
    known: Known<0>,
    words: *const AtomicU64,
    count: usize,
}

unsafe extern "C" fn init_geo(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `ask` asked for, mapped, with its slab pool made, and
        // the configuration that asked for it.
        let (zone, main) = unsafe { (&*zone, &*(*zone).data.cast::<MainConf>()) };
        let is_too_small = old.is_null() && make_networks(zone).is_none();
        if is_too_small || find_networks(zone).is_none() {
            let name = String::from_utf8_lossy(zone.shm.name.as_bytes()).into_owned();
            let message =
                format!("the zone \"{name}\" of \"etcd_geo\" is too small: raise its \"zone=\"");
            log::to(NGX_LOG_EMERG, zone.shm.log, &message);
            return ERROR;
        }
        let before = old_zone(zone).and_then(find_networks);
        if old.is_null()
            && let Some(before) = &before
            && let Some(networks) = find_networks(zone)
        {
            // Only the size is another one.
            networks.go_on(before);
        }
        for geo in main.geos() {
            if geo_name(&geo.cluster, &geo.prefix).as_bytes() == zone.shm.name.as_bytes() {
                geo.live = find_networks(zone);
                if old.is_null()
                    && before.is_none()
                    && let (Some(networks), Some((cluster_id, revision))) = (&geo.live, geo.origin)
                {
                    // The first list is compared with what the configuration has.
                    networks.go_on_from(cluster_id, revision);
                }
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
        let length = (*pool).pfree * ngx_pagesize;
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

/// What the zone holds, its name, and the configuration that asked for it.
///
/// # Safety
///
/// The zone must be one that [`ask`] asked for with the size of this type, mapped, with its slab
/// pool made, as nginx passes it.
unsafe fn known<const WORDS: usize>(
    zone: *mut ngx_shm_zone_t,
    old: *mut c_void,
) -> Option<(&'static Known<WORDS>, &'static [u8], &'static MainConf)> {
    // SAFETY: the caller's promise. Zeroes are a key that was never heard of; it stays mapped for
    // as long as this cycle, and so live the zone and the configuration.
    unsafe {
        let pool = slab_pool(&*zone);
        if old.is_null() {
            (*pool).data = ngx_slab_calloc(pool, size_of::<Known<WORDS>>());
        }
        let live = (*pool).data.cast::<Known<WORDS>>().as_ref()?;
        Some((live, (*zone).shm.name.as_bytes(), &*(*zone).data.cast::<MainConf>()))
    }
}
