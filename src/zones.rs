//! The shared memory: made, kept and copied as cycles come and go.
//!
//! There is one zone for each upstream, one for what has been said of its keys, and a small one for
//! the lease on being the watcher. nginx keeps a zone over a reload where name, size and tag are
//! the same. The name says the upstream, the cluster and the prefix, so that a changed prefix or
//! cluster starts afresh; where only the size has changed, the peers are copied from the old zone.

mod room;
mod state;
mod told;
mod variable;

use core::{
    ffi::c_void,
    ptr::{self, NonNull},
    slice,
};

use ngx::{
    core::{CoreModuleMainConf, NgxCoreModule},
    ffi::{
        NGX_LOG_EMERG, NGX_LOG_ERR, NGX_MAX_PROCESSES, ngx_conf_t, ngx_cycle, ngx_int_t,
        ngx_list_part_t, ngx_pagesize, ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_alloc,
        ngx_slab_calloc, ngx_slab_pool_t, ngx_str_t,
    },
};
use peer_zone::{
    Capacity, Publisher, Zone,
    protocol::{Lease, Publishing},
};
use upstream_peers::Allow;

use self::state::Loaded;
pub(crate) use self::{
    room::in_words,
    told::{MAX_TOLD, Told, add_told},
    variable::{add_geo, add_variable},
};
use crate::{
    conf::{Etcd, MainConf, UpstreamConf},
    log,
    module::{ERROR, OK, guard},
    monotonic, processes, socket_address,
};

/// The zone of the lease, in pages: the least that nginx's slab pool works with (as for
/// `MIN_ZONE_PAGES`).
const LEASE_ZONE_PAGES: usize = 8;

/// The most processes that use a zone at a time. All are of one master, which starts no more than
/// NGX_MAX_PROCESSES, those of old cycles that have not ended yet counted as well; a few more read
/// a zone (the master, while it copies one).
const PROCESSES: u32 = NGX_MAX_PROCESSES + 32;

/// What a zone's slab pool keeps for us: where the part of it is that peers are in.
#[repr(C)]
struct Region {
    address: *mut u8,
    length: usize,
}

/// The tag by which nginx knows whose a zone is.
fn tag() -> *mut c_void {
    ptr::addr_of!(crate::module::ngx_http_upstream_etcd_module).cast_mut().cast()
}

fn add(
    cf: *mut ngx_conf_t,
    name: &str,
    size: usize,
) -> Result<&'static mut ngx_shm_zone_t, String> {
    let failed = || format!("the shared memory zone \"{name}\" could not be added");
    // SAFETY: nginx passes a valid configuration, in whose pool the name is copied.
    let name = unsafe { ngx_str_t::from_bytes((*cf).pool, name.as_bytes()) };
    let mut name = name.ok_or_else(failed)?;
    // SAFETY: as above.
    unsafe { ngx_shared_memory_add(cf, &raw mut name, size, tag()).as_mut() }.ok_or_else(failed)
}

/// Asks nginx for the zone of an upstream.
pub(crate) fn add_upstream(
    cf: *mut ngx_conf_t,
    conf: *mut UpstreamConf,
    etcd: &Etcd,
) -> Result<(), String> {
    let name = format!("etcd:{}@{}:{}", etcd.upstream, etcd.cluster, etcd.prefix);
    let zone = add(cf, &name, etcd.options.zone_size + list_of_processes())?;
    zone.init = Some(init_upstream_zone);
    zone.data = conf.cast();
    Ok(())
}

/// Bytes that a zone has beside what the configuration asks for: the list of processes, in pages,
/// and one for what nginx itself keeps of these.
fn list_of_processes() -> usize {
    // SAFETY: nginx sets it at its start.
    let page = unsafe { ngx_pagesize };
    Capacity { workers: 0, processes: PROCESSES }.list_of_processes().next_multiple_of(page) + page
}

/// Asks nginx for the zone of the lease, once for a cycle.
pub(crate) fn add_lease(cf: *mut ngx_conf_t, main: &mut MainConf) -> Result<(), String> {
    // SAFETY: nginx sets it at its start.
    let zone = add(cf, "etcd", LEASE_ZONE_PAGES * unsafe { ngx_pagesize })?;
    zone.init = Some(init_lease_zone);
    zone.data = (&raw mut *main).cast();
    Ok(())
}

/// The slab pool at the start of a zone.
fn slab_pool(zone: &ngx_shm_zone_t) -> *mut ngx_slab_pool_t {
    zone.shm.addr.cast()
}

unsafe extern "C" fn init_lease_zone(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add_lease` asked for, mapped, with its slab pool
        // made.
        unsafe {
            let pool = slab_pool(&*zone);
            if old.is_null() {
                (*pool).data = ngx_slab_calloc(pool, size_of::<Lease>());
            }
            let main = &mut *(*zone).data.cast::<MainConf>();
            // A lease of zeroes is one that nobody holds; it stays mapped for as long as this
            // cycle.
            main.lease = (*pool).data.cast::<Lease>().as_ref();
            if main.lease.is_some() { OK } else { ERROR }
        }
    })
}

unsafe extern "C" fn init_upstream_zone(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add_upstream` asked for, mapped, with its slab pool
        // made.
        let (zone, conf) = unsafe { (&mut *zone, &mut *(*zone).data.cast::<UpstreamConf>()) };
        let result = if old.is_null() {
            make(zone, conf)
        } else {
            find(zone).ok_or_else(|| "is damaged".to_owned())
        };
        match result {
            Ok(made) => {
                conf.zone = Some(made);
                OK
            }
            Err(message) => {
                let name = String::from_utf8_lossy(zone.shm.name.as_bytes()).into_owned();
                // SAFETY: nginx sets the zone's log.
                log::to(
                    NGX_LOG_EMERG,
                    zone.shm.log,
                    &format!("the zone \"{name}\" of \"etcd\" {message}"),
                );
                ERROR
            }
        }
    })
}

