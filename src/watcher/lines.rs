//! Lines for nginx's log, said in the thread and written in the event loop: nginx's log writers are
//! not all made for threads.

use std::{
    cell::Cell,
    rc::Rc,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use ngx::ffi::{NGX_LOG_ERR, NGX_LOG_NOTICE, NGX_LOG_WARN};

use super::wake::Waker;
use crate::nginx::log;

/// Lines that may wait for the event loop. More can only come of a flood of different malformed
/// values while the loop is busy; what is over is counted and said so.
const MAX_WAITING: usize = 4096;

/// A line and its level.
type Line = (u32, String);

/// The thread's end.
#[derive(Clone)]
pub(super) struct Lines(Rc<Sender>);

/// What [`Lines`] is made of, before the thread has it.
pub(super) struct Sender {
    sender: SyncSender<Line>,
    waker: Waker,
    lost: Cell<u64>,
}

/// The event loop's end.
pub(super) struct Reader(Receiver<Line>);

impl Lines {
    /// Both ends; the thread makes its own of the sender.
    pub(super) fn channel(waker: Waker) -> (Sender, Reader) {
        let (sender, receiver) = sync_channel(MAX_WAITING);
        (Sender { sender, waker, lost: Cell::new(0) }, Reader(receiver))
    }

    /// The thread's end, in the thread.
    pub(super) fn in_thread(sender: Sender) -> Self {
        Self(Rc::new(sender))
    }

    /// What is as it should be.
    pub(super) fn notice(&self, line: String) {
        self.0.say(NGX_LOG_NOTICE, line);
    }

    /// Trouble that costs nothing yet.
    pub(super) fn warn(&self, line: String) {
        self.0.say(NGX_LOG_WARN, line);
    }

    /// Trouble.
    pub(super) fn error(&self, line: String) {
        self.0.say(NGX_LOG_ERR, line);
    }
}

impl Sender {
    fn say(&self, level: u32, line: String) {
        let lost = self.lost.replace(0);
        if lost > 0
            && self
                .sender
                .try_send((NGX_LOG_ERR, format!("etcd: {lost} lines of log were left out")))
                .is_err()
        {
            self.lost.set(lost + 1);
            return;
        }
        if let Err(TrySendError::Full(_)) = self.sender.try_send((level, line)) {
            self.lost.set(self.lost.get() + 1);
        }
        self.waker.wake();
    }
}

impl Reader {
    /// Writes what has been said so far.
    pub(super) fn write(&self) {
        for (level, line) in self.0.try_iter().take(MAX_WAITING) {
            log::at(level, &line);
        }
    }
}
