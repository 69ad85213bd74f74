//! A worker's life: it joins the zones, and stands by to become the watcher.

use core::{
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
    time::Duration,
};

use ngx::{
    ffi::{
        NGX_LOG_ALERT, NGX_LOG_ERR, NGX_LOG_WARN, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER,
        ngx_cycle_t, ngx_event_t, ngx_exiting, ngx_int_t, ngx_process, ngx_quit, ngx_terminate,
    },
    http::HttpModuleMainConf,
};
use peer_zone::{
    Worker,
    protocol::{Lease, RestartDelay},
};

use crate::{
    conf::{MainConf, UpstreamConf},
    departures, drain,
    event_source::EventSource,
    files, keepalive, log,
    module::{Module, OK, guard},
    monotonic, processes,
    ticker::Ticker,
    tls_sessions,
    watcher::{Plan, Watcher},
};

/// How often a worker looks whether the watcher lives. With the time of a list it stays far below
/// the second within which another takes over, and ten wake-ups a second cost nothing that can be
/// measured.
const STAND_BY: Duration = Duration::from_millis(100);

/// How long (ms) a process whose watcher has failed leaves the lease to others before it tries
/// again: half of the second within which a watcher is back, and long enough that one that fails at
/// once each time does not flood the log.
const AFTER_FAILURE: u64 = 500;

/// The longest pause (ms) between two attempts to start the watcher, which begin with
/// [`AFTER_FAILURE`] and double: what a worker has not, threads for one, it may be given at any
/// time.
const MOST_BETWEEN_STARTS: u64 = 30_000;

/// With so large a part of the processes that there can be ([`MANY`] of [`MANY_OF`]), the log
/// warns.
const MANY: u64 = 3;
const MANY_OF: u64 = 4;

/// What a worker process keeps beside nginx's own; made in `init_process`, gone in `exit_process`.
struct Process {
    main: *mut MainConf,
    lease: &'static Lease,
    cycle: u32,
    /// By which this process looks at the lease; without it, it is never the watcher.
    ticker: Option<Ticker>,
    watcher: Option<Watcher>,
    /// When, in milliseconds of the monotonic clock, this process may be the watcher again.
    not_before: u64,
    /// Why it could not start the watcher, and how often in a row.
    not_started: Option<(String, u32)>,
}

/// The one of this process, or null.
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

/// The process's entry in the upstream's zone. `None` only in a process that has no part in it.
pub(crate) fn worker(conf: &mut UpstreamConf) -> Option<&mut Worker> {
    conf.worker.as_mut()
}

/// Takes an entry in the upstream's zone, of which there are as many as nginx can have processes
/// (see `zones::PROCESSES`).
fn join(conf: &mut UpstreamConf) {
    static COMPLAINED: AtomicBool = AtomicBool::new(false);
    let (Some(zone), Some(etcd)) = (conf.zone, &conf.etcd) else { return };
    conf.worker = zone.join(processes::own(), processes::is_alive);
    let (count, most) = (zone.processes(), zone.most_processes());
    if conf.worker.is_some() && u64::from(count) * MANY_OF < u64::from(most) * MANY {
        return;
    }
    if !COMPLAINED.swap(true, Ordering::Relaxed) {
        let level = if conf.worker.is_some() { NGX_LOG_WARN } else { NGX_LOG_ALERT };
        let message = format!(
            "etcd: {count} processes use the zone of upstream \"{}\", and {most} can: old workers \
            have not ended \
             yet (\"worker_shutdown_timeout\" limits how long they take)",
            etcd.upstream
        );
        log::at(level, &message);
    }
}

fn is_worker() -> bool {
    // SAFETY: nginx sets it before it calls a module.
    let kind = unsafe { ngx_process };
    kind == NGX_PROCESS_WORKER as usize || kind == NGX_PROCESS_SINGLE as usize
}