/// The zone that lies in this memory already.
fn find(zone: &ngx_shm_zone_t) -> Option<Zone> {
    // SAFETY: the memory is mapped; its slab pool keeps a `Region` once `make` has been there.
    let region = unsafe { (*slab_pool(zone)).data.cast::<Region>().as_ref()? };
    // SAFETY: `make` took this part of the memory for peers alone; it stays mapped for as long as
    // the cycle that has it.
    unsafe { Zone::attach(NonNull::new(region.address)?, region.length) }.ok()
}

fn make(zone: &ngx_shm_zone_t, conf: &UpstreamConf) -> Result<Zone, String> {
    let size = zone.shm.size.saturating_sub(list_of_processes());
    let too_small = |why: &str| {
        format!("of {size} bytes is too small ({why}): raise \"zone=\" of the \"etcd\" directive")
    };
    let pool = slab_pool(zone);
    // SAFETY: nobody else knows of the zone yet. What is left of the pool after the first page is
    // one run of free pages.
    let region = unsafe {
        let region = ngx_slab_calloc(pool, size_of::<Region>()).cast::<Region>();
        let length = (*pool).pfree * ngx_pagesize;
        let address = if region.is_null() {
            ptr::null_mut()
        } else {
            ngx_slab_alloc(pool, length).cast::<u8>()
        };
        if address.is_null() {
            return Err(too_small("nothing is left beside nginx's own"));
        }
        region.write(Region { address, length });
        (*pool).data = region.cast();
        &*region
    };
    let base = NonNull::new(region.address).ok_or_else(|| too_small("no memory"))?;
    let capacity = Capacity { workers: worker_processes(conf), processes: PROCESSES };
    // SAFETY: the slab pool gave this memory out to us, aligned to a page, and nobody else knows of
    // it yet; nginx maps it into every worker of the cycle.
    let made = unsafe { Zone::format(base, region.length, capacity) };
    let made = made.map_err(|error| too_small(&error.to_string()))?;

    let publishing = Publishing::unshared();
    // SAFETY: the zone is not shared yet.
    let mut publisher = unsafe { Publisher::take_over(made, &publishing) };
    let copied = old_zone(zone).and_then(find).and_then(|old| copy(old, &conf.allow));
    let Loaded { peers: in_hand, origin, mut report } = match copied {
        Some(peers) => Loaded { peers, origin: None, report: None },
        None => state::load(conf, zone.shm.log),
    };
    let mut options = conf.options();
    if !in_hand.is_empty()
        && let Some(checking) = &mut options.checking
    {
        // They have served before; only those to come have to pass a check first.
        checking.mandatory = false;
    }
    publisher.set_options(options, monotonic::now(), &publishing);
    let peers = conf.servers.iter().cloned().chain(in_hand).collect();
    if let Err(full) = publisher.publish(peers, monotonic::now(), &publishing) {
        let of_lines = publisher.listed().filter(|peer| peer.key.is_none()).count();
        if of_lines < conf.servers.len() {
            // Old peers that do not fit are left out; the configuration's own are a mistake in it.
            return Err(too_small(&full.to_string()));
        }
        let words = in_words(full, size);
        log::to(
            NGX_LOG_ERR,
            zone.shm.log,
            &format!(
                "etcd: upstream \"{}\": {words}",
                conf.etcd.as_ref().map_or("", |etcd| &etcd.upstream)
            ),
        );
        made.set_left_out(full.left_out);
        report.get_or_insert_default().room = Some(words);
    }
    if let Some(report) = report.and_then(|report| report.to_bytes().ok()) {
        publisher.publish_report(&report, &publishing);
    }
    if let Some((cluster_id, revision)) = origin {
        // The first list is compared with these, as after a takeover: what was deleted meanwhile
        // goes, and another or a restored etcd is known for what it is.
        made.set_revision(cluster_id, revision);
        let count = publisher.listed().filter(|peer| peer.key.is_some()).count();
        state::say(conf, count, revision, zone.shm.log);
    }
    Ok(made)
}

/// The peers of a zone of another size; `None` where it cannot be read.
fn copy(old: Zone, allow: &Allow) -> Option<Vec<peer_zone::PeerSpec>> {
    let mut reader = old.join(processes::own(), processes::is_alive)?;
    let mut peers = reader.table().map(|table| table.to_specs()).unwrap_or_default();
    reader.leave();
    peers.retain(|peer| {
        socket_address::parse(&peer.socket_address).is_some_and(|address| allow.permits(&address))
    });
    Some(peers)
}

/// The zone of this name in the cycle that is running.
fn old_zone(zone: &ngx_shm_zone_t) -> Option<&'static ngx_shm_zone_t> {
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
                old.shm.name.as_bytes() == zone.shm.name.as_bytes()
                    && old.init.is_some()
                    && !old.shm.addr.is_null()
            };
            if let Some(old) = zones.iter().find(same) {
                return Some(old);
            }
        }
        part = current.next;
    }
    None
}

/// How many workers the cycle that is being made will have.
fn worker_processes(conf: &UpstreamConf) -> u32 {
    // SAFETY: the cycle is the one that the configuration belongs to.
    let core = unsafe { conf.cycle.as_ref() }.and_then(NgxCoreModule::main_conf);
    core.and_then(|core| u32::try_from(core.worker_processes).ok()).unwrap_or(1)
}
