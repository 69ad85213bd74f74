//! The thread that follows etcd and publishes: one for a whole nginx, in the worker that holds the
//! lease.

mod checks;
mod claim;
mod contact;
mod endpoints;
#[cfg(feature = "injected-faults")]
mod faults;
mod following;
mod lines;
mod live_variables;
mod malformed_keys;
mod peer_specs;
mod plan;
mod prefix;
mod run;
mod saved_values;
mod state;
mod upstream;
mod upstream_log;
mod wake;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use tokio::sync::{Notify, watch};

use self::lines::{Lines, Reader};
pub(crate) use self::plan::Plan;
use crate::nginx::{
    event_source::{EventSource, Handler},
    log,
};

/// The running thread, as its worker's event loop knows it.
pub(crate) struct Watcher {
    /// With what it holds the lease.
    claim: u64,
    thread: JoinHandle<Result<(), String>>,
    /// Whether the thread is at its end.
    has_ended: Arc<AtomicBool>,
    stop: Arc<Notify>,
    /// Tells the thread that processes may have died.
    looks: watch::Sender<()>,
    lines: Reader,
    /// By which the thread wakes the event loop; closed with this value.
    _wake: EventSource,
}

impl Watcher {
    /// Starts the thread. The event loop calls `on_wake`, with the read event of an
    /// [`EventSource`], when there are lines to write, when the thread has ended, and when the
    /// worker is to end.
    ///
    /// # Errors
    ///
    /// Where the operating system has no thread or descriptor left, or nginx no connection.
    pub(crate) fn start(plan: Plan, on_wake: Handler) -> io::Result<Self> {
        let (wake, waker) = wake::channel(on_wake)?;
        let at_end = waker.try_clone()?;
        let claim = plan.claim;
        let has_ended = Arc::<AtomicBool>::default();
        let (looks, looked) = watch::channel(());
        let stop = Arc::new(Notify::new());
        let (lines, reader) = Lines::channel(waker);
        let (stopped, ended) = (Arc::clone(&stop), Arc::clone(&has_ended));
        let thread = with_signals_blocked(|| {
            std::thread::Builder::new().name("etcd-watcher".to_owned()).spawn(move || {
                let result = run::run_thread(plan, lines, &stopped, &looked);
                ended.store(true, Ordering::Release);
                at_end.wake();
                result
            })
        })?;
        Ok(Self { claim, thread, has_ended, stop, looks, lines: reader, _wake: wake })
    }

    /// With what it holds the lease.
    pub(crate) fn claim(&self) -> u64 {
        self.claim
    }

    /// Has the thread look now for what dead processes have left.
    pub(crate) fn look(&self) {
        self.looks.send_replace(());
    }

    /// Asks the thread to end, without waiting for it.
    pub(crate) fn ask_to_end(&self) {
        self.stop.notify_one();
    }

    /// Whether the thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Waits for the thread, which ends at once when asked to. The error says how it failed.
    pub(crate) fn end(self) -> Result<(), String> {
        self.ask_to_end();
        let result = self.thread.join();
        self.lines.write();
        result.unwrap_or_else(|panic| Err(log::panic_message(&*panic)))
    }

    /// Writes the lines that the thread has said so far.
    pub(crate) fn write_lines(&self) {
        self.lines.write();
    }
}

/// Runs `spawn` with all signals blocked that are not the thread's own fault, so that the new
/// thread gets none of nginx's (as nginx's own pool of threads does it, in ngx_thread_pool_cycle).
fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: the sets are local variables, filled before they are used; the calls fail only for
    // invalid arguments.
    unsafe {
        let mut blocked: libc::sigset_t = core::mem::zeroed();
        let mut before: libc::sigset_t = core::mem::zeroed();
        libc::sigfillset(&raw mut blocked);
        for signal in [libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS] {
            libc::sigdelset(&raw mut blocked, signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const blocked, &raw mut before);
        let result = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, core::ptr::null_mut());
        result
    }
}
