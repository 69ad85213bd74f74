//! Pins: how a reader keeps what it reads from being reused.

use super::sync::{AtomicU32, Ordering, fence};

/// The place of what is published now; 0 while nothing is.
#[derive(Debug)]
#[repr(transparent)]
pub struct Root(AtomicU32);

/// What one reader is reading; 0 while it reads nothing.
#[derive(Debug)]
#[repr(transparent)]
pub struct Pin(AtomicU32);

impl Root {
    /// A root that names `place`, in units from the start of the memory; 0: nothing.
    pub fn new(place: u32) -> Self {
        Self(AtomicU32::new(place))
    }

    /// The place that is published now, for its only writer.
    pub fn current(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Publishes `place`: what was written there before is seen by a process that pins it.
    pub fn publish(&self, place: u32) {
        self.0.store(place, Ordering::Release);
        // Orders the store before the loads of the pins in `is_pinned`; its counterpart is in
        // `Pin::set`.
        fence(Ordering::SeqCst);
    }
}

impl Pin {
    /// A pin on nothing.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Pins what `root` names and returns its place. What lies there is not reused until
    /// [`Pin::clear`].
    pub fn set(&self, root: &Root) -> u32 {
        let mut place = root.0.load(Ordering::Relaxed);
        loop {
            // Release, as in `clear`: a publisher that finds this pin in the place of an older one
            // may reuse what that one kept.
            self.0.store(place, Ordering::Release);
            // Either the publisher sees this pin before it reuses the place, or the load below sees
            // that the root has moved on.
            fence(Ordering::SeqCst);
            let now = root.0.load(Ordering::Acquire);
            if now == place {
                return place;
            }
            place = now;
        }
    }

    /// Pins `place`, which another pin of this reader keeps already.
    pub fn set_to(&self, place: u32) {
        self.0.store(place, Ordering::Release);
    }

    /// Ends the pin; what was written while it was set is seen by a publisher that finds it
    /// cleared.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// The place that this reader may be reading, or 0. That it is not some place means something
    /// once another has been published.
    pub fn place(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(loom)]
impl Default for Pin {
    fn default() -> Self {
        Self::new()
    }
}
