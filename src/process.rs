//! A worker's life: it joins the zones, sleeps until there is something to do, and stands by to
//! become the watcher.

mod stand_by;

use core::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ngx::ffi::{
    NGX_LOG_ALERT, NGX_LOG_WARN, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_cycle_t, ngx_event_t,
    ngx_int_t, ngx_process,
};
use peer_zone::messages;

use self::stand_by::{Handlers, StandBy};
use crate::{
    files,
    nginx::{
        alarm::{self, TICK},
        bell,
        callback::{ERROR, OK, guard},
        clock,
        event_source::EventSource,
        exclusive::OfProcess,
        log,
    },
    upstream::{CoreConf, Protocol, Serving, Upstream, tls_sessions},
};

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
    stand_by: StandBy,
    /// By which other processes wake this one; without it, it has to look all the time.
    bell: Option<EventSource>,
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
        let of_upstreams = core.upstreams.iter();
        let of_upstreams = of_upstreams
            .filter_map(|upstream| upstream.settings().etcd.as_ref()?.options.state.as_deref());
        let of_variables = core.live.iter().filter_map(|variable| variable.state_file());
        let state_files = of_upstreams.chain(of_variables);
        core.accept(lease.number_cycle(), files::start(cycle, core.clusters.iter(), state_files));
        bell::make();
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
    core.number_peers();
    tls_sessions::stop();
    if !core.upstreams.is_empty() {
        tls_sessions::start(cycle, core.peers());
    }
    let serving = protocols.iter().filter_map(|protocol| (protocol.start)(cycle)).collect();
    // Another process may have died, in whose place this one comes.
    lease.enter_cycle(core.number());
    bell::ring();

    // Without the alarm, nobody would look whether the watcher that this process begins has ended.
    let alarm = alarm::start(on_alarm).inspect_err(|error| {
        log::at(NGX_LOG_ALERT, &format!("etcd: {}", module_messages::never_watcher(error)));
    });
    let process = Process {
        core,
        protocols,
        serving,
        stand_by: StandBy::new(
            cycle,
            core,
            lease,
            alarm.is_ok(),
            Handlers { wake: on_wake, exit: on_exit },
        ),
        bell: bell::listen(on_bell).ok(),
    };
    match PROCESS.replace(Some(process)) {
        Ok(_) => {
            look();
            OK
        }
        Err(lent) => {
            lent.report("the state of this process");
            ERROR
        }
    }
}

/// Called in each process that ends in order.
pub(crate) fn exit_process(protocols: &[Protocol]) {
    protocols.iter().for_each(|protocol| (protocol.stop)());
    tls_sessions::stop();
    alarm::stop();
    match PROCESS.replace(None) {
        Ok(Some(process)) => process.stand_by.end(),
        Ok(None) => {}
        Err(lent) => lent.report("the state of this process"),
    }
}

/// It is time to look again.
unsafe extern "C" fn on_alarm(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of the alarm.
        unsafe { EventSource::clear(event) };
        alarm::note_end();
        look();
    });
}

/// Another process, or the watcher of this one, has done something that this one may have to act
/// upon.
unsafe extern "C" fn on_bell(_: *mut ngx_event_t) {
    guard((), || {
        note_seen();
        look();
    });
}

/// The event loop has come round, and the next request sees what is published: the watcher wakes
/// its own worker with each change, and the others with those that concern them.
fn note_seen() {
    let core = PROCESS.with(|process| process.core);
    for upstream in core.into_iter().flat_map(|core| core.upstreams.iter()) {
        if let Some(statistics) = upstream.statistics() {
            statistics.publication().note_seen(clock::microseconds);
        }
    }
}

/// Called when the watcher has said something or has ended, and by nginx when it closes what is
/// idle: the worker is to end.
unsafe extern "C" fn on_wake(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: nginx calls this with the read event of the watcher's event source.
        let closes = unsafe { EventSource::clear(event) };
        note_seen();
        if PROCESS.with(|process| process.stand_by.hear(closes)) == Some(true) {
            look();
        }
    });
}

/// Called when the holder of the lease has ended.
unsafe extern "C" fn on_exit(_: *mut ngx_event_t) {
    guard((), look);
}

/// Does all that is due, and sets the alarm for the moment at which something is due that nobody
/// tells of.
fn look() {
    let Some((core, has_bell)) = PROCESS.with(|process| (process.core, process.bell.is_some()))
    else {
        return;
    };
    let now = clock::now();
    let mut is_unsettled = !has_bell;
    for upstream in core.upstreams.iter() {
        let shares_column = upstream.with_worker(|worker| {
            worker.update_column();
            worker.shares_column()
        });
        if shares_column.is_none() {
            join(upstream);
        }
        is_unsettled |= shares_column != Some(false);
    }
    let soonest = look_after(now);
    let stand_by = PROCESS.with(|process| process.stand_by.look(now)).flatten();
    alarm::set(soonest.into_iter().chain(stand_by).chain(is_unsettled.then_some(TICK)).min(), now);
}

/// Has each protocol do what is due at `now`. Returns the shortest time after which one has to look
/// again, if one has to.
fn look_after(now: u64) -> Option<Duration> {
    // nginx may call the module for requests that are closed here: the process is not lent then.
    let part = |place: usize| PROCESS.with(|process| process.serving.get(place).copied()).flatten();
    (0..).map_while(part).filter_map(|serving| serving.look_after(now)).min()
}

/// The process that is the watcher, or 0; for the status.
pub(crate) fn watcher_process() -> u32 {
    PROCESS.with(|process| process.stand_by.holder()).unwrap_or_default()
}

/// The number of idle connections to peers that this process keeps, for all protocols; for the
/// status.
pub(crate) fn idle_connections() -> usize {
    let protocols = PROCESS.with(|process| process.protocols).unwrap_or_default();
    protocols.iter().map(|protocol| (protocol.idle_connections)()).sum()
}

/// Why there is no watcher now, if none is about to start; for the status.
pub(crate) fn why_no_watcher() -> Option<String> {
    PROCESS.with(|process| process.stand_by.why_no_watcher()).flatten()
}
