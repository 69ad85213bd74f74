//! A worker's life: it joins the zones, and stands by to become the watcher.

use core::{
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use ngx::{
    ffi::{
        NGX_LOG_ALERT, NGX_LOG_ERR, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_add_timer, ngx_cycle_t,
        ngx_del_timer, ngx_event_t, ngx_exiting, ngx_int_t, ngx_msec_t, ngx_pid, ngx_process, ngx_quit,
        ngx_terminate,
    },
    http::HttpModuleMainConf,
};
use peer_zone::{Worker, protocol::Lease};

use crate::{
    conf::{MainConf, UpstreamConf},
    log,
    module::{Module, OK, guard},
    monotonic, processes,
    watcher::{Plan, Watcher},
};

/// How often (ms) a worker looks whether the watcher lives. With the time of a list it stays far below the second within which another takes
/// over, and ten wake-ups a second cost nothing that can be measured.
const STAND_BY: ngx_msec_t = 100;

/// How long (ms) a process whose watcher has failed leaves the lease to others before it tries again: half of the second within which
/// a watcher is back, and long enough that one that fails at once each time does not flood the log.
const AFTER_FAILURE: u64 = 500;

/// What a worker process keeps beside nginx's own; made in `init_process`, gone in `exit_process`.
struct Process {
    main: *mut MainConf,
    lease: &'static Lease,
    cycle: u32,
    timer: ngx_event_t,
    watcher: Option<Watcher>,
    /// When, in milliseconds of the monotonic clock, this process may be the watcher again.
    not_before: u64,
}

/// The one of this process, or null.
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

/// The process's entry in the upstream's zone; taken now where that has not been possible before. `None` where there is no room.
pub(crate) fn worker(conf: &mut UpstreamConf) -> Option<&mut Worker> {
    if conf.worker.is_none() {
        join(conf);
    }
    conf.worker.as_mut()
}

fn join(conf: &mut UpstreamConf) {
    static COMPLAINED: AtomicBool = AtomicBool::new(false);
    let Some(zone) = conf.zone else { return };
    let process = own_id();
    conf.worker = zone.join(process, processes::started(process));
    if conf.worker.is_none() && !COMPLAINED.swap(true, Ordering::Relaxed) {
        log::at(
            NGX_LOG_ALERT,
            "etcd: no room for one more worker process in a zone: too many old ones have not ended yet",
        );
    }
}

fn own_id() -> u32 {
    // SAFETY: nginx sets it when a process starts. A process id is positive.
    unsafe { ngx_pid as u32 }
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
    }
    // A process that is master and worker at once goes on with a new configuration without a new `init_process`.
    if !PROCESS.load(Ordering::Relaxed).is_null() {
        exit_process();
        return init_process(cycle);
    }
    OK
}

/// Called in each process that nginx starts.
pub(crate) fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    if !is_worker() {
        return OK;
    }
    // SAFETY: nginx passes a valid cycle.
    let cycle = unsafe { &*cycle };
    let Some(main) = Module::main_conf_mut(cycle) else { return OK };
    let Some(lease) = main.lease else { return OK };
    for upstream in main.upstreams() {
        join(upstream);
    }
    lease.enter_cycle(main.cycle);

    let process = Box::into_raw(Box::new(Process {
        lease,
        cycle: main.cycle,
        main,
        // SAFETY: zeroes are a valid event, as nginx's own are made.
        timer: unsafe { core::mem::zeroed() },
        watcher: None,
        not_before: 0,
    }));
    PROCESS.store(process, Ordering::Relaxed);
    // SAFETY: made above; nothing else refers to it.
    let process = unsafe { &mut *process };
    process.timer.handler = Some(on_timer);
    process.timer.data = (&raw const TIMER_CONNECTION).cast_mut().cast();
    process.timer.log = cycle.log;
    // A worker that is to end does not wait for this.
    process.timer.set_cancelable(1);
    process.stand_by();
    OK
}

/// Called in each process that ends in order.
pub(crate) fn exit_process() {
    let process = PROCESS.swap(ptr::null_mut(), Ordering::Relaxed);
    if process.is_null() {
        return;
    }
    // SAFETY: `init_process` made it so, and nothing else refers to it any more.
    let mut process = unsafe { Box::from_raw(process) };
    if process.timer.timer_set() != 0 {
        // SAFETY: the timer is in nginx's tree.
        unsafe { ngx_del_timer(&raw mut process.timer) };
    }
    if let Some(watcher) = process.watcher.take()
        && let Err(message) = watcher.end()
    {
        log::at(NGX_LOG_ERR, &format!("etcd: the watcher failed: {message}"));
    }
}

/// nginx's debug log looks for a connection's `fd` behind a timer's `data`.
static TIMER_CONNECTION: [u64; 16] = [u64::MAX; 16];

unsafe extern "C" fn on_timer(_event: *mut ngx_event_t) {
    guard((), with_process_standing_by);
}

fn with_process_standing_by() {
    // SAFETY: `init_process` made it, and `exit_process` stops the timer before it goes.
    if let Some(process) = unsafe { PROCESS.load(Ordering::Relaxed).as_mut() } {
        process.stand_by();
    }
}

/// Called by the watcher's connection when nginx closes what is idle: the worker is to end.
pub(crate) fn give_way() {
    // SAFETY: as above; the timer's handler is not running now.
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
            None if ends => return,
            None => self.claim(),
        }
        // SAFETY: the event lives until `exit_process`, which takes it out of nginx's tree.
        unsafe { ngx_add_timer(&raw mut self.timer, STAND_BY) };
    }

    fn claim(&mut self) {
        let now = monotonic::now();
        if now < self.not_before {
            return;
        }
        let claimed = self.lease.claim(own_id(), self.cycle, now, processes::exists);
        let Some(claim) = claimed else { return };
        // SAFETY: the configuration lives for as long as the cycle, and longer than this process's part in it.
        let main = unsafe { &*self.main };
        match Watcher::start(Plan::of(main, self.lease, claim)) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) => {
                self.lease.release(claim);
                log::at(NGX_LOG_ALERT, &format!("etcd: the watcher cannot be started: {error}"));
            }
        }
    }
}
