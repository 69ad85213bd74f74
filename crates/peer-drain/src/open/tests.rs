//! The lists against a model of queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

const PEERS: usize = 5;
const CAPACITY: usize = 20;

#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    /// The nth of those that have ever been added, as if it were of this peer, or of its own.
    Remove(usize, Option<usize>),
    Pop(usize),
    Wait(usize),
    WaitAgain(usize),
    PopWaiting(usize),
    Resume(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let peer = || 0..PEERS + 1;
    let step = prop_oneof![
        6 => peer().prop_map(Step::Add),
        4 => (any::<usize>(), prop::option::weighted(0.2, peer()))
            .prop_map(|(nth, peer)| Step::Remove(nth, peer)),
        1 => peer().prop_map(Step::Pop),
        3 => peer().prop_map(Step::Wait),
        1 => peer().prop_map(Step::WaitAgain),
        1 => peer().prop_map(Step::PopWaiting),
        1 => peer().prop_map(Step::Resume),
    ];
    prop::collection::vec(step, 0..300)
}

/// A peer's items, and those of them that wait.
#[derive(Debug, Default)]
struct Queues {
    open: VecDeque<(usize, Slot)>,
    waiting: VecDeque<(usize, Slot, u32)>,
}

impl Queues {
    fn len(&self) -> usize {
        self.open.len() + self.waiting.len()
    }

    fn remove(&mut self, slot: Slot) -> Option<usize> {
        if let Some(at) = self.open.iter().position(|&(_, at)| at == slot) {
            return self.open.remove(at).map(|(item, _)| item);
        }
        let at = self.waiting.iter().position(|&(_, at, _)| at == slot)?;
        self.waiting.remove(at).map(|(item, ..)| item)
    }
}

/// The same, in the model.
fn in_model(
    model: &mut BTreeMap<usize, Queues>,
    open: &mut OpenConnections<usize>,
    item: usize,
    step: Step,
    ever: &mut Vec<(usize, Slot)>,
) -> std::result::Result<(), TestCaseError> {
    let len: usize = model.values().map(Queues::len).sum();
    match step {
        Step::Add(peer) => {
            let slot = open.add(peer, item);
            prop_assert_eq!(slot.is_some(), peer < PEERS && len < CAPACITY);
            if let Some(slot) = slot {
                model.entry(peer).or_default().open.push_back((item, slot));
                ever.push((peer, slot));
            }
        }
        Step::Remove(nth, other) if !ever.is_empty() => {
            let (own, slot) = ever[nth % ever.len()];
            let peer = other.unwrap_or(own);
            let expected = model.entry(peer).or_default().remove(slot);
            prop_assert_eq!(open.remove(peer, slot), expected);
        }
        Step::Remove(..) => {}
        Step::Pop(peer) => {
            let expected = model.entry(peer).or_default().open.pop_front();
            prop_assert_eq!(open.pop(peer), expected.map(|(item, _)| item));
        }
        Step::Wait(peer) => {
            let queues = model.entry(peer).or_default();
            let since = item as u32;
            queues.waiting.extend(queues.open.pop_front().map(|(item, slot)| (item, slot, since)));
            open.wait(peer, since);
        }
        Step::WaitAgain(peer) => {
            let queue = &mut model.entry(peer).or_default().waiting;
            if !queue.is_empty() {
                queue.rotate_left(1);
            }
            open.wait_again(peer);
        }
        Step::PopWaiting(peer) => {
            let expected = model.entry(peer).or_default().waiting.pop_front();
            prop_assert_eq!(open.pop_waiting(peer), expected.map(|(item, ..)| item));
        }
        Step::Resume(peer) => {
            let queues = model.entry(peer).or_default();
            queues.open.extend(queues.waiting.drain(..).map(|(item, slot, _)| (item, slot)));
            open.resume(peer);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn it_is_two_queues_for_each_peer(steps in steps()) {
        let mut open = OpenConnections::new(CAPACITY, PEERS);
        let (mut model, mut ever) = (BTreeMap::new(), Vec::new());
        for (item, step) in steps.into_iter().enumerate() {
            in_model(&mut model, &mut open, item, step, &mut ever)?;
            for peer in 0..=PEERS {
                let queues = model.entry(peer).or_default();
                prop_assert_eq!(open.count(peer), queues.open.len());
                prop_assert_eq!(open.first(peer), queues.open.front().map(|&(item, _)| item));
                prop_assert_eq!(open.count_waiting(peer), queues.waiting.len());
                let first = queues.waiting.front().map(|&(item, _, since)| (item, since));
                prop_assert_eq!(open.first_waiting(peer), first);
            }
            let peers: BTreeSet<usize> = open.peers().collect();
            let expected: BTreeSet<usize> = model
                .iter()
                .filter(|(_, queues)| queues.len() > 0)
                .map(|(&peer, _)| peer)
                .collect();
            prop_assert_eq!(&peers, &expected);
            prop_assert_eq!(open.len(), model.values().map(Queues::len).sum::<usize>());
            prop_assert_eq!(open.is_empty(), expected.is_empty());
        }
    }
}

#[test]
fn nothing_moves_after_the_start() {
    let mut open = OpenConnections::new(1_000, 3);
    let start = open.nodes.as_ptr();
    for item in 0..1_000 {
        assert!(open.add(item % 3, item).is_some());
    }
    assert_eq!((open.nodes.as_ptr(), open.add(0, 0)), (start, None));
}

/// What is open takes as much memory as before items could wait.
#[test]
fn place_for_a_pointer_is_of_24_bytes() {
    assert_eq!(size_of::<Node<core::ptr::NonNull<u8>>>(), 24);
}
