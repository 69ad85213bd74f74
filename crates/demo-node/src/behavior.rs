//! How a node answers those whom it lets in, while it runs.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::http::StatusCode;

/// What [`Node::set_delay`](crate::Node::set_delay), [`Node::set_status`](crate::Node::set_status),
/// [`Node::set_health`](crate::Node::set_health), [`Node::set_firehose`](crate::Node::set_firehose)
/// and [`Node::set_repeat`](crate::Node::set_repeat) say.
#[derive(Debug, Default)]
pub(crate) struct Behavior {
    /// In milliseconds.
    delay: AtomicU64,
    /// 0 where the path decides.
    status: AtomicU16,
    /// Of `/healthz`; 0 where nothing was said.
    health: AtomicU16,
    /// How long a GET waits where it answers as Firehose does, in milliseconds; 0 where it does
    /// not.
    firehose: AtomicU64,
    /// After what silence a WebSocket is told the name again, in milliseconds; 0 where it is not.
    repeat: AtomicU64,
}

impl Behavior {
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.load(Relaxed))
    }

    pub(crate) fn set_status(&self, status: Option<StatusCode>) {
        self.status.store(status.map_or(0, |status| status.as_u16()), Relaxed);
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.status.load(Relaxed)).ok()
    }

    pub(crate) fn set_health(&self, status: u16) {
        self.health.store(status, Relaxed);
    }

    pub(crate) fn set_firehose(&self, poll: Option<Duration>) {
        self.firehose.store(milliseconds(poll), Relaxed);
    }

    pub(crate) fn firehose(&self) -> Option<Duration> {
        duration(self.firehose.load(Relaxed))
    }

    pub(crate) fn set_repeat(&self, silence: Option<Duration>) {
        self.repeat.store(milliseconds(silence), Relaxed);
    }

    pub(crate) fn repeat(&self) -> Option<Duration> {
        duration(self.repeat.load(Relaxed))
    }

    pub(crate) fn health(&self) -> StatusCode {
        StatusCode::from_u16(self.health.load(Relaxed)).unwrap_or(StatusCode::OK)
    }
}

/// 0 stands for none.
fn milliseconds(duration: Option<Duration>) -> u64 {
    duration.map_or(0, |duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1))
}

fn duration(milliseconds: u64) -> Option<Duration> {
    Some(milliseconds).filter(|&milliseconds| milliseconds > 0).map(Duration::from_millis)
}
