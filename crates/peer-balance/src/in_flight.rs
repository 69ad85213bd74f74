//! How long the requests that a peer has not answered yet have been waiting, in one word: how many
//! there are and the sum of the moments at which they began, from which their mean age follows at
//! any time.

use core::num::NonZeroU64;

/// Bits of the number of requests.
const COUNT_BITS: u32 = 18;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Bits of the epoch, above the count.
const EPOCH_BITS: u32 = 6;
const EPOCH: u64 = (1 << EPOCH_BITS) - 1;

/// Where the sum begins, and its bits: with 100 000 requests it holds a mean age of 91 minutes.
const SUM_SHIFT: u32 = COUNT_BITS + EPOCH_BITS;
const SUM_BITS: u32 = u64::BITS - SUM_SHIFT;
const SUM: u64 = (1 << SUM_BITS) - 1;

/// The requests that a peer has not answered yet: their number in the lowest bits, then an epoch,
/// then the sum of their beginnings in milliseconds, which wraps. `InFlight(0)` has none.
///
/// A request keeps a [`Ticket`] from its beginning to its end. Nobody ends the requests of a
/// process that was killed: [`InFlight::forgotten`] takes out all of them, those of others as well,
/// and begins another epoch, so that these end nothing later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight(pub u64);

/// What a request in flight keeps: when it began, and the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(NonZeroU64);

impl Ticket {
    fn new(begin: u64, epoch: u64) -> Self {
        // The lowest bit is set in each.
        Self(NonZeroU64::MIN | (begin & SUM | epoch << SUM_BITS) << 1)
    }

    fn begin(self) -> u64 {
        self.0.get() >> 1 & SUM
    }

    fn epoch(self) -> u64 {
        self.0.get() >> 1 >> SUM_BITS
    }
}

impl InFlight {
    fn new(count: u64, epoch: u64, sum: u64) -> Self {
        Self(count | epoch << COUNT_BITS | sum << SUM_SHIFT)
    }

    /// How many there are.
    #[inline]
    pub fn count(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    fn epoch(self) -> u64 {
        self.0 >> COUNT_BITS & EPOCH
    }

    fn sum(self) -> u64 {
        self.0 >> SUM_SHIFT
    }

    /// With one more, which begins at the time `now` in milliseconds. `None` if there are more than
    /// can be counted.
    pub fn begun(self, now: u64) -> Option<(Self, Ticket)> {
        let count = u64::from(self.count());
        if count == COUNT {
            return None;
        }
        let sum = self.sum().wrapping_add(now);
        Some((Self::new(count + 1, self.epoch(), sum), Ticket::new(now, self.epoch())))
    }

    /// Without the one of this ticket; `None` if it was forgotten.
    pub fn ended(self, ticket: Ticket) -> Option<Self> {
        let count = self.count().checked_sub(1)?;
        if self.epoch() != ticket.epoch() {
            return None;
        }
        // None left have no age: what a mistake may have left of the sum ends with the last one.
        let sum = if count == 0 { 0 } else { self.sum().wrapping_sub(ticket.begin()) };
        Some(Self::new(u64::from(count), self.epoch(), sum))
    }

    /// Without any; `None` if there is none.
    pub fn forgotten(self) -> Option<Self> {
        (self.count() != 0).then(|| Self::new(0, (self.epoch() + 1) & EPOCH, 0))
    }

    /// The mean age of all in milliseconds, at the time `now`; `None` if there is none.
    ///
    /// Workers' clocks differ by what a turn of an event loop takes: a sum below 0 is 0.
    #[inline]
    pub fn mean_age(self, now: u64) -> Option<u32> {
        let count = u64::from(self.count());
        if count == 0 {
            return None;
        }
        let ages = now.wrapping_mul(count).wrapping_sub(self.sum()) & SUM;
        let ages = if ages > SUM / 2 { 0 } else { ages };
        Some(u32::try_from(ages / count).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages_are_counted_from_each_beginning() {
        let none = InFlight(0);
        assert_eq!((none.count(), none.mean_age(5)), (0, None));
        let (one, first) = none.begun(1_000).expect("room");
        assert_eq!(
            (one.count(), one.mean_age(1_000), one.mean_age(1_500)),
            (1, Some(0), Some(500))
        );
        let (two, second) = one.begun(1_600).expect("room");
        assert_eq!(
            (two.count(), two.mean_age(1_600), two.mean_age(2_000)),
            (2, Some(300), Some(700))
        );
        assert_eq!(two.ended(first).expect("there").mean_age(2_000), Some(400));
        assert_eq!(two.ended(second).expect("there").mean_age(2_000), Some(1_000));
        assert_eq!(two.ended(second).and_then(|one| one.ended(first)), Some(none));
        // Another worker's clock, a little behind.
        assert_eq!(one.mean_age(998), Some(0));
    }

    #[test]
    fn forgotten_requests_end_nothing() {
        let (one, old) = InFlight(0).begun(7).expect("room");
        let none = one.forgotten().expect("one");
        assert_eq!((none.count(), none.ended(old), none.forgotten()), (0, None, None));
        let (next, new) = none.begun(9).expect("room");
        assert_eq!(next.ended(old), None);
        assert_eq!(next.ended(new), Some(none));
    }

    #[test]
    fn no_more_are_counted_than_there_is_room_for() {
        let most = InFlight::new(COUNT, EPOCH, SUM);
        assert_eq!(most.begun(5), None);
        assert_eq!(most.forgotten(), Some(InFlight(0)));
        let (last, ticket) = InFlight::new(COUNT - 1, EPOCH, SUM).begun(u64::MAX).expect("room");
        assert_eq!(last.ended(ticket), Some(InFlight::new(COUNT - 1, EPOCH, SUM)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin,
        End(usize),
        Pass(u64),
        Forget,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Begin),
            4 => any::<usize>().prop_map(Step::End),
            3 => (0u64..100_000).prop_map(Step::Pass),
            1 => Just(Step::Forget),
        ]
    }

    proptest! {
        #[test]
        fn is_as_a_list_of_beginnings(
            start in any::<u32>(),
            offset in 0u64..1 << 50,
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let (mut now, mut word) = (u64::from(start) + offset, InFlight(0));
            // Each with whether it was forgotten.
            let mut open: Vec<(u64, Ticket, bool)> = Vec::new();
            let mut forgotten = 0;
            for step in steps {
                match step {
                    Step::Begin => {
                        let (next, ticket) = word.begun(now).expect("room");
                        word = next;
                        open.push((now, ticket, false));
                    }
                    Step::End(which) if !open.is_empty() => {
                        let (_, ticket, is_forgotten) = open.swap_remove(which % open.len());
                        let next = word.ended(ticket);
                        prop_assert_eq!(next.is_none(), is_forgotten);
                        word = next.unwrap_or(word);
                    }
                    Step::End(_) => {}
                    Step::Pass(milliseconds) => now += milliseconds,
                    // The epoch wraps.
                    Step::Forget if forgotten < EPOCH => {
                        forgotten += 1;
                        word = word.forgotten().unwrap_or(word);
                        open.iter_mut().for_each(|(_, _, is)| *is = true);
                    }
                    Step::Forget => {}
                }
                let ages: Vec<u64> =
                    open.iter().filter(|open| !open.2).map(|(begin, ..)| now - begin).collect();
                prop_assert_eq!(word.count() as usize, ages.len());
                let mean = ages.iter().sum::<u64>().checked_div(ages.len() as u64);
                prop_assert_eq!(word.mean_age(now).map(u64::from), mean);
            }
        }
    }
}
