//! When a list is written.

use std::time::{Duration, Instant};

/// The least time from the beginning of one write to that of the next: what comes in a burst is
/// written together.
const PERIOD: Duration = Duration::from_secs(1);

/// A write that took long is followed by a pause of so many times its length: writing takes a tenth
/// of the time at most, however long the list is.
const PAUSE: u32 = 9;

/// How old the revision in the file may be while the peers are the same. It is there to tell a
/// restored etcd by, for which some changes more or less make no difference.
const REVISION_PERIOD: Duration = Duration::from_secs(60);

/// When the first write is made once more. A predecessor whom a disk kept waiting, or who was
/// stopped, may have put an older list in the place of the new one meanwhile; nobody waits for as
/// long as this.
const CONFIRMATION: Duration = Duration::from_secs(60);

/// The least time from a write that has failed to the next: soon enough for who has just made room
/// on the disk.
const RETRY: Duration = Duration::from_secs(2);

/// What tells one list from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListVersion {
    /// Counted up with each change of the peers, or of the settings of groups.
    pub generation: u64,
    /// The id of the etcd cluster.
    pub cluster_id: u64,
    /// The etcd revision up to which every change is applied.
    pub revision: u64,
}

/// Says when which list is to be written into one file. At the start it knows of none there.
#[derive(Debug, Default)]
pub struct WriteSchedule {
    /// What the file has, and since when.
    written: Option<(ListVersion, Instant)>,
    /// When the file was first written, until that has been confirmed.
    first: Option<Instant>,
    not_before: Option<Instant>,
}

impl WriteSchedule {
    /// When the list is to be written, which may be `now` or before; `None` where the file has it.
    ///
    /// Other peers are written at once, but at most every second, and for no more than a tenth of
    /// the time; a revision alone, once a minute. A minute after the first write the list is
    /// written once more, whatever it is.
    pub fn due(&self, list: ListVersion, now: Instant) -> Option<Instant> {
        let soon = self.not_before.unwrap_or(now);
        let Some((written, since)) = self.written else { return Some(soon) };
        if (written.generation, written.cluster_id) != (list.generation, list.cluster_id) {
            return Some(soon);
        }
        let revision = (written.revision != list.revision).then(|| since + REVISION_PERIOD);
        let confirmation = self.first.map(|first| first + CONFIRMATION);
        let due = revision.into_iter().chain(confirmation).min()?;
        Some(due.max(soon))
    }

    /// Whether the file has another list than this one, or none that is known.
    pub fn is_outdated(&self, list: ListVersion) -> bool {
        self.written.is_none_or(|(written, _)| written != list)
    }

    /// Stores that the list was written between the two times.
    pub fn record_write(&mut self, list: ListVersion, began: Instant, ended: Instant) {
        self.first = match self.first {
            None if self.written.is_none() => Some(began),
            first => first.filter(|&first| began < first + CONFIRMATION),
        };
        self.written = Some((list, began));
        self.pause(PERIOD, began, ended);
    }

    /// Stores that a write between the two times has failed.
    pub fn record_failure(&mut self, began: Instant, ended: Instant) {
        self.pause(RETRY, began, ended);
    }

    fn pause(&mut self, period: Duration, began: Instant, ended: Instant) {
        let pause = ended.saturating_duration_since(began) * PAUSE;
        self.not_before = Some((began + period).max(ended + pause));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: ListVersion = ListVersion { generation: 1, cluster_id: 1, revision: 1 };

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn each_in_its_time() {
        let start = Instant::now();
        let at = |count| start + milliseconds(count);
        let mut schedule = WriteSchedule::default();
        assert_eq!(schedule.due(LIST, at(0)), Some(at(0)));
        schedule.record_write(LIST, at(0), at(10));
        let other_peers = ListVersion { generation: 2, revision: 2, ..LIST };
        assert_eq!(schedule.due(other_peers, at(20)), Some(at(1_000)));
        assert_eq!(schedule.due(ListVersion { cluster_id: 2, ..LIST }, at(20)), Some(at(1_000)));
        let revision = ListVersion { revision: 2, ..LIST };
        schedule.record_write(LIST, at(2_000), at(2_010));
        // The first one is confirmed, with whatever there is then.
        assert_eq!(schedule.due(LIST, at(2_010)), Some(at(60_000)));
        assert_eq!(schedule.due(revision, at(2_010)), Some(at(60_000)));
        schedule.record_write(LIST, at(60_000), at(60_010));
        assert_eq!(schedule.due(LIST, at(60_020)), None);
        assert!(!schedule.is_outdated(LIST) && schedule.is_outdated(revision));
        assert_eq!(schedule.due(revision, at(60_020)), Some(at(120_000)));

        // Long lists.
        schedule.record_write(other_peers, at(101_000), at(101_500));
        assert_eq!(schedule.due(LIST, at(101_500)), Some(at(106_000)));

        schedule.record_failure(at(106_000), at(106_001));
        assert_eq!(schedule.due(LIST, at(106_001)), Some(at(108_000)));
        schedule.record_failure(at(108_000), at(109_000));
        assert_eq!(schedule.due(LIST, at(109_000)), Some(at(118_000)));
        assert_eq!(schedule.due(other_peers, at(109_000)), None);
    }

    proptest! {
        #[test]
        fn never_too_often_and_never_forgotten(
            steps in prop::collection::vec(
                (0..3_000_u64, 0..800_u64, 0..3_u64, any::<bool>()),
                1..100,
            ),
        ) {
            let start = Instant::now();
            let (mut now, mut list, mut schedule) = (start, LIST, WriteSchedule::default());
            let mut last: Option<(Instant, Instant)> = None;
            let (mut first, mut has_written) = (start, false);
            for (passes, takes, change, succeeds) in steps {
                now += milliseconds(passes);
                list.revision += u64::from(change > 0);
                list.generation += u64::from(change > 1);
                let Some(due) = schedule.due(list, now) else { continue };
                prop_assert!(due <= now + REVISION_PERIOD + milliseconds(800) * PAUSE);
                let began = due.max(now);
                if let Some((last_began, last_ended)) = last {
                    prop_assert!(began >= last_began + PERIOD);
                    // From one beginning to the next is ten times the write in between, at least.
                    prop_assert!(began - last_began >= (last_ended - last_began) * 10);
                }
                let ended = began + milliseconds(takes);
                first = if has_written { first } else { began };
                has_written |= succeeds;
                if succeeds {
                    schedule.record_write(list, began, ended);
                    prop_assert!(!schedule.is_outdated(list));
                    let again = schedule.due(list, ended);
                    prop_assert!(again.is_none_or(
                        |again| again <= ended + CONFIRMATION + milliseconds(800) * PAUSE
                    ));
                    prop_assert!(
                        again.is_none() || ended < first + CONFIRMATION + milliseconds(800)
                    );
                } else {
                    schedule.record_failure(began, ended);
                }
                last = Some((began, ended));
                now = ended;
            }
        }
    }
}
