//! A worker's part in the lease on being the watcher: it holds the lease, or waits for the end of
//! the process that does.

use core::time::Duration;

use ngx::{
    core::{CoreModuleMainConf, NgxCoreModule},
    ffi::{
        NGX_LOG_ALERT, NGX_LOG_ERR, ngx_cycle_t, ngx_exiting, ngx_quit, ngx_terminate, ngx_worker,
    },
};
use peer_zone::protocol::Lease;
use retry_backoff::Backoff;

use crate::{
    nginx::{
        alarm::TICK, bell, clock, event_source::Handler, exit_watch::ExitWatch, log, processes,
    },
    upstream::CoreConf,
    watcher::{Plan, Watcher},
};

/// The workers take turns of so many milliseconds, in which one looks whether the holder of the
/// lease is stopped (SIGSTOP, a debugger), of which nobody tells. The turn of the holder itself is
/// lost, so that 2 s pass between two looks at most. A holder that only has much to do, or gets no
/// processor, keeps the lease: its successor would be no faster.
const TURN: u64 = 1_000;

/// How long (ms) a holder must be found stopped until another takes its place.
const STOPPED: u64 = 1_000;

/// How often it is looked at meanwhile.
const STOPPED_LOOK: Duration = Duration::from_millis(250);

/// How long a process whose watcher has failed leaves the lease to others before it tries again:
/// half of the second within which a watcher is back, and long enough that one that fails at once
/// each time does not flood the log.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// The longest pause between two attempts to start the watcher, which begin with [`AFTER_FAILURE`]
/// and double: a worker may get what it needs, such as threads, at any time.
const LONGEST_BETWEEN_STARTS: Duration = Duration::from_secs(30);

/// What the event loop calls for the lease.
#[derive(Clone, Copy)]
pub(super) struct Handlers {
    /// When the watcher has said something or has ended, and when nginx closes what is idle.
    pub(super) wake: Handler,
    /// When the holder of the lease has ended.
    pub(super) exit: Handler,
}

/// What a worker knows of the lease.
pub(super) struct StandBy {
    core: &'static CoreConf,
    lease: &'static Lease,
    /// Whether it may be the watcher at all.
    may_watch: bool,
    handlers: Handlers,
    watcher: Option<Watcher>,
    /// The holder, if that is another process, by which its end is noticed.
    holder: Option<ExitWatch>,
    /// The number of this worker, and how many workers there are.
    turn: (u64, u64),
    /// When (ms) it is this worker's turn to look whether the holder is stopped.
    next_turn: u64,
    /// Which holder was found stopped, and when (ms) first.
    stopped: Option<(u32, u64)>,
    /// When, in milliseconds of the monotonic clock, this process may be the watcher again.
    not_before: u64,
    /// Why the last attempt to start the watcher failed, if it did.
    start_error: Option<String>,
    /// The pauses between such attempts.
    start_backoff: Backoff,
}

/// Whether this process is to end.
fn ends() -> bool {
    // SAFETY: nginx sets these in this process, from its event loop.
    unsafe { ngx_exiting != 0 || ngx_quit != 0 || ngx_terminate != 0 }
}

impl StandBy {
    /// Of a worker of `cycle` that begins; `may_watch`: whether it may ever be the watcher.
    pub(super) fn new(
        cycle: &ngx_cycle_t,
        core: &'static CoreConf,
        lease: &'static Lease,
        may_watch: bool,
        handlers: Handlers,
    ) -> Self {
        let workers = NgxCoreModule::main_conf(cycle).map_or(1, |core| core.worker_processes);
        let workers = u64::try_from(workers).unwrap_or(1).max(1);
        // SAFETY: nginx sets it when a worker starts.
        let number = unsafe { ngx_worker } as u64;
        Self {
            core,
            lease,
            may_watch,
            handlers,
            watcher: None,
            holder: None,
            turn: (number % workers, workers),
            next_turn: 0,
            stopped: None,
            not_before: 0,
            start_error: None,
            start_backoff: Backoff::new(AFTER_FAILURE, LONGEST_BETWEEN_STARTS),
        }
    }

    /// Takes what the watcher has said; `closes`: the worker is to end. Returns whether the watcher
    /// has ended.
    pub(super) fn hear(&self, closes: bool) -> bool {
        let Some(watcher) = &self.watcher else { return false };
        if closes {
            watcher.ask_to_end();
        }
        watcher.write_lines();
        watcher.has_ended()
    }

    /// The process that holds the lease, or 0.
    pub(super) fn holder(&self) -> u32 {
        self.lease.holder()
    }

    /// Why there is no watcher now, if none is about to start.
    pub(super) fn why_no_watcher(&self) -> Option<String> {
        let error = self.start_error.as_ref().filter(|_| self.lease.holder() == 0);
        let delay = self.lease.restart_backoff().waiting(clock::now());
        delay
            .map(|delay| delay.to_string())
            .or_else(|| error.map(module_messages::watcher_not_started))
    }

