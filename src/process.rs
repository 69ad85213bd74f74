//! A worker's life: it joins the zones, and stands by to become the watcher.

use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ngx::ffi::{
    NGX_LOG_ALERT, NGX_LOG_ERR, NGX_LOG_WARN, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_cycle_t,
    ngx_event_t, ngx_exiting, ngx_int_t, ngx_process, ngx_quit, ngx_terminate,
};
use peer_zone::{messages, protocol::Lease};
use retry_backoff::Backoff;

use crate::{
    files,
    nginx::{
        callback::{ERROR, OK, guard},
        clock,
        event_source::EventSource,
        exclusive::OfProcess,
        log, processes,
        ticker::Ticker,
    },
    upstream::{CoreConf, Kept, Protocol, Serving, Upstream},
    watcher::{Plan, Watcher},
};

/// How often a worker looks whether the watcher lives. With the time of a list it stays far below
/// the second within which another takes over, and ten wake-ups a second cost nothing that can be
/// measured.
const STAND_BY: Duration = Duration::from_millis(100);

/// How long a process whose watcher has failed leaves the lease to others before it tries again:
/// half of the second within which a watcher is back, and long enough that one that fails at once
/// each time does not flood the log.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// The longest pause between two attempts to start the watcher, which begin with [`AFTER_FAILURE`]
/// and double: a worker may get what it needs, such as threads, at any time.
const LONGEST_BETWEEN_STARTS: Duration = Duration::from_secs(30);

/// With so large a part of the processes that there can be ([`MANY`] of [`MANY_OF`]), the log
/// warns.
const MANY: u64 = 3;
const MANY_OF: u64 = 4;

/// What a worker process keeps beside nginx's own; made in `init_process`, gone in `exit_process`.
struct Process {
    core: &'static CoreConf,
    protocols: &'static [Protocol],
    /// The parts of the cycle that the protocols have.
    serving: Vec<&'static dyn Serving>,
    lease: &'static Lease,
    /// By which this process looks at the lease; without it, it is never the watcher.
    ticker: Option<Ticker>,
    watcher: Option<Watcher>,
    /// When, in milliseconds of the monotonic clock, this process may be the watcher again.
    not_before: u64,
    /// Why the last attempt to start the watcher failed, if it did.
    start_error: Option<String>,
    /// The pauses between such attempts.
    start_backoff: Backoff,
}

/// The one of this process.
// SAFETY: only callbacks of the event loop, and of a process's start and end, come here.
static PROCESS: OfProcess<Process> = unsafe { OfProcess::new() };

/// Takes an entry in the upstream's zone. There is one for each process that nginx can have.
fn join(upstream: &Upstream) {
    static COMPLAINED: AtomicBool = AtomicBool::new(false);
    let (Some(zone), Some(etcd)) = (upstream.zone(), &upstream.settings().etcd) else { return };
    let has_joined = upstream.join(zone);
    let (count, most) = (zone.processes(), zone.most_processes());
    if has_joined && u64::from(count) * MANY_OF < u64::from(most) * MANY {
        return;
    }
    if !COMPLAINED.swap(true, Ordering::Relaxed) {
        let level = if has_joined { NGX_LOG_WARN } else { NGX_LOG_ALERT };
        let message = messages::many_processes(&etcd.upstream, count, most);
        log::at(level, &format!("etcd: {message}"));
    }
}

fn is_worker() -> bool {
    // SAFETY: nginx sets it before it calls a module.
    let kind = unsafe { ngx_process };
    kind == NGX_PROCESS_WORKER as usize || kind == NGX_PROCESS_SINGLE as usize
}

/// Called when a configuration is accepted, in the process that read it, before its workers start.
pub(crate) fn init_module(cycle: *mut ngx_cycle_t, protocols: &'static [Protocol]) -> ngx_int_t {
    // SAFETY: nginx passes a valid cycle.
    let cycle = unsafe { &*cycle };
    if let Some(core) = CoreConf::of(cycle)
        && let Some(lease) = core.lease()
    {
        let state_files = core
            .upstreams
            .iter()
            .filter_map(|upstream| upstream.settings().etcd.as_ref()?.options.state.as_deref());
        core.accept(lease.number_cycle(), files::start(cycle, core.clusters.iter(), state_files));
    }
    // A process that is master and worker at once goes on with a new configuration without a new
    // `init_process`.
    if PROCESS.with(|_| ()).is_some() {
        exit_process(protocols);
        return init_process(cycle, protocols);
    }
    OK
}

/// Called in each process that nginx starts.
pub(crate) fn init_process(cycle: *const ngx_cycle_t, protocols: &'static [Protocol]) -> ngx_int_t {
    // SAFETY: nginx passes a valid cycle.
    let cycle = unsafe { &*cycle };
    let Some(core) = CoreConf::of(cycle) else { return OK };
    if !is_worker() {
        // A cache's processes have no use for files, and their end of the way to them would keep
        // the process at the other end.
        core.give_up_files();
        return OK;
    }
    let Some(lease) = core.lease() else { return OK };
    core.upstreams.iter().for_each(join);
    let serving = protocols.iter().filter_map(|protocol| (protocol.start)(cycle)).collect();
    lease.enter_cycle(core.number());

    let ticker = Ticker::start(STAND_BY, on_tick).inspect_err(|error| {
        log::at(NGX_LOG_ALERT, &format!("etcd: {}", module_messages::never_watcher(error)));
    });
    let mut process = Process {
        core,
        protocols,
        serving,
        lease,
        ticker: ticker.ok(),
        watcher: None,
        not_before: 0,
        start_error: None,
        start_backoff: Backoff::new(AFTER_FAILURE, LONGEST_BETWEEN_STARTS),
    };
    process.stand_by();
    match PROCESS.replace(Some(process)) {
        Ok(_) => OK,
        Err(lent) => {
            lent.report("the state of this process");
            ERROR
        }
    }
}

