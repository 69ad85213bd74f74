//! Active checks that decide in each group as the group has it.

use std::collections::BTreeSet;

use peer_zone::{
    CheckPolicy, GroupOptions, Health, KeyPeers, Method, PeerSpec, Publisher, TableOptions, Worker,
    protocol::Publishing,
};
use proptest::prelude::*;

use super::{ask_in, grouped, in_group, options, options::set};
use crate::fixture::{Fixture, collect, peer, publish, with};

const UNSHARED: fn() -> Publishing = Publishing::unshared;

fn policy(mandatory: bool, panic: bool) -> CheckPolicy {
    CheckPolicy { mandatory, panic }
}

fn of_checking(checking: Option<CheckPolicy>) -> GroupOptions {
    GroupOptions { checking: Some(checking), ..GroupOptions::default() }
}

/// The node of this name, as its address.
fn node(name: &str, group: &str) -> PeerSpec {
    PeerSpec { sticky: 1, ..in_group(peer(name, name), group) }
}

/// In each of these groups two nodes.
fn two_in(groups: &[&str]) -> Vec<PeerSpec> {
    let of = |group: &&str| ["1", "2"].map(|it| node(&format!("{group}{it}"), group));
    groups.iter().flat_map(of).collect()
}

fn set_health(publisher: &mut Publisher, name: &str, health: Health) -> bool {
    publisher.set_health(Some(name), name.as_bytes(), health, 5, &UNSHARED())
}

fn healths(publisher: &Publisher, names: [&str; 2]) -> [Option<Health>; 2] {
    names.map(|name| publisher.health(Some(name), name.as_bytes()))
}

