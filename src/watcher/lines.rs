//! Lines for nginx's log, said in the thread and written in the event loop: nginx's log writers are
//! not all made for threads.

use std::{collections::VecDeque, mem, rc::Rc, sync::Arc};

use ngx::ffi::{NGX_LOG_ERR, NGX_LOG_NOTICE, NGX_LOG_WARN};
use parking_lot::Mutex;

use super::wake::Waker;
use crate::nginx::log;

/// Lines that may wait for the event loop. More can only come of a flood of different malformed
/// values while the loop is busy; those beyond are dropped, and their number is logged.
const MAX_WAITING: usize = 4096;

/// A line and its level.
type Line = (u32, String);

/// What waits for the event loop. Either side holds the lock for a few instructions: no line is
/// made and none is written under it.
#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    dropped: u64,
}

/// The thread's end.
#[derive(Clone)]
pub(super) struct Lines(Rc<Sender>);

/// What [`Lines`] is made of, before the thread has it.
pub(super) struct Sender {
    queue: Arc<Mutex<Queue>>,
    waker: Waker,
}

/// The event loop's end.
pub(super) struct Reader(Arc<Mutex<Queue>>);

impl Lines {
    /// Both ends; the thread makes its own of the sender.
    pub(super) fn channel(waker: Waker) -> (Sender, Reader) {
        let queue = Arc::default();
        (Sender { queue: Arc::clone(&queue), waker }, Reader(queue))
    }

    /// The thread's end, in the thread.
    pub(super) fn in_thread(sender: Sender) -> Self {
        Self(Rc::new(sender))
    }

    /// Logs a change that is as it should be.
    pub(super) fn notice(&self, line: String) {
        self.0.push(NGX_LOG_NOTICE, line);
    }

    /// Logs trouble that costs nothing yet.
    pub(super) fn warn(&self, line: String) {
        self.0.push(NGX_LOG_WARN, line);
    }

    /// Logs trouble.
    pub(super) fn error(&self, line: String) {
        self.0.push(NGX_LOG_ERR, line);
    }
}

impl Sender {
    fn push(&self, level: u32, line: String) {
        {
            let mut queue = self.queue.lock();
            if queue.lines.len() < MAX_WAITING {
                queue.lines.push_back((level, line));
            } else {
                queue.dropped += 1;
            }
        }
        self.waker.wake();
    }
}

impl Reader {
    /// Writes the lines that wait.
    pub(super) fn write(&self) {
        let Queue { lines, dropped } = mem::take(&mut *self.0.lock());
        for (level, line) in lines {
            log::at(level, &line);
        }
        if dropped > 0 {
            let message = module_messages::lines_dropped(dropped, MAX_WAITING);
            log::error(&format!("etcd: {message}"));
        }
    }
}
