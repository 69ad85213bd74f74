//! The zone of an upstream's peers: made, kept over reloads, or copied from one of another size.

use core::{
    cell::Cell,
    ffi::c_void,
    ptr::{self, NonNull},
};

use ngx::{
    core::{CoreModuleMainConf, NgxCoreModule},
    ffi::{
        NGX_LOG_EMERG, NGX_LOG_ERR, ngx_conf_t, ngx_cycle_t, ngx_int_t, ngx_shm_zone_t,
        ngx_slab_alloc, ngx_slab_calloc,
    },
};
use peer_zone::{Capacity, Publisher, Zone, messages, protocol::Publishing};

use super::{
    StatisticsZone,
    memory::{add, old_zone, page, slab_pool},
    names::{is_zone_of, zone_name},
    saved_peers::{SavedPeers, load_peers, log_loaded},
    sizes::{PROCESSES, list_of_processes, size},
};
use crate::{
    config::{Etcd, UpstreamConf},
    nginx::{
        callback::{ERROR, OK, guard},
        clock, cycle_pool, log, processes, socket_address,
    },
};

/// What a zone's slab pool keeps for us: where the part of it is that peers are in.
#[repr(C)]
struct Region {
    address: *mut u8,
    length: usize,
}

/// An upstream's zone, as nginx is to make it or has made it.
#[derive(Debug)]
pub(crate) struct UpstreamZone {
    settings: *const UpstreamConf,
    /// The cycle that is being made.
    cycle: *mut ngx_cycle_t,
    /// The zone of the peers' figures, which nginx makes before this one.
    statistics: &'static StatisticsZone,
    zone: Cell<Option<Zone>>,
}

impl UpstreamZone {
    /// The zone; `None` before the end of the configuration.
    pub(crate) fn get(&self) -> Option<Zone> {
        self.zone.get()
    }

    /// Asks nginx for the zone of an upstream. The zone of its figures was asked for before.
    ///
    /// # Safety
    ///
    /// The settings live as long as the cycle, and do not change once the configuration is read.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(crate) unsafe fn add(
        cf: *mut ngx_conf_t,
        settings: *const UpstreamConf,
        etcd: &Etcd,
        statistics: &'static StatisticsZone,
    ) -> Result<&'static Self, String> {
        // SAFETY: the caller's promise.
        let name = zone_name("etcd", etcd, unsafe { &*settings }.group.as_ref());
        let zone = add(cf, &name, size(etcd))?;
        // SAFETY: as above, and nginx passes a valid configuration, which has given the zone out.
        unsafe {
            let (cycle, zone_of) = ((*cf).cycle, Cell::new(None));
            let own = Self { settings, cycle, statistics, zone: zone_of };
            let own = cycle_pool::allocate(&*cf, own)
                .ok_or_else(|| format!("no memory for zone \"{name}\""))?;
            (*zone).init = Some(init_upstream_zone);
            (*zone).data = (&raw const *own).cast_mut().cast();
            Ok(own)
        }
    }
}