/// Called when a configuration is accepted, in the process that read it, before its workers start.
pub(crate) fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx passes a valid cycle.
    let cycle = unsafe { &mut *cycle };
    if let Some(main) = Module::main_conf_mut(cycle)
        && let Some(lease) = main.lease
    {
        main.cycle = lease.number_cycle();
        main.files = Some(files::start(cycle, main));
    }
    // A process that is master and worker at once goes on with a new configuration without a new
    // `init_process`.
    if !PROCESS.load(Ordering::Relaxed).is_null() {
        exit_process();
        return init_process(cycle);
    }
    OK
}

/// Called in each process that nginx starts.
pub(crate) fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx passes a valid cycle.
    let cycle = unsafe { &mut *cycle };
    let Some(main) = Module::main_conf_mut(cycle) else { return OK };
    if !is_worker() {
        // A cache's processes have no use for files, and their end of the way to them would keep
        // the process at the other end.
        main.files = None;
        return OK;
    }
    let Some(lease) = main.lease else { return OK };
    for upstream in main.upstreams() {
        join(upstream);
    }
    keepalive::start(cycle, main);
    tls_sessions::start(cycle, main);
    drain::start(cycle, main);
    lease.enter_cycle(main.cycle);

    let process = Box::into_raw(Box::new(Process {
        lease,
        cycle: main.cycle,
        main,
        ticker: None,
        watcher: None,
        not_before: 0,
        not_started: None,
    }));
    PROCESS.store(process, Ordering::Relaxed);
    // SAFETY: made above; nothing else refers to it.
    let process = unsafe { &mut *process };
    match Ticker::start(STAND_BY, on_tick) {
        Ok(ticker) => process.ticker = Some(ticker),
        Err(error) => {
            log::at(
                NGX_LOG_ALERT,
                &format!("etcd: this worker cannot stand by to be the watcher: {error}"),
            );
        }
    }
    process.stand_by();
    OK
}

/// Called in each process that ends in order.
pub(crate) fn exit_process() {
    keepalive::stop();
    tls_sessions::stop();
    let process = PROCESS.swap(ptr::null_mut(), Ordering::Relaxed);
    if process.is_null() {
        return;
    }
    // SAFETY: `init_process` made it so, and nothing else refers to it any more.
    let mut process = unsafe { Box::from_raw(process) };
    drop(process.ticker.take());
    if let Some(watcher) = process.watcher.take()
        && let Err(message) = watcher.end()
    {
        log::at(NGX_LOG_ERR, &format!("etcd: the watcher failed: {message}"));
    }
}

unsafe extern "C" fn on_tick(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of the ticker.
        unsafe { EventSource::clear(event) };
        stand_by();
    });
}

fn stand_by() {
    // SAFETY: `init_process` made it, and `exit_process` drops the ticker before it goes.
    let Some(main) =
        (unsafe { PROCESS.load(Ordering::Relaxed).as_ref() }).map(|process| process.main)
    else {
        return;
    };
    let is_draining = look_after_connections(main);
    // SAFETY: as above; what has been called meanwhile refers to it no more.
    if let Some(process) = unsafe { PROCESS.load(Ordering::Relaxed).as_mut() } {
        if let Some(ticker) = &mut process.ticker {
            ticker.set_period(if is_draining { drain::LOOK } else { STAND_BY });
        }
        process.stand_by();
    }
}

/// Closes what is to be closed of peers that have left. Returns whether more is about to be.
fn look_after_connections(main: *const MainConf) -> bool {
    let now = monotonic::now();
    // SAFETY: the configuration lives for as long as the cycle, and longer than this process's part
    // in it; its list does not change.
    let upstreams = unsafe { &(*main).upstreams };
    let mut is_draining = false;
    for &upstream in upstreams {
        // SAFETY: as above; nginx calls one callback at a time, and the reference is gone before
        // the next call.
        unsafe {
            match &mut (*upstream).worker {
                Some(worker) => worker.update_column(),
                None => join(&mut *upstream),
            }
            drain::refresh(&mut *upstream, &*main, now);
            departures::read(&mut *upstream, now);
            is_draining |= drain::look(upstream, now);
        }
    }
    is_draining
}

/// Called by the watcher's connection when nginx closes what is idle: the worker is to end.
pub(crate) fn give_way() {
    // SAFETY: as above; no other handler is running now.
    if let Some(process) = unsafe { PROCESS.load(Ordering::Relaxed).as_mut() }
        && let Some(watcher) = &process.watcher
    {
        watcher.ask_to_end();
    }
}