    /// Ends the watcher of this process, which exits.
    pub(super) fn end(self) {
        if let Some(watcher) = self.watcher
            && let Err(message) = watcher.end()
        {
            log::at(NGX_LOG_ERR, &format!("etcd: {}", module_messages::watcher_failed(message)));
        }
    }

    /// Becomes the watcher where there is none; looks after the one that this process has. Returns
    /// after which time to look again, if nobody tells when.
    pub(super) fn look(&mut self, now: u64) -> Option<Duration> {
        if let Some(watcher) = &self.watcher {
            if !watcher.has_ended() {
                if ends() || !self.lease.holds(watcher.claim(), self.core.number()) {
                    watcher.ask_to_end();
                } else {
                    watcher.look();
                }
                return None;
            }
            self.end_watcher(now);
        }
        if !self.may_watch || ends() || !self.lease.is_newest(self.core.number()) {
            self.holder = None;
            return None;
        }
        self.claim(now);
        if self.watcher.is_some() {
            self.holder = None;
            return None;
        }
        self.wait(now)
    }

    fn end_watcher(&mut self, now: u64) {
        if let Some(watcher) = self.watcher.take()
            && let Err(message) = watcher.end()
        {
            self.not_before = now + AFTER_FAILURE.as_millis() as u64;
            let message = module_messages::watcher_restarted(message);
            log::at(NGX_LOG_ERR, &format!("etcd: {message}"));
        }
    }

    /// How long (ms) this process leaves the lease to others, or all leave it to nobody.
    fn pause(&self, now: u64) -> u64 {
        let delay = self.lease.restart_backoff().waiting(now).map_or(0, |delay| delay.wait);
        self.not_before.saturating_sub(now).max(delay)
    }

    fn claim(&mut self, now: u64) {
        if self.pause(now) > 0 {
            return;
        }
        let is_alive = |process| match &self.holder {
            Some(holder) if holder.process() == process => !holder.has_ended(),
            _ => processes::runs(process),
        };
        let claim = self.lease.claim(processes::own().id(), self.core.number(), is_alive);
        if let Some(claim) = claim {
            self.begin(claim, now);
        }
    }

    /// Starts the watcher, with the lease that was got.
    fn begin(&mut self, claim: u64, now: u64) {
        let restart_backoff = self.lease.restart_backoff();
        if let Err(delay) = restart_backoff.begin(claim, now) {
            self.lease.release(claim);
            log::at(NGX_LOG_ALERT, &format!("etcd: {delay}"));
        } else {
            match Watcher::start(Plan::of(self.core, self.lease, claim), self.handlers.wake) {
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
                    let message = module_messages::watcher_not_started_yet(
                        &error,
                        Duration::from_millis(pause),
                    );
                    log::at(NGX_LOG_ALERT, &format!("etcd: {message}"));
                    self.start_error = Some(error);
                }
            }
        }
        // The others have another holder to watch, or none.
        bell::ring();
    }

    /// Sees to it that this process hears of the end of the holder. Returns after which time to
    /// look again.
    fn wait(&mut self, now: u64) -> Option<Duration> {
        let holder = self.lease.holder();
        if holder == 0 {
            self.holder = None;
            return Some(Duration::from_millis(self.pause(now)).max(TICK));
        }
        if self.holder.as_ref().is_none_or(|watched| watched.process() != holder) {
            self.holder = ExitWatch::start(holder, self.handlers.exit).ok();
        }
        let is_stopped = self.is_stopped(holder, now);
        match &self.holder {
            // It is dead, or nobody will tell.
            None => Some(TICK),
            // It has ended just now, or this process leaves the lease to others.
            Some(watched) if watched.has_ended() => {
                Some(Duration::from_millis(self.pause(now).max(1)))
            }
            Some(_) if is_stopped => Some(STOPPED_LOOK),
            Some(_) => Some(Duration::from_millis(self.next_turn.saturating_sub(now).max(1))),
        }
    }

    /// Whether the holder is stopped, as far as it is this worker's turn to find that out. If it is
    /// for long enough, this process takes its place.
    fn is_stopped(&mut self, holder: u32, now: u64) -> bool {
        if self.stopped.is_none() && now < self.next_turn {
            return false;
        }
        let (number, workers) = self.turn;
        let period = TURN * workers;
        self.next_turn = now - now % period + number * TURN;
        if self.next_turn <= now {
            self.next_turn += period;
        }
        if !processes::is_stopped(holder) {
            self.stopped = None;
            return false;
        }
        let known = self.stopped.filter(|&(process, _)| process == holder);
        let (_, since) = *self.stopped.insert(known.unwrap_or((holder, now)));
        if now.saturating_sub(since) >= STOPPED && self.pause(now) == 0 {
            let own = processes::own().id();
            if let Some(claim) = self.lease.pass_over(holder, own, self.core.number()) {
                (self.stopped, self.holder) = (None, None);
                self.begin(claim, now);
            }
        }
        true
    }
}