/// Which nodes of the group serve.
fn serving(worker: &mut Worker, group: &str) -> BTreeSet<String> {
    (0..12).filter_map(|_| ask_in(worker, group)).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_group_without_checks_neither_waits_nor_panics_with_the_others() {
    let fixture = Fixture::new(1 << 18);
    let checking = Some(policy(true, true));
    let upstream = TableOptions { checking, ..options(Method::RoundRobin) };
    let mut publisher = fixture.publisher_with(upstream);
    set(&mut publisher, "free", of_checking(None));
    set(&mut publisher, "waits", of_checking(Some(policy(true, false))));
    publish(&mut publisher, &two_in(&["checked", "free", "waits"])).expect("room");
    let mut worker = fixture.worker();
    assert_eq!(healths(&publisher, ["checked1", "checked2"]), [Some(Health::Pending); 2]);
    assert_eq!(healths(&publisher, ["free1", "free2"]), [Some(Health::Unchecked); 2]);
    assert_eq!(serving(&mut worker, "checked"), names(&[]));
    assert_eq!(serving(&mut worker, "free"), names(&["free1", "free2"]));
    // What a check says late is nothing to it.
    assert!(!set_health(&mut publisher, "free1", Health::Failing));
    assert_eq!(serving(&mut worker, "free"), names(&["free1", "free2"]));
    for name in ["checked1", "checked2", "waits1", "waits2"] {
        assert!(set_health(&mut publisher, name, Health::Failing));
    }
    // One panics, one does not, and one knows nothing of it.
    assert_eq!(serving(&mut worker, "checked"), names(&["checked1", "checked2"]));
    assert_eq!(serving(&mut worker, "waits"), names(&[]));
    assert!(fixture.zone.statistics().is_panicking);
    // Checks go, and their findings with them; they come, and begin anew.
    set(&mut publisher, "checked", of_checking(None));
    assert!(!fixture.zone.statistics().is_panicking);
    assert_eq!(healths(&publisher, ["checked1", "checked2"]), [Some(Health::Unchecked); 2]);
    assert_eq!(serving(&mut worker, "checked"), names(&["checked1", "checked2"]));
    set(&mut publisher, "waits", of_checking(Some(policy(true, true))));
    assert!(fixture.zone.statistics().is_panicking);
    assert_eq!(serving(&mut worker, "waits"), names(&["waits1", "waits2"]));
    set(&mut publisher, "checked", GroupOptions::default());
    assert!(set_health(&mut publisher, "checked1", Health::Failing));
    assert_eq!(serving(&mut worker, "checked"), names(&["checked2"]));
    // Nobody waits any more for what is no condition.
    publish(&mut publisher, &two_in(&["checked", "free", "waits", "new"])).expect("room");
    assert_eq!(healths(&publisher, ["new1", "new2"]), [Some(Health::Pending); 2]);
    set(&mut publisher, "new", of_checking(Some(policy(false, true))));
    assert_eq!(serving(&mut worker, "new"), names(&["new1", "new2"]));
}

#[test]
fn what_checks_of_a_group_have_found_outlives_a_publisher() {
    let fixture = Fixture::new(1 << 18);
    let own = of_checking(Some(policy(true, true)));
    // The upstream has no checks.
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    set(&mut publisher, "a", own.clone());
    set(&mut publisher, "b", of_checking(Some(policy(true, false))));
    let peers = two_in(&["a", "b", "c"]);
    publish(&mut publisher, &peers).expect("room");
    set(&mut publisher, "b", own.clone());
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    for (name, health) in
        [("a1", Health::Failing), ("b1", Health::Failing), ("b2", Health::Failing)]
    {
        assert!(set_health(&mut publisher, name, health));
    }
    let mut check = |publisher: &Publisher| {
        let found = [["a1", "a2"], ["b1", "b2"]].map(|names| healths(publisher, names));
        let failing = Some(Health::Failing);
        assert_eq!(found, [[failing, Some(Health::Pending)], [failing, failing]]);
        assert_eq!(serving(&mut worker, "a"), names(&["a1"]), "it fails, and another one waits");
        assert_eq!(serving(&mut worker, "b"), names(&["b1", "b2"]));
        assert_eq!(serving(&mut worker, "c"), names(&["c1", "c2"]));
        assert!(fixture.zone.statistics().is_panicking);
    };
    check(&publisher);
    for round in 0..3 {
        drop(publisher);
        publisher = grouped(&fixture, Method::RoundRobin);
        check(&publisher);
        if round > 0 {
            set(&mut publisher, "a", own.clone());
            set(&mut publisher, "b", own.clone());
            check(&publisher);
            publish(&mut publisher, &peers).expect("room");
            check(&publisher);
        }
    }
    // A successor that knows of no checks has none as soon as it publishes the group.
    drop(publisher);
    let mut publisher = grouped(&fixture, Method::RoundRobin);
    publish(&mut publisher, &peers).expect("room");
    assert_eq!(serving(&mut worker, "a"), names(&["a1", "a2"]));
    assert!(!fixture.zone.statistics().is_panicking);
    assert_eq!(healths(&publisher, ["b1", "b2"]), [Some(Health::Unchecked); 2]);
}

/// The groups, of which the first is that of peers in none.
const GROUPS: [&str; 4] = ["", "a", "b", "c"];

/// An address, a group, down.
type Value = (u8, usize, bool);

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Option<Value>>),
    Keys(Vec<(usize, Option<Value>)>),
    Set(usize, Option<Option<(bool, bool)>>),
    Health(usize, Health),
    TakeOver,
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || proptest::option::of((0..2_u8, 0..GROUPS.len(), proptest::bool::weighted(0.2)));
    let checking = proptest::option::of(proptest::option::of(any::<(bool, bool)>()));
    let health = proptest::sample::select(vec![Health::Failing, Health::Failing, Health::Passing]);
    let step = prop_oneof![
        2 => proptest::collection::vec(value(), 8).prop_map(Step::Publish),
        5 => proptest::collection::vec((0..8_usize, value()), 1..4).prop_map(Step::Keys),
        3 => (0..GROUPS.len(), checking).prop_map(|(group, it)| Step::Set(group, it)),
        9 => (0..8_usize, health).prop_map(|(key, health)| Step::Health(key, health)),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Collect),
    ];
    proptest::collection::vec(step, 1..60)
}

fn spec(key: usize, value: &Value) -> PeerSpec {
    let &(address, group, down) = value;
    let peer = peer(&format!("key-{key}"), &format!("{key}.{address}"));
    with(in_group(peer, GROUPS[group]), |it| it.down = down)
}

fn specs(list: &[Option<Value>]) -> Vec<PeerSpec> {
    let values = list.iter().enumerate();
    values.filter_map(|(key, value)| Some(spec(key, value.as_ref()?))).collect()
}

