//! A worker's side: it adds what has become of a request.

use core::{iter, sync::atomic::Ordering};

use crate::{
    block::{self, Block, add},
    counter::Carries,
    outcome::{Answer, Class, Failure, PickReason},
    slot::{Counter, Slot},
    times::bucket,
};

/// Where a worker adds figures: the slots of all peers, and the block of the process.
#[derive(Clone, Copy, Debug)]
pub struct Recorder {
    pub(crate) block: &'static Block,
    pub(crate) slots: &'static [Slot],
    pub(crate) carries: &'static [Carries],
}

impl Recorder {
    /// That of a process that has no entry: what it adds is nowhere.
    #[must_use]
    pub fn nowhere() -> Self {
        Self { block: &block::NOWHERE, slots: &[], carries: &[] }
    }

    /// As [`nowhere`](Self::nowhere), with a slot for each index below `indexes`, whose memory is
    /// never given back.
    #[must_use]
    pub fn nowhere_of(indexes: usize) -> Self {
        let slots: Vec<Slot> = iter::repeat_with(Slot::new).take(indexes).collect();
        Self { slots: slots.leak(), ..Self::nowhere() }
    }

    /// Adds 1 to a counter of the peer with this index, and carries if it is time to.
    fn count(&self, index: usize, counter: Counter) {
        if let Some(slot) = self.slots.get(index) {
            slot.add(counter);
            if slot.is_time_to_carry(counter)
                && let Some(carries) = self.carries.get(index)
            {
                slot.carry(carries);
            }
        }
    }

    /// Where the figures of each peer are, by its index.
    #[inline(always)]
    #[must_use]
    pub fn slots(&self) -> &'static [Slot] {
        self.slots
    }

    /// A request gets the peer with this index, at `now` (ms).
    pub fn picked(&self, index: usize, now: u64) {
        match self.slots.get(index) {
            Some(slot) => self.picked_at(slot, now),
            None => add(&self.block.requests, 1),
        }
    }

    /// As [`picked`](Self::picked), of the peer with this slot.
    #[inline(always)]
    pub fn picked_at(&self, slot: &Slot, now: u64) {
        add(&self.block.requests, 1);
        slot.last_picked.store(now, Ordering::Relaxed);
    }

    /// Why a request that was [`picked`](Self::picked) has got its peer; `is_retry` if it has tried
    /// another one before.
    pub fn picked_with_care(&self, index: usize, reason: PickReason, is_retry: bool) {
        match reason {
            PickReason::Balance => {}
            PickReason::Sticky => add(&self.block.sticky, 1),
            PickReason::Panic => add(&self.block.panic, 1),
        }
        if is_retry {
            add(&self.block.retries, 1);
            self.count(index, Counter::RETRIES);
        }
    }

    /// A request has found no peer.
    pub fn found_no_peer(&self) {
        add(&self.block.no_peer, 1);
    }

    /// A peer has answered, which is all that there is to count of most requests. `slot` is the
    /// peer's, and does not say that it [`may_carry`](Slot::may_carry): that is for
    /// [`answered`](Self::answered).
    ///
    /// It calls nothing else, and asks for the time until the `header`, for that of the `response`,
    /// and for the bytes `sent` and `received` only when it adds them, so that its caller saves few
    /// registers.
    #[inline(always)]
    pub fn answered_at_once(
        &self,
        slot: &Slot,
        class: Class,
        header: impl FnOnce() -> u64,
        response: impl FnOnce() -> u64,
        sent: impl FnOnce() -> u64,
        received: impl FnOnce() -> u64,
    ) {
        let block = self.block;
        add(&block.responses[class.index()], 1);
        slot.add(Counter::response(class));
        let header_time = header();
        add(&block.header_sum, header_time);
        slot.header_sum.fetch_add(header_time, Ordering::Relaxed);
        let header = bucket(header_time);
        add(&block.header_time[header], 1);
        slot.add(Counter::header_time(header));
        let response_time = response();
        add(&block.response_sum, response_time);
        slot.response_sum.fetch_add(response_time, Ordering::Relaxed);
        let response = bucket(response_time);
        add(&block.response_time[response], 1);
        slot.add(Counter::response_time(response));
        let sent = sent();
        add(&block.sent, sent);
        slot.sent.fetch_add(sent, Ordering::Relaxed);
        let received = received();
        add(&block.received, received);
        slot.received.fetch_add(received, Ordering::Relaxed);
    }

    /// The peer with this index has answered.
    pub fn answered(&self, index: usize, answer: &Answer) {
        let &Answer { class, header_time, response_time, sent, received } = answer;
        let block = self.block;
        let response = bucket(response_time);
        add(&block.response_time[response], 1);
        add(&block.response_sum, response_time);
        self.count(index, Counter::response_time(response));
        if let Some(slot) = self.slots.get(index) {
            slot.response_sum.fetch_add(response_time, Ordering::Relaxed);
        }
        self.header(index, class, header_time);
        self.transferred(index, sent, received);
    }

    fn header(&self, index: usize, class: Class, header_time: u64) {
        let header = bucket(header_time);
        add(&self.block.header_time[header], 1);
        add(&self.block.header_sum, header_time);
        add(&self.block.responses[class.index()], 1);
        self.count(index, Counter::header_time(header));
        self.count(index, Counter::response(class));
        if let Some(slot) = self.slots.get(index) {
            slot.header_sum.fetch_add(header_time, Ordering::Relaxed);
        }
    }

    /// The peer with this index has answered with the header of an upgraded connection, whose time
    /// until the last byte says nothing of the peer.
    pub fn upgraded(&self, index: usize, header_time: u64) {
        self.header(index, Class::INFORMATIONAL, header_time);
    }

    /// An attempt at the peer with this index has failed.
    pub fn failed(&self, index: usize, failure: Failure) {
        add(&self.block.failures[failure as usize], 1);
        self.count(index, Counter::failure(failure));
    }

    /// So many bytes were sent to the peer with this index, and received from it.
    pub fn transferred(&self, index: usize, sent: u64, received: u64) {
        add(&self.block.sent, sent);
        add(&self.block.received, received);
        if let Some(slot) = self.slots.get(index) {
            slot.sent.fetch_add(sent, Ordering::Relaxed);
            slot.received.fetch_add(received, Ordering::Relaxed);
        }
    }
}
