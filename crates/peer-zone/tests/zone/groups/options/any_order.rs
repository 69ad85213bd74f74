//! Options, peers and moves in any order: each group is as a zone of its own that has the group's
//! options.

use std::{collections::BTreeMap, sync::Arc};

use peer_zone::{
    Among, GroupOptions, KeyPeers, Method, PeerSpec, PickContext, RequestOutcome, TableOptions,
    Worker, protocol::Publishing,
};
use proptest::prelude::*;

use super::{
    super::{GROUPS, List, Value, all_rows, grouped, options, spec},
    addresses, among, key_of, pick, set,
};
use crate::fixture::{Fixture, METHODS, address, at, collect, publish};

#[derive(Clone, Debug)]
enum Step {
    Publish(List),
    Keys(Vec<(usize, Option<Value>)>),
    /// Of a group the number of its method, if it has one, whether it refuses cookies, and its key.
    Set(usize, Option<usize>, bool, Option<u8>),
    TakeOver,
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value =
        || proptest::option::of((0..3_u8, 1..4_u32, 0..GROUPS.len(), any::<bool>(), any::<bool>()));
    let method = proptest::option::of(0..METHODS.len());
    let set = (0..GROUPS.len(), method, any::<bool>(), proptest::option::of(0..3_u8));
    let step = prop_oneof![
        2 => proptest::collection::vec(value(), 8).prop_map(Step::Publish),
        6 => proptest::collection::vec((0..8_usize, value()), 1..4).prop_map(Step::Keys),
        5 => set.prop_map(|(group, method, refuses, key)| Step::Set(group, method, refuses, key)),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Collect),
    ];
    proptest::collection::vec(step, 1..40)
}

fn peers_of(list: &List, group: Option<usize>) -> Vec<PeerSpec> {
    let peers = list.iter().enumerate().filter_map(|(key, value)| {
        let value = value.as_ref().filter(|value| group.is_none_or(|group| value.2 == group))?;
        Some(spec(key, value))
    });
    peers.collect()
}

/// What a request of a key and a cookie gets, or of many that are open at the same time how often
/// each: of a method that draws peers, whether it gets any.
fn behavior(
    worker: &mut Worker,
    (among, upstream, method): (Among<'_>, Method, Method),
    peers: &[PeerSpec],
) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let context = PickContext { method: upstream, among, ..PickContext::default() };
    for sticky in 1..=8 {
        let held = pick(worker, PickContext { sticky: Some(sticky), ..context });
        if let Some(held) = held {
            if held.is_named() {
                found.insert(format!("{sticky}: {}", address(worker, &held)), 1);
            }
            worker.release(held, RequestOutcome::Answered, None, at(1));
        }
    }
    let primaries: Vec<&PeerSpec> = peers.iter().filter(|peer| !peer.parameters.backup).collect();
    // With one, or with backups alone, it is round robin.
    let requests: u32 = primaries.iter().map(|peer| peer.parameters.weight).sum();
    if primaries.len() < 2 {
        return found;
    }
    match method {
        Method::Hash | Method::HashConsistent | Method::IpHash => {
            for key in [&b"k1"[..], b"key 2", b"another"] {
                for address in addresses(worker, PickContext { key, ..context }, 2) {
                    *found.entry(format!("{key:?}: {address}")).or_default() += 1;
                }
            }
        }
        // Each as often as its weight says, in one cycle or at the same time.
        Method::RoundRobin | Method::LeastConn => {
            for address in addresses(worker, context, requests as usize) {
                *found.entry(address).or_default() += 1;
            }
        }
        _ => {
            let count = addresses(worker, context, 3).len();
            found.insert("any".to_owned(), count);
        }
    }
    found
}

