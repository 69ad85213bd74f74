//! The zone of an upstream's figures: of its peers, of its processes, and its history.
//!
//! It lies beside the zone of the peers, so that `zone=` is sized for the peers alone. Where the
//! figures of a peer lie follows from its index in that zone. All of it is mapped, but the kernel
//! gives memory to those pages only that are touched: nothing is written here before it is needed.

use core::{cell::Cell, ffi::c_void, ptr::NonNull, slice};

use ngx::ffi::{ngx_conf_t, ngx_int_t, ngx_shm_zone_t, ngx_slab_alloc};
use peer_statistics::{Head, LAYOUT, Layout, Statistics};
use peer_zone::Zone;

use super::{
    memory::{self, holding, slab_pool},
    names::zone_name,
    sizes::{PROCESSES, size},
};
use crate::{
    config::{Etcd, GroupConf},
    nginx::{
        callback::{ERROR, OK, guard},
        cycle_pool,
    },
};

/// nginx's slab pool keeps 24 bytes for each page of a zone: less than this part of it.
const LIST_OF_PAGES: usize = 128;

/// The zone of an upstream's figures, as nginx will make it or has made it.
#[derive(Debug)]
pub(crate) struct StatisticsZone {
    layout: Layout,
    statistics: Cell<Option<Statistics>>,
}

impl StatisticsZone {
    /// The figures; `None` before the end of the configuration.
    pub(crate) fn get(&self) -> Option<Statistics> {
        self.statistics.get()
    }

    /// Asks nginx for the zone of an upstream's figures. It must be asked for before the peers'
    /// zone, so that nginx makes it first.
    ///
    /// nginx keeps it over a reload if its name and its size are the same, as it keeps the peers'
    /// zone. The name contains the size of that, so that one is kept if the other is, and the
    /// number of the layout, so that another version of the module makes a zone of its own.
    ///
    /// # Errors
    ///
    /// If nginx does not accept it, or there is no memory.
    pub(crate) fn add(
        cf: *mut ngx_conf_t,
        etcd: &Etcd,
        group: Option<&GroupConf>,
    ) -> Result<&'static Self, String> {
        let peers = size(etcd);
        let layout = Layout::new(PROCESSES as usize, Zone::most_indexes(peers));
        let name = zone_name(&format!("etcd:statistics-{LAYOUT}-{peers}"), etcd, group);
        let zone = memory::add(cf, &name, holding(layout.size + layout.size / LIST_OF_PAGES))?;
        // SAFETY: nginx passes a valid configuration, which has given the zone out.
        unsafe {
            let own = Self { layout, statistics: Cell::new(None) };
            let own = cycle_pool::allocate(&*cf, own)
                .ok_or_else(|| format!("no memory for zone \"{name}\""))?;
            (*zone).init = Some(init_statistics_zone);
            (*zone).data = (&raw const *own).cast_mut().cast();
            Ok(own)
        }
    }
}

unsafe extern "C" fn init_statistics_zone(
    zone: *mut ngx_shm_zone_t,
    old: *mut c_void,
) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add` asked for, mapped, with its slab pool made, and
        // what `add` has set as its data.
        let own = unsafe { &*(*zone).data.cast::<StatisticsZone>() };
        // SAFETY: as above. A new zone is zeroes behind what the pool keeps for itself, since it
        // was mapped just now. The pool does not write to what it gives out.
        let start = unsafe {
            let pool = slab_pool(&*zone);
            if old.is_null() {
                (*pool).data = ngx_slab_alloc(pool, own.layout.size);
            }
            (*pool).data.cast::<u8>()
        };
        let Some(start) = NonNull::new(start) else { return ERROR };
        // SAFETY: the pool gave out as many bytes, aligned to a page, for this layout, whose number
        // and sizes are in the zone's name and size. They stay mapped for as long as the cycle.
        own.statistics.set(Some(unsafe { attach(start, &own.layout) }));
        OK
    })
}

/// The figures in the memory that begins at `start`.
///
/// # Safety
///
/// The memory is as large as the layout says, aligned to a cache line, and stays mapped for as long
/// as what is returned is used. It began as zeroes, and has been written to only by what is
/// returned here, in this process or another.
unsafe fn attach(start: NonNull<u8>, layout: &Layout) -> Statistics {
    // SAFETY: the caller's promise. All of it is atomics, for which zeroes are a value.
    unsafe {
        Statistics::new(
            start.cast::<Head>().as_ref(),
            part(start, layout.blocks_at, layout.blocks),
            part(start, layout.slots_at, layout.slots),
            part(start, layout.carries_at, layout.slots),
        )
    }
}

/// # Safety
///
/// As for [`attach`]; so many of `T` lie at this offset.
unsafe fn part<T>(start: NonNull<u8>, at: usize, count: usize) -> &'static [T] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(start.as_ptr().add(at).cast::<T>(), count) }
}