/// Calls `call` with this process's watcher, if it has one.
pub(crate) fn with_watcher(call: impl FnOnce(&Watcher)) {
    // SAFETY: as above.
    if let Some(process) = unsafe { PROCESS.load(Ordering::Relaxed).as_ref() }
        && let Some(watcher) = &process.watcher
    {
        call(watcher);
    }
}

/// The process that is the watcher, or 0; for the status.
pub(crate) fn watcher_process() -> u32 {
    // SAFETY: as above.
    unsafe { PROCESS.load(Ordering::Relaxed).as_ref() }.map_or(0, |process| process.lease.holder())
}

/// Why nobody is the watcher just now, if that is to stay so for a while; for the status.
pub(crate) fn setback() -> Option<String> {
    // SAFETY: as above.
    let process = unsafe { PROCESS.load(Ordering::Relaxed).as_ref() }?;
    let failed = process.not_started.as_ref().filter(|_| process.lease.holder() == 0);
    let setback = process.lease.restart_backoff().waiting(monotonic::now()).map(in_words);
    setback.or_else(|| failed.map(|(error, _)| cannot_start(error)))
}

fn cannot_start(error: &str) -> String {
    format!(
        "the watcher cannot be started, and no peer is learnt of: {error}: see to what the worker \
        may have (threads, descriptors, memory)"
    )
}

fn in_words(setback: RestartDelay) -> String {
    let RestartDelay { in_a_row, wait } = setback;
    format!(
        "{in_a_row} watchers in a row have ended before they had listed their keys: if their \
        workers were killed, see to the memory that these \
         may have and to the number of keys; the next one begins in {:.1} s, and the peers in hand \
         stay",
        wait as f64 / 1_000.0
    )
}

impl Process {
    /// Becomes the watcher where there is none; looks after the one that this process has.
    fn stand_by(&mut self) {
        // SAFETY: nginx sets these in this process, from its event loop.
        let ends = unsafe { ngx_exiting != 0 || ngx_quit != 0 || ngx_terminate != 0 };
        match &self.watcher {
            Some(watcher) if watcher.has_ended() => {
                if let Some(watcher) = self.watcher.take()
                    && let Err(message) = watcher.end()
                {
                    self.not_before = monotonic::now() + AFTER_FAILURE;
                    log::at(
                        NGX_LOG_ERR,
                        &format!("etcd: the watcher failed and is started again: {message}"),
                    );
                }
            }
            Some(watcher) if ends => watcher.ask_to_end(),
            Some(_) => {}
            None if ends => {}
            None => self.claim(),
        }
    }

    fn claim(&mut self) {
        let now = monotonic::now();
        let restart_backoff = self.lease.restart_backoff();
        if now < self.not_before || restart_backoff.waiting(now).is_some() {
            return;
        }
        let claimed = self.lease.claim(processes::own().id(), self.cycle, now, processes::exists);
        let Some(claim) = claimed else { return };
        if let Err(setback) = restart_backoff.begin(claim, now) {
            self.lease.release(claim);
            log::at(NGX_LOG_ALERT, &format!("etcd: {}", in_words(setback)));
            return;
        }
        // SAFETY: the configuration lives for as long as the cycle, and longer than this process's
        // part in it.
        let main = unsafe { &*self.main };
        match Watcher::start(Plan::of(main, self.lease, claim)) {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.not_started = None;
            }
            Err(error) => {
                restart_backoff.ended(claim);
                self.lease.release(claim);
                let (error, before) =
                    (error.to_string(), self.not_started.take().map_or(0, |(_, before)| before));
                let pause =
                    AFTER_FAILURE.checked_shl(before).unwrap_or(u64::MAX).min(MOST_BETWEEN_STARTS);
                self.not_before = now + pause;
                let message = cannot_start(&error);
                log::at(NGX_LOG_ALERT, &format!("etcd: {message}; tried again in {} ms", pause));
                self.not_started = Some((error, before.saturating_add(1)));
            }
        }
    }
}