/// In each group those serve that its checks leave, and no peer is in a state that they do not
/// know.
fn check(
    fixture: &Fixture,
    (publisher, worker): (&Publisher, &mut Worker),
    (upstream, own): (Option<CheckPolicy>, &[GroupOptions]),
) -> Result<(), TestCaseError> {
    let mut is_panicking = false;
    for (name, own) in GROUPS.into_iter().zip(own) {
        let checking = own.checking.unwrap_or(upstream);
        let all = publisher.listed_with_health();
        let group = all.filter(|(peer, _)| peer.group.as_deref().unwrap_or_default() == name);
        let group: Vec<(&PeerSpec, Health)> = group.collect();
        let knows = |health| match (health, checking) {
            (Health::Unchecked, _) => true,
            (Health::Pending, Some(checking)) => checking.mandatory,
            (Health::Failing | Health::Passing, Some(_)) => true,
            (_, None) => false,
        };
        prop_assert!(group.iter().all(|it| knows(it.1)), "{:?} with {:?}", group, checking);
        let in_service = || group.iter().filter(|(peer, _)| !peer.parameters.down);
        let is_bad = |health| matches!(health, Health::Failing | Health::Pending);
        let panics = checking.is_some_and(|checking| checking.panic)
            && in_service().all(|it| is_bad(it.1))
            && in_service().any(|it| it.1 == Health::Failing);
        is_panicking |= panics;
        let serves = |health| match health {
            Health::Unchecked | Health::Passing => true,
            Health::Failing => panics,
            Health::Pending => false,
        };
        let expected = in_service().filter(|it| serves(it.1));
        let expected: BTreeSet<String> =
            expected.map(|(peer, _)| peer.name.trim_matches(['[', ']']).to_owned()).collect();
        if !name.is_empty() {
            let found: BTreeSet<String> =
                (0..2 * group.len()).filter_map(|_| ask_in(worker, name)).collect();
            prop_assert_eq!(found, expected, "{:?} with {:?}", group, checking);
        }
    }
    prop_assert_eq!(fixture.zone.statistics().is_panicking, is_panicking);
    Ok(())
}

fn holds(steps: Vec<Step>, upstream: Option<CheckPolicy>) -> Result<(), TestCaseError> {
    let table_options = TableOptions { checking: upstream, ..options(Method::RoundRobin) };
    let fixture = Fixture::new(1 << 18);
    let mut publisher = fixture.publisher_with(table_options);
    publish(&mut publisher, &[]).expect("room");
    let mut worker = fixture.worker();
    let mut list: Vec<Option<Value>> = vec![None; 8];
    let mut own = vec![GroupOptions::default(); GROUPS.len()];
    for step in steps {
        match step {
            Step::Publish(new) => {
                list = new;
                publish(&mut publisher, &specs(&list)).expect("room");
            }
            Step::Keys(changes) => {
                let mut keys = Vec::new();
                for (key, value) in changes {
                    list[key] = value;
                    let peers = value.iter().map(|value| spec(key, value).into()).collect();
                    keys.push(KeyPeers { key: format!("key-{key}").into(), peers });
                }
                prop_assert!(publisher.publish_keys(keys, 0, &UNSHARED()).is_some());
            }
            Step::Set(group, checking) => {
                own[group].checking =
                    checking.map(|it| it.map(|(mandatory, panic)| policy(mandatory, panic)));
                set(&mut publisher, GROUPS[group], own[group].clone());
            }
            Step::Health(key, health) => {
                let Some(value) = &list[key] else { continue };
                // Nobody checks without a check.
                if own[value.1].checking.unwrap_or(upstream).is_some() {
                    let spec = spec(key, value);
                    let key = spec.key.as_deref();
                    publisher.set_health(key, &spec.socket_address, health, 5, &UNSHARED());
                }
            }
            Step::TakeOver => {
                publisher = fixture.publisher_with(table_options);
                for (name, own) in GROUPS.into_iter().zip(&own) {
                    set(&mut publisher, name, own.clone());
                }
            }
            Step::Collect => collect(&mut publisher),
        }
        check(&fixture, (&publisher, &mut worker), (upstream, &own))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_group_is_left_as_its_own_checks_decide(
        steps in steps(),
        upstream in proptest::option::of(any::<(bool, bool)>()),
    ) {
        holds(steps, upstream.map(|(mandatory, panic)| policy(mandatory, panic)))?;
    }
}