/// Whatever is published: each group is as a fresh zone with its peers alone and its options.
fn holds(steps: Vec<Step>, upstream: Method) -> Result<(), TestCaseError> {
    let unshared = Publishing::unshared();
    let fixture = Fixture::new(1 << 18);
    let mut publisher = grouped(&fixture, upstream);
    publish(&mut publisher, &[]).expect("room");
    let mut worker = fixture.worker();
    let mut list: List = vec![None; 8];
    let mut wanted = vec![GroupOptions::default(); GROUPS.len()];
    let mut active = wanted.clone();
    for step in steps {
        match step {
            Step::Publish(new) => {
                list = new;
                publish(&mut publisher, &peers_of(&list, None)).expect("room");
                active.clone_from(&wanted);
            }
            Step::Keys(changes) => {
                let groups_of = |list: &List| {
                    let values = changes.iter().filter_map(|&(key, _)| list[key].as_ref());
                    values.map(|value| value.2).collect::<Vec<usize>>()
                };
                let mut touched = groups_of(&list);
                let mut keys = Vec::new();
                for (key, value) in changes.clone() {
                    list[key] = value;
                    let peers = value.iter().map(|value| Arc::new(spec(key, value))).collect();
                    keys.push(KeyPeers { key: format!("key-{key}").into(), peers });
                }
                touched.extend(groups_of(&list));
                prop_assert!(publisher.publish_keys(keys, 0, &unshared).is_some());
                touched.into_iter().for_each(|at| active[at].clone_from(&wanted[at]));
            }
            Step::Set(group, method, refuses_cookies, key) => {
                wanted[group] = GroupOptions {
                    method: method.map(|method| METHODS[method]),
                    hash_key: key.map(|key| "$arg".repeat(key.into()).into()),
                    is_sticky: refuses_cookies.then_some(false),
                    ..GroupOptions::default()
                };
                set(&mut publisher, GROUPS[group], wanted[group].clone());
            }
            Step::TakeOver => {
                publisher = grouped(&fixture, upstream);
                for (name, options) in GROUPS.into_iter().zip(&wanted) {
                    set(&mut publisher, name, options.clone());
                }
            }
            Step::Collect => collect(&mut publisher),
        }
        check(&mut worker, &list, &active, upstream)?;
    }
    Ok(())
}

/// Compares each group with a fresh zone.
fn check(
    worker: &mut Worker,
    list: &List,
    active: &[GroupOptions],
    upstream: Method,
) -> Result<(), TestCaseError> {
    let rows = all_rows(worker);
    for (number, (name, own)) in GROUPS.into_iter().zip(active).enumerate() {
        let peers: Vec<PeerSpec> = peers_of(list, Some(number))
            .into_iter()
            .map(|peer| PeerSpec { group: None, ..peer })
            .collect();
        let Some(found) = rows.get(&Some(name.to_owned())) else {
            prop_assert!(peers.is_empty(), "{name:?} is not there: {peers:?}");
            continue;
        };
        let method = own.method.unwrap_or(upstream);
        let fresh = Fixture::new(1 << 18);
        let options = TableOptions {
            is_grouped: false,
            is_sticky: own.is_sticky != Some(false),
            ..options(method)
        };
        publish(&mut fresh.publisher_with(options), &peers).expect("room");
        let mut alone = fresh.worker();
        prop_assert_eq!(found, &all_rows(&mut alone)[&None]);
        if number == 0 {
            continue;
        }
        let traits = worker.traits_among(among(name));
        let key = own.hash_key.as_deref().filter(|key| method.needs_key() && !key.is_empty());
        prop_assert_eq!(
            (traits.method, traits.is_sticky, traits.has_hash_key),
            (own.method, own.is_sticky != Some(false), key.is_some())
        );
        let text = key_of(worker, name);
        prop_assert_eq!(text.as_deref(), key);
        let [one, other] = [
            behavior(worker, (among(name), upstream, method), &peers),
            behavior(&mut alone, (Among::Everyone, method, method), &peers),
        ];
        let serves = |it: &PeerSpec| it.parameters.is_in_service();
        if peers.iter().all(serves) {
            prop_assert_eq!(one, other, "{:?} by {:?}", peers, method);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_group_is_as_a_zone_with_its_options(
        steps in steps(),
        upstream in proptest::sample::select(&METHODS[..]),
    ) {
        holds(steps, upstream)?;
    }
}
