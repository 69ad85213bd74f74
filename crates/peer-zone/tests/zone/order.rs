//! The order in which peers are picked.

use std::collections::BTreeMap;

use peer_zone::Parameters;

use crate::{
    fixture::{Fixture, ask, at, fail, peer, publish, with},
    nginx::RoundRobin,
};

fn published(weights: &[u32]) -> Fixture {
    let fixture = Fixture::new(1 << 20);
    let peers: Vec<_> = (0..)
        .zip(weights)
        .map(|(index, &weight): (u32, _)| {
            with(peer(&format!("{index:04}"), &index.to_string()), |it| it.weight = weight)
        })
        .collect();
    publish(&mut fixture.publisher(), &peers).expect("room");
    fixture
}

#[test]
fn is_that_of_nginx_over_all_workers() {
    for weights in [&[1, 1, 1][..], &[5, 1, 1], &[3, 2, 7, 1], &[100, 1], &[4, 6, 2]] {
        let fixture = published(weights);
        let mut workers = [1, 2, 3].map(|process| fixture.worker_of(process));
        let picked: Vec<String> =
            (0..300).map(|index| ask(&mut workers[index * 7 % 3], 1)).collect();
        let mut nginx = RoundRobin::new(weights);
        let expected: Vec<String> =
            (0..300).map(|_| nginx.pick(&[]).expect("a peer").to_string()).collect();
        assert_eq!(picked, expected, "weights {weights:?}");
    }
}

#[test]
fn is_exact_over_a_cycle_however_long_it_is() {
    // No common divisor, and a sum that is too long for a sequence: the order is computed.
    let weights = [1009, 997, 3, 1500, 0, 641];
    let cycle = weights.iter().sum::<u32>();
    let fixture = Fixture::new(1 << 20);
    let peers: Vec<_> = (0..)
        .zip(weights)
        .map(|(index, weight): (u32, u32)| {
            with(peer(&index.to_string(), &index.to_string()), |it| {
                it.weight = weight.max(1);
                it.drain = weight == 0;
            })
        })
        .collect();
    publish(&mut fixture.publisher(), &peers).expect("room");
    let mut workers = [1, 2].map(|process| fixture.worker_of(process));
    for _ in 0..2 {
        let mut counts = BTreeMap::new();
        for index in 0..cycle {
            *counts.entry(ask(&mut workers[index as usize % 2], 1)).or_insert(0) += 1;
        }
        let expected: BTreeMap<String, u32> = (0..)
            .zip(weights)
            .filter(|it| it.1 > 0)
            .map(|(index, weight): (u32, _)| (index.to_string(), weight))
            .collect();
        assert_eq!(counts, expected);
    }
}

#[test]
fn what_a_failed_peer_would_have_got_goes_to_all_others() {
    let fixture = published(&[1, 1, 1, 1]);
    let mut worker = fixture.worker();
    assert_eq!(fail(&mut worker, 1), "0");
    let mut counts = BTreeMap::new();
    for _ in 0..300 {
        *counts.entry(ask(&mut worker, 1)).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [100, 100, 100]);
}

#[test]
fn peers_tried_already_are_passed_over() {
    let fixture = published(&[1; 200]);
    let mut worker = fixture.worker();
    let mut tried = Vec::new();
    assert_eq!(worker.zone().tries(), 200);
    while let Some(held) =
        crate::fixture::try_pick_but(&mut worker, 1, |id| tried.contains(&id), !tried.is_empty())
    {
        assert!(!tried.contains(&held.id()));
        tried.push(held.id());
        worker.release(held, peer_zone::RequestOutcome::Answered, None, at(1));
    }
    assert_eq!(tried.len(), 200);
    // That one request had tried all says nothing to the next.
    ask(&mut worker, 1);
}

#[test]
fn backups_are_for_when_there_is_no_other() {
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher();
    let backup = |key, address| with(peer(key, address), |it| it.backup = true);
    publish(&mut publisher, &[backup("a", "1"), peer("b", "2"), backup("c", "3")]).expect("room");
    let mut worker = fixture.worker();
    assert_eq!(worker.zone().tries(), 3);
    assert_eq!(ask(&mut worker, 1), "2");
    assert_eq!(fail(&mut worker, 1), "2");
    assert_eq!([ask(&mut worker, 1), ask(&mut worker, 1), ask(&mut worker, 1)], ["1", "3", "1"]);
    assert_eq!(ask(&mut worker, 12), "2");
    for change in [|it: &mut Parameters| it.down = true, |it: &mut Parameters| it.drain = true] {
        publish(&mut publisher, &[backup("a", "1"), with(peer("b", "2"), change)]).expect("room");
        assert_eq!([ask(&mut worker, 12), ask(&mut worker, 12)], ["1", "1"]);
        assert_eq!(worker.zone().tries(), 1);
    }
}
