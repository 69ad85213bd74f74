//! Signals, as something to wait for.

use std::process::ExitCode;

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

use crate::child;

/// What a signal tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SupervisorEvent {
    /// A child has ended, or one that was left to this process.
    ChildEnded,
    /// Somebody has sent this.
    Signal(Signal),
}

/// All of them: those that are for the program that is run, and the one that tells of a child's
/// end.
pub(crate) struct Listener {
    child: Signals,
    others: Vec<(Signal, Signals)>,
}

impl Listener {
    /// Receives them from now on.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(crate) fn new() -> std::io::Result<Self> {
        let others = [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGHUP,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGWINCH,
        ];
        Ok(Self {
            child: signal(SignalKind::child())?,
            others: others
                .into_iter()
                .map(|number| Ok((number, signal(SignalKind::from_raw(number as i32))?)))
                .collect::<std::io::Result<_>>()?,
        })
    }

    /// Waits until somebody wants the program to end, before it runs anything that signals could be
    /// handed on to.
    ///
    /// The other signals have no meaning at that time: what is started next reads its files and
    /// opens its logs anyway.
    pub(crate) async fn end_requested(&mut self) -> Signal {
        loop {
            if let SupervisorEvent::Signal(
                signal @ (Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT),
            ) = self.next().await
            {
                return signal;
            }
        }
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> SupervisorEvent {
        let Self { child, others } = self;
        std::future::poll_fn(|context| {
            if child.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(SupervisorEvent::ChildEnded);
            }
            for (number, signals) in &mut *others {
                if signals.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(SupervisorEvent::Signal(*number));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// Runs what has nothing to put in order when a signal ends it, also as the first process of a
/// container, which the signal itself does not end.
pub(crate) async fn until_end_requested(task: impl Future<Output = ExitCode>) -> ExitCode {
    let Ok(mut signals) = Listener::new() else { return task.await };
    tokio::select! {
        // Cancel safe: what it has written is written, and it can be run again.
        signal = signals.end_requested() => child::signalled(signal),
        code = task => code,
    }
}
