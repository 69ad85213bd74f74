//! An upstream: its settings, its shared memory, and this process's entry there.

use core::{
    cell::{Cell, UnsafeCell},
    ptr,
};

use idle_cache::Peer;
use ngx::ffi::{ngx_conf_t, ngx_cycle_t};
use peer_statistics::{Recorder, Statistics};
use peer_zone::{Withdrawn, Worker, Zone};

use crate::{
    config::{Etcd, UpstreamConf},
    nginx::{exclusive::Exclusive, processes},
    zones::{LoggedLines, SharedValue, StatisticsZone, UpstreamZone, add_logged_lines},
};

/// An `upstream` block; it lives as long as its cycle.
#[derive(Debug)]
pub(crate) struct Upstream {
    settings: UnsafeCell<UpstreamConf>,
    /// The cycle that it belongs to; null where there is no `etcd`.
    cycle: Cell<*const ngx_cycle_t>,
    zone: Cell<Option<&'static UpstreamZone>>,
    /// How many peers the upstreams before it can have, in this process.
    pub(super) first_peer: Cell<usize>,
    statistics: Cell<Option<&'static StatisticsZone>>,
    logged_lines: Cell<Option<&'static SharedValue<LoggedLines>>>,
    /// This process's entry in the zone; only in workers.
    worker: Exclusive<Option<Worker>>,
    /// Where this process adds the figures of its requests; only in workers.
    recorder: Cell<Recorder>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            settings: UnsafeCell::default(),
            cycle: Cell::new(ptr::null()),
            zone: Cell::default(),
            first_peer: Cell::new(0),
            statistics: Cell::default(),
            recorder: Cell::new(Recorder::nowhere()),
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

    /// It is of the cycle that is being made.
    pub(crate) fn set_cycle(&self, cycle: *const ngx_cycle_t) {
        self.cycle.set(cycle);
    }

    /// Asks nginx for the shared memory of the upstream, once its block has been read: what lies
    /// there depends on its groups.
    ///
    /// # Errors
    ///
    /// Where nginx refuses it, or memory is short.
    pub(crate) fn add_zones(&'static self, cf: *mut ngx_conf_t, etcd: &Etcd) -> Result<(), String> {
        let group = self.settings().group.as_ref();
        let statistics = StatisticsZone::add(cf, etcd, group)?;
        self.statistics.set(Some(statistics));
        // SAFETY: they live as long as this, and change only as `settings_mut` permits.
        let zone = unsafe { UpstreamZone::add(cf, self.settings.get(), etcd, statistics) };
        self.zone.set(Some(zone?));
        self.logged_lines.set(Some(add_logged_lines(cf, etcd)?));
        Ok(())
    }

    /// Tells the peer of this id from those of all upstreams, in this process. `None` before the
    /// zone is mapped, or if the upstream has no number.
    pub(crate) fn peer(&self, id: u64) -> Option<Peer> {
        self.peer_of((self.zone()?.index_of(id), id))
    }

    /// As [`peer`](Self::peer), of a peer's index in the zone and its id.
    #[inline]
    pub(crate) fn peer_of(&self, (index, id): (usize, u64)) -> Option<Peer> {
        let index = self.first_peer.get() + index;
        Some(Peer { index, id: self.settings().key_of(id)? })
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

    /// The figures of its peers and requests, once they are mapped.
    pub(crate) fn statistics(&self) -> Option<Statistics> {
        self.statistics.get()?.get()
    }

    /// Where this process adds the figures of its requests: nowhere before it has an entry in the
    /// zone. Has a slot for each index of the zone once the process has an entry.
    #[inline(always)]
    pub(crate) fn recorder(&self) -> &Recorder {
        // SAFETY: it changes only as the process joins the zone, while no request is served.
        unsafe { &*self.recorder.as_ptr() }
    }

    /// What has been said of its keys, once that is mapped.
    pub(crate) fn logged_lines(&self) -> Option<&'static LoggedLines> {
        self.logged_lines.get()?.get()
    }

    /// Takes an entry in the zone. Says whether there was one left.
    pub(crate) fn join(&self, zone: Zone) -> bool {
        let mut worker = zone.join(processes::own(), processes::is_alive);
        worker.iter_mut().for_each(|worker| worker.set_statistics(self.statistics()));
        let has_joined = worker.is_some();
        let entry = worker.as_ref().map(Worker::entry);
        match self.worker.replace(worker) {
            Ok(_) => {
                let recorder = entry.map(|entry| self.recorder_of(entry, zone.index_limit()));
                self.recorder.set(recorder.unwrap_or_else(Recorder::nowhere));
                has_joined
            }
            Err(mut lent) => {
                // There is an entry already, and a caller has it.
                lent.0.take().into_iter().for_each(Worker::leave);
                lent.report("an entry in the zone");
                true
            }
        }
    }

    /// Where the process with this entry adds figures, with a slot for each index below `indexes`:
    /// requests that get a peer at once do not ask whether there is one.
    fn recorder_of(&self, entry: usize, indexes: usize) -> Recorder {
        let recorder = self.statistics().and_then(|statistics| statistics.recorder(entry));
        let has_all = |recorder: &Recorder| recorder.slots().len() >= indexes;
        recorder.filter(has_all).unwrap_or_else(|| Recorder::nowhere_of(indexes))
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
