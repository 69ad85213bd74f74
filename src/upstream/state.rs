//! An upstream: its settings, its shared memory, and this process's entry there.

use core::{
    cell::{Cell, UnsafeCell},
    ptr,
};

use ngx::ffi::{ngx_conf_t, ngx_cycle_t};
use peer_zone::{Withdrawn, Worker, Zone};

use crate::{
    config::{Etcd, UpstreamConf},
    nginx::{exclusive::Exclusive, processes},
    zones::{LoggedLines, SharedValue, UpstreamZone, add_logged_lines},
};

/// An `upstream` block; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct Upstream {
    settings: UnsafeCell<UpstreamConf>,
    /// The cycle that it belongs to; null where there is no `etcd`.
    cycle: Cell<*const ngx_cycle_t>,
    zone: Cell<Option<&'static UpstreamZone>>,
    logged_lines: Cell<Option<&'static SharedValue<LoggedLines>>>,
    /// This process's entry in the zone; only in workers.
    worker: Exclusive<Option<Worker>>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            settings: UnsafeCell::default(),
            cycle: Cell::new(ptr::null()),
            zone: Cell::default(),
            logged_lines: Cell::default(),
            worker: Exclusive::default(),
        }
    }
}

impl Upstream {
    /// What its directives say.
    #[inline]
    pub(crate) fn settings(&self) -> &UpstreamConf {
        // SAFETY: they change only as `settings_mut` permits.
        unsafe { &*self.settings.get() }
    }

    /// The same, for its directives.
    ///
    /// # Safety
    ///
    /// To be called only while the configuration is read, where no other reference to the settings
    /// is in use: by the handler of a directive in the upstream, and by `init_upstream`.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that there is no other one")]
    pub(crate) unsafe fn settings_mut(&self) -> &mut UpstreamConf {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.settings.get() }
    }

    /// Asks nginx for the shared memory of the upstream, whose settings have `etcd` to be.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(crate) fn add_zones(&'static self, cf: &mut ngx_conf_t, etcd: &Etcd) -> Result<(), String> {
        self.cycle.set(cf.cycle);
        // SAFETY: they live as long as this, and change only as `settings_mut` permits.
        self.zone.set(Some(unsafe { UpstreamZone::add(cf, self.settings.get(), etcd) }?));
        self.logged_lines.set(Some(add_logged_lines(cf, etcd)?));
        Ok(())
    }

    /// Whether it is of this cycle.
    pub(crate) fn is_of(&self, cycle: *const ngx_cycle_t) -> bool {
        ptr::eq(self.cycle.get(), cycle)
    }

    /// The zone, once it is mapped.
    #[inline]
    pub(crate) fn zone(&self) -> Option<Zone> {
        self.zone.get()?.get()
    }

    /// What has been said of its keys, once that is mapped.
    pub(crate) fn logged_lines(&self) -> Option<&'static LoggedLines> {
        self.logged_lines.get()?.get()
    }

    /// Takes an entry in the zone. Says whether there was one left.
    pub(crate) fn join(&self, zone: Zone) -> bool {
        let worker = zone.join(processes::own(), processes::is_alive);
        let has_joined = worker.is_some();
        match self.worker.replace(worker) {
            Ok(_) => has_joined,
            Err(mut lent) => {
                // There is an entry already, and a caller has it.
                lent.0.take().into_iter().for_each(Worker::leave);
                lent.report("an entry in the zone");
                true
            }
        }
    }

    /// Calls `call` with this process's entry in the zone. `None` in a process that has none, and
    /// where a caller further up has it.
    #[inline]
    pub(crate) fn with_worker<R>(&self, call: impl FnOnce(&mut Worker) -> R) -> Option<R> {
        self.worker.with_some(call)
    }

    /// As [`with_worker`](Self::with_worker), for a call that nothing comes in between.
    ///
    /// # Safety
    ///
    /// Nothing that `call` calls asks for the entry.
    #[inline(always)]
    pub(crate) unsafe fn with_worker_alone<R>(
        &self,
        call: impl FnOnce(&mut Worker) -> R,
    ) -> Option<R> {
        // SAFETY: the caller's promise.
        unsafe { self.worker.with_alone(|worker| worker.as_mut().map(call)) }.flatten()
    }

    /// Tells of the peers that have left the service since the last call; `now` in milliseconds.
    /// Costs a load where none has. Returns whether one could not be read yet.
    #[inline]
    pub(crate) fn read_withdrawals(&self, now: u64, tell: impl FnMut(&Zone, Withdrawn)) -> bool {
        // SAFETY: to look is to load two words.
        let is_any = unsafe { self.with_worker_alone(|worker| worker.has_withdrawals()) };
        is_any == Some(true) && self.read_unread(now, tell)
    }

    #[cold]
    #[inline(never)]
    fn read_unread(&self, now: u64, tell: impl FnMut(&Zone, Withdrawn)) -> bool {
        let mut tell = tell;
        let is_unread = self.with_worker(|worker| {
            let zone = *worker.zone();
            worker.read_withdrawals(now, |departed| tell(&zone, departed));
            worker.has_withdrawals()
        });
        is_unread == Some(true)
    }
}
