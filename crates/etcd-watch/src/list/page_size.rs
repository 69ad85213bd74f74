//! How many keys are asked for at once.
//!
//! etcd 3.4 visits all keys from the first of a page to the end of the range for each page, so that
//! small pages of a long list cost it many times what large ones do.

use std::time::Duration;

/// Keys of the first page, which tells how many there are, how long they are and how fast they
/// come. With some 200 bytes each it is an answer of 200 kB.
pub(super) const FIRST_KEYS: i64 = 1_000;

/// Keys of the largest page.
const MOST_KEYS: i64 = 16_000;

/// Bytes that a page is planned to have at most, if its keys are as long as those of the page
/// before: a quarter of what a message may have, since the next ones may be longer.
const PLANNED_BYTES: usize = 4 << 20;

/// As much of the deadline of an answer as a page is planned to take.
const PLANNED_SHARE: u32 = 4;

/// By how much a page shrinks when its answer is larger than a message may be: from 1 000 keys to
/// one in five steps.
const SHRINK: i64 = 4;

/// The size of the next page.
#[derive(Debug)]
pub(super) struct PageSize {
    keys: i64,
    /// What it grows to at most.
    most: i64,
}

impl PageSize {
    pub(super) fn new() -> Self {
        Self { keys: FIRST_KEYS, most: MOST_KEYS }
    }

    /// Keys to ask for.
    pub(super) fn keys(&self) -> i64 {
        self.keys
    }

    /// A page has brought so many keys with so many bytes after so long, where `deadline` would
    /// have been allowed: the next one is as large as comes in good time.
    pub(super) fn note_page(
        &mut self,
        keys: usize,
        bytes: usize,
        took: Duration,
        deadline: Duration,
    ) {
        let in_bytes = PLANNED_BYTES as f64 / bytes.max(1) as f64;
        let planned = deadline / PLANNED_SHARE;
        let in_time = planned.as_secs_f64() / took.as_secs_f64().max(f64::MIN_POSITIVE);
        // A float becomes an integer without overflow: the largest one where it is too large.
        let keys = (keys as f64 * in_bytes.min(in_time)) as i64;
        self.keys = keys.clamp(FIRST_KEYS.min(self.most), self.most);
    }

    /// The answer was larger than a message may be. Returns whether a smaller page can be asked
    /// for; all that follow are no larger than that.
    pub(super) fn shrink(&mut self) -> bool {
        let can_shrink = self.keys > 1;
        self.keys = (self.keys / SHRINK).max(1);
        self.most = self.keys;
        can_shrink
    }

    /// The page did not come in time. Returns whether it was larger than a first one: then it is
    /// asked for again as small as that, and none that follows is larger.
    pub(super) fn restart(&mut self) -> bool {
        let was_larger = self.keys > FIRST_KEYS;
        if was_larger {
            (self.keys, self.most) = (FIRST_KEYS, FIRST_KEYS);
        }
        was_larger
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FIRST_KEYS, MOST_KEYS, PLANNED_BYTES, PageSize};

    const DEADLINE: Duration = Duration::from_secs(2);
    const FAST: Duration = Duration::from_millis(5);

    /// The size of the page after a first one.
    fn second(bytes: usize, took: Duration) -> i64 {
        let mut size = PageSize::new();
        assert_eq!(size.keys(), FIRST_KEYS);
        size.note_page(FIRST_KEYS as usize, FIRST_KEYS as usize * bytes, took, DEADLINE);
        size.keys()
    }

    #[test]
    fn pages_grow_as_far_as_time_and_bytes_allow() {
        assert_eq!(second(100, FAST), MOST_KEYS);
        assert_eq!(second(100, Duration::ZERO), MOST_KEYS);
        assert_eq!(second(1 << 10, FAST), PLANNED_BYTES as i64 >> 10);
        assert_eq!(second(1 << 20, FAST), FIRST_KEYS);
        assert_eq!(second(100, DEADLINE / 8), 2 * FIRST_KEYS);
        assert_eq!(second(100, DEADLINE), FIRST_KEYS);
        // Nothing at all, and no time.
        let mut size = PageSize::new();
        size.note_page(0, 0, Duration::ZERO, DEADLINE);
        assert_eq!(size.keys(), FIRST_KEYS);
    }

    #[test]
    fn a_page_that_was_too_large_is_not_tried_again() {
        let mut size = PageSize::new();
        size.note_page(FIRST_KEYS as usize, 1, FAST, DEADLINE);
        let mut sizes = vec![size.keys()];
        while size.shrink() {
            sizes.push(size.keys());
            size.note_page(FIRST_KEYS as usize, 1, FAST, DEADLINE);
            assert_eq!(size.keys(), sizes[sizes.len() - 1]);
        }
        assert_eq!(sizes, [16_000, 4_000, 1_000, 250, 62, 15, 3, 1]);
    }

    #[test]
    fn a_large_page_that_is_late_is_asked_for_again_once() {
        let mut size = PageSize::new();
        assert!(!size.restart());
        size.note_page(FIRST_KEYS as usize, 1, FAST, DEADLINE);
        assert!(size.restart());
        size.note_page(FIRST_KEYS as usize, 1, FAST, DEADLINE);
        assert_eq!(size.keys(), FIRST_KEYS);
        assert!(!size.restart());
    }
}