/// Called in each process that ends in order.
pub(crate) fn exit_process(protocols: &[Protocol]) {
    protocols.iter().for_each(|protocol| (protocol.stop)());
    let mut process = match PROCESS.replace(None) {
        Ok(Some(process)) => process,
        Ok(None) => return,
        Err(lent) => return lent.report("the state of this process"),
    };
    drop(process.ticker.take());
    if let Some(watcher) = process.watcher.take()
        && let Err(message) = watcher.end()
    {
        log::at(NGX_LOG_ERR, &format!("etcd: {}", module_messages::watcher_failed(message)));
    }
}

unsafe extern "C" fn on_tick(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of the ticker.
        unsafe { EventSource::clear(event) };
        let Some(core) = PROCESS.with(|process| process.core) else { return };
        for upstream in core.upstreams.iter() {
            if upstream.with_worker(|worker| worker.update_column()).is_none() {
                join(upstream);
            }
        }
        let soonest = look_after(clock::now());
        PROCESS.with(|process| {
            if let Some(ticker) = &mut process.ticker {
                ticker.set_period(soonest.unwrap_or(STAND_BY));
            }
            process.stand_by();
        });
    });
}

/// Has each protocol do what is due at `now`. Returns the shortest time after which one has to look
/// again, if that is sooner than usual.
fn look_after(now: u64) -> Option<Duration> {
    // nginx may call the module for requests that are closed here: the process is not lent then.
    let part = |place: usize| PROCESS.with(|process| process.serving.get(place).copied()).flatten();
    (0..).map_while(part).filter_map(|serving| serving.look_after(now)).min()
}

/// Called when the watcher has said something, and by nginx when it closes what is idle: the worker
/// is to end.
unsafe extern "C" fn on_wake(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of the watcher's event source.
        let closes = unsafe { EventSource::clear(event) };
        PROCESS.with(|process| {
            let Some(watcher) = &process.watcher else { return };
            if closes {
                watcher.ask_to_end();
            }
            watcher.write_lines();
        });
    });
}

/// The process that is the watcher, or 0; for the status.
pub(crate) fn watcher_process() -> u32 {
    PROCESS.with(|process| process.lease.holder()).unwrap_or_default()
}

/// What this process keeps of its connections to peers, for all protocols; for the status.
pub(crate) fn kept() -> Kept {
    let add = |all: Kept, one: Kept| Kept {
        idle_connections: all.idle_connections + one.idle_connections,
        tls_sessions: all.tls_sessions + one.tls_sessions,
    };
    let protocols = PROCESS.with(|process| process.protocols).unwrap_or_default();
    protocols.iter().map(|protocol| (protocol.kept)()).fold(Kept::default(), add)
}

/// Why there is no watcher now, if none is about to start; for the status.
pub(crate) fn why_no_watcher() -> Option<String> {
    PROCESS
        .with(|process| {
            let error = process.start_error.as_ref().filter(|_| process.lease.holder() == 0);
            let delay = process.lease.restart_backoff().waiting(clock::now());
            delay
                .map(|delay| delay.to_string())
                .or_else(|| error.map(module_messages::watcher_not_started))
        })
        .flatten()
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
                    self.not_before = clock::now() + AFTER_FAILURE.as_millis() as u64;
                    let message = module_messages::watcher_restarted(message);
                    log::at(NGX_LOG_ERR, &format!("etcd: {message}"));
                }
            }
            Some(watcher) if ends => watcher.ask_to_end(),
            Some(_) => {}
            None if ends => {}
            None => self.claim(),
        }
    }

    fn claim(&mut self) {
        let now = clock::now();
        let restart_backoff = self.lease.restart_backoff();
        if now < self.not_before || restart_backoff.waiting(now).is_some() {
            return;
        }
        let claimed =
            self.lease.claim(processes::own().id(), self.core.number(), now, processes::exists);
        let Some(claim) = claimed else { return };
        if let Err(delay) = restart_backoff.begin(claim, now) {
            self.lease.release(claim);
            log::at(NGX_LOG_ALERT, &format!("etcd: {delay}"));
            return;
        }
        match Watcher::start(Plan::of(self.core, self.lease, claim), on_wake) {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.start_error = None;
                self.start_backoff.reset();
            }
            Err(error) => {
                restart_backoff.ended(claim);
                self.lease.release(claim);
                let error = error.to_string();
                let pause = self.start_backoff.next_wait().as_millis() as u64;
                self.not_before = now + pause;
                let message =
                    module_messages::watcher_not_started_yet(&error, Duration::from_millis(pause));
                log::at(NGX_LOG_ALERT, &format!("etcd: {message}"));
                self.start_error = Some(error);
            }
        }
    }
}