unsafe extern "C" fn init_upstream_zone(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add` asked for, mapped, with its slab pool made, and
        // what `add` has set as its data. The configuration has been read: nobody changes the
        // settings any more.
        let (zone, upstream, conf) = unsafe {
            let upstream = &*(*zone).data.cast::<UpstreamZone>();
            (&*zone, upstream, &*upstream.settings)
        };
        let result = if old.is_null() {
            make(zone, upstream, conf)
        } else {
            find(zone).ok_or_else(|| module_messages::zone_damaged(&name(zone)))
        };
        match result {
            Ok(made) => {
                upstream.zone.set(Some(made));
                OK
            }
            Err(message) => {
                log::to(NGX_LOG_EMERG, zone.shm.log, &message);
                ERROR
            }
        }
    })
}

fn name(zone: &ngx_shm_zone_t) -> String {
    String::from_utf8_lossy(zone.shm.name.as_bytes()).into_owned()
}

/// The zone that lies in this memory already.
fn find(zone: &ngx_shm_zone_t) -> Option<Zone> {
    // SAFETY: the memory is mapped; its slab pool keeps a `Region` once `make` has been there.
    let region = unsafe { (*slab_pool(zone)).data.cast::<Region>().as_ref()? };
    // SAFETY: `make` took this part of the memory for peers alone; it stays mapped for as long as
    // the cycle that has it.
    unsafe { Zone::attach(NonNull::new(region.address)?, region.length) }.ok()
}

fn make(
    zone: &ngx_shm_zone_t,
    upstream: &UpstreamZone,
    conf: &UpstreamConf,
) -> Result<Zone, String> {
    let size = zone.shm.size.saturating_sub(list_of_processes());
    let too_small = |why: &str| messages::too_small(&name(zone), size, why);
    let pool = slab_pool(zone);
    // SAFETY: nobody else knows of the zone yet. What is left of the pool after the first page is
    // one run of free pages.
    let region = unsafe {
        let region = ngx_slab_calloc(pool, size_of::<Region>()).cast::<Region>();
        let length = (*pool).pfree * page();
        let address = if region.is_null() {
            ptr::null_mut()
        } else {
            ngx_slab_alloc(pool, length).cast::<u8>()
        };
        if address.is_null() {
            return Err(too_small("no space left beside nginx's own"));
        }
        region.write(Region { address, length });
        (*pool).data = region.cast();
        &*region
    };
    let base = NonNull::new(region.address).ok_or_else(|| too_small("no memory"))?;
    let capacity = Capacity { workers: worker_processes(upstream.cycle), processes: PROCESSES };
    // SAFETY: the slab pool gave this memory out to us, aligned to a page, and nobody else knows of
    // it yet; nginx maps it into every worker of the cycle.
    let made = unsafe { Zone::format(base, region.length, capacity) };
    let made = made.map_err(|error| too_small(&error.to_string()))?;

    let publishing = Publishing::unshared();
    // SAFETY: the zone is not shared yet.
    let mut publisher = unsafe { Publisher::take_over(made, &publishing) };
    if let Some(statistics) = upstream.statistics.get() {
        publisher.set_statistics(statistics, &publishing);
    }
    let copied = conf.etcd.as_ref().and_then(|etcd| {
        let old = old_zone(|name| is_zone_of("etcd", etcd, name))?;
        copy(find(old)?, conf)
    });
    let SavedPeers { peers: in_hand, origin, mut report } = match copied {
        Some(peers) => SavedPeers { peers, origin: None, report: None },
        None => load_peers(conf, zone.shm.log),
    };
    let mut options = conf.options();
    if !in_hand.is_empty()
        && let Some(checking) = &mut options.checking
    {
        // They have served before; only those to come have to pass a check first.
        checking.mandatory = false;
    }
    publisher.set_options(options, clock::now(), &publishing);
    let peers = conf.servers.iter().cloned().chain(in_hand).collect();
    if let Err(full) = publisher.publish(peers, clock::now(), &publishing) {
        let of_lines = publisher.listed().filter(|peer| peer.key.is_none()).count();
        if of_lines < conf.servers.len() {
            // Old peers that do not fit are left out; the configuration's own are a mistake in it.
            return Err(too_small(&full.to_string()));
        }
        let words = messages::shortage(&full, size);
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
        log_loaded(conf, count, revision, zone.shm.log);
    }
    Ok(made)
}

/// The peers of a zone of another size, or with other groups; `None` where it cannot be read.
fn copy(old: Zone, conf: &UpstreamConf) -> Option<Vec<peer_zone::PeerSpec>> {
    let mut reader = old.join(processes::own(), processes::is_alive)?;
    let mut peers = reader.table().map(|table| table.to_specs()).unwrap_or_default();
    reader.leave();
    // Those that are not selected any more go with the list: see `Membership::seed`.
    peers.retain(|peer| {
        socket_address::parse(&peer.socket_address)
            .is_some_and(|address| conf.allow.permits(&address))
    });
    for peer in &mut peers {
        let by = conf.group.as_ref().map(|group| &group.by);
        peer.group =
            by.zip(peer.key.as_ref()).and_then(|(by, key)| by.group_of(key, peer.labels.as_ref()));
    }
    Some(peers)
}

/// How many workers the cycle that is being made will have.
fn worker_processes(cycle: *mut ngx_cycle_t) -> u32 {
    // SAFETY: the cycle is the one that the configuration belongs to.
    let core = unsafe { cycle.as_ref() }.and_then(NgxCoreModule::main_conf);
    core.and_then(|core| u32::try_from(core.worker_processes).ok()).unwrap_or(1)
}
