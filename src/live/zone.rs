//! The shared memory of live variables: one zone for each key or prefix, kept over reloads by its
//! name, or copied from one of another size.

use core::{
    cell::{Cell, OnceCell},
    ffi::c_void,
    slice,
    sync::atomic::AtomicU64,
};

use live_value::messages::zone_too_small;
use ngx::ffi::{
    NGX_LOG_EMERG, ngx_conf_t, ngx_int_t, ngx_shm_zone_t, ngx_slab_alloc, ngx_slab_calloc,
};

use super::{key_state::KeyState, kind::LiveKind, memory::LiveMemory};
use crate::{
    nginx::{
        callback::{ERROR, OK, guard},
        cycle_pool, log,
    },
    zones::memory::{add, old_zone, page, slab_pool},
};

/// What the slab pool of a zone keeps for us: what is known of the keys, and where their values
/// are.
#[repr(C)]
struct Layout {
    state: KeyState,
    words: *const AtomicU64,
    count: usize,
}

/// Where the values are, once nginx has mapped their zone.
#[derive(Debug)]
pub(super) struct LiveZone {
    memory: OnceCell<LiveMemory>,
    /// The last variable with these keys that says where its values come from, or what file keeps
    /// them, or the first one.
    conf: Cell<&'static dyn LiveKind>,
}

impl LiveZone {
    /// The values; `None` before the end of the configuration.
    pub(super) fn get(&self) -> Option<&LiveMemory> {
        self.memory.get()
    }

    /// What a directive with these keys says, which is the one with a file if one has one.
    pub(super) fn conf(&self) -> &'static dyn LiveKind {
        self.conf.get()
    }

    /// Asks nginx for the zone of a variable. Asked again, with the same directive, cluster and
    /// keys, it gives the same one.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(super) fn add(
        cf: *mut ngx_conf_t,
        conf: &'static dyn LiveKind,
    ) -> Result<&'static Self, String> {
        let source = conf.source();
        // The name says what lies there: another layout has another one.
        let name = format!(
            "etcd:{}{}:{}:{}",
            source.directive,
            conf.form(),
            source.cluster,
            source.keys.as_str()
        );
        let zone = add(cf, &name, conf.zone_size())?;
        // SAFETY: nginx passes a valid configuration, which has given the zone out; `data` is what
        // was set here for the same name.
        let own = unsafe {
            match (*zone).data.cast::<Self>().as_ref() {
                Some(known) => known,
                None => {
                    let own = Self { memory: OnceCell::new(), conf: Cell::new(conf) };
                    let own = cycle_pool::allocate(&*cf, own)
                        .ok_or_else(|| format!("no memory for zone \"{name}\""))?;
                    (*zone).init = Some(init);
                    (*zone).data = (&raw const *own).cast_mut().cast();
                    own
                }
            }
        };
        if conf.initial_origin().is_some() || conf.state_file().is_some() {
            own.conf.set(conf);
        }
        Ok(own)
    }
}

unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes the zone that `add` asked for, mapped, with its slab pool made, and
        // what `add` has set as its data.
        let (zone, own) = unsafe { (&*zone, &*(*zone).data.cast::<LiveZone>()) };
        let conf = own.conf.get();
        let is_new = old.is_null();
        let is_too_small = is_new && lay_out(zone).is_none();
        let is_table = conf.is_table();
        let Some(memory) = find(zone, is_table).filter(|_| !is_too_small) else {
            let name = String::from_utf8_lossy(zone.shm.name.as_bytes()).into_owned();
            let message = zone_too_small(&name, conf.source().directive);
            log::to(NGX_LOG_EMERG, zone.shm.log, &message);
            return ERROR;
        };
        // nginx makes a zone once for a cycle.
        let _ = own.memory.set(memory);
        if is_new {
            if conf.is_secret() {
                exclude_from_dumps(zone);
            }
            match old_zone(|name| name == zone.shm.name.as_bytes())
                .and_then(|old| find(old, is_table))
            {
                // Only the size is another one.
                Some(before) => conf.content(memory).go_on(&before, &memory),
                // The first list is compared with what a file or the configuration has.
                None => {
                    let origin =
                        conf.load_saved(&memory, zone.shm.log).or_else(|| conf.initial_origin());
                    memory.state.store_origin(origin, None);
                }
            }
        }
        OK
    })
}

/// Makes room for values of all that a fresh zone has. It is memory that nobody has touched yet,
/// which is zeroes, and takes no memory until it is used.
fn lay_out(zone: &ngx_shm_zone_t) -> Option<()> {
    let pool = slab_pool(zone);
    // SAFETY: nobody else knows of the zone yet. What is left of the pool after the first page is
    // one run of free pages.
    unsafe {
        let layout = ngx_slab_calloc(pool, size_of::<Layout>()).cast::<Layout>().as_mut()?;
        let length = (*pool).pfree * page();
        let words = ngx_slab_alloc(pool, length).cast::<AtomicU64>();
        if words.is_null() {
            return None;
        }
        layout.words = words;
        layout.count = length / size_of::<AtomicU64>();
        (*pool).data = (&raw mut *layout).cast();
    }
    Some(())
}

/// Leaves a zone out of the core dumps of this process, and of those that it starts: what its
/// values say is not to lie in a file. A system that does not know of that dumps it.
fn exclude_from_dumps(zone: &ngx_shm_zone_t) {
    // SAFETY: the zone is mapped as a whole, and its memory stays as it is.
    let _ = unsafe { libc::madvise(zone.shm.addr.cast(), zone.shm.size, libc::MADV_DONTDUMP) };
}

/// What lies in a zone.
fn find(zone: &ngx_shm_zone_t, is_table: bool) -> Option<LiveMemory> {
    // SAFETY: the memory is mapped; its slab pool keeps a `Layout` once `lay_out` has been there,
    // with words that are nobody else's. Both stay mapped for as long as the cycle that has the
    // zone, and so does the caller.
    unsafe {
        let layout = (*slab_pool(zone)).data.cast::<Layout>().as_ref()?;
        let words = slice::from_raw_parts(layout.words, layout.count);
        Some(LiveMemory::new(&layout.state, words, is_table))
    }
}
