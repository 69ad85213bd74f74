use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    LONGEST_TIME_TO_LIVE, LookupFailure, LookupSchedule, NameEvent, SHORTEST_TIME_TO_LIVE,
};
use crate::backoff;
use crate::lookup::Answer;

fn list(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().expect("an address")).collect()
}

fn answer(ipv4: Option<&[&str]>, ipv6: Option<&[&str]>, seconds: u64) -> Result<Answer, String> {
    Ok(Answer {
        ipv4: ipv4.map(list),
        ipv6: ipv6.map(list),
        time_to_live: Duration::from_secs(seconds),
    })
}

fn events(schedule: &mut LookupSchedule) -> Vec<NameEvent> {
    std::iter::from_fn(|| schedule.event()).collect()
}

fn changed(name: &str) -> NameEvent {
    NameEvent::Changed { name: name.to_owned() }
}

/// A schedule with one name, whose first lookup has begun.
fn begun(name: &str) -> (LookupSchedule, Arc<str>, Instant) {
    let mut schedule = LookupSchedule::default();
    let now = Instant::now();
    schedule.set_names([name], now);
    let name = schedule.start(now).expect("new names are due at once");
    (schedule, name, now)
}

#[test]
fn addresses_are_sorted_and_each_is_there_once() {
    let (mut schedule, name, now) = begun("node");
    schedule.ended(
        &name,
        answer(Some(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]), Some(&["::1"]), 5),
        now,
    );
    assert_eq!(schedule.addresses("node"), list(&["10.0.0.1", "10.0.0.2", "::1"]));
    assert_eq!(events(&mut schedule), [changed("node")]);
    let due = schedule.next_due().expect("it is asked again");
    assert_eq!(due, now + Duration::from_secs(5));
    // The same in another order is no change.
    schedule.start(due).expect("due");
    schedule.ended(&name, answer(Some(&["10.0.0.1", "10.0.0.2"]), Some(&["::1"]), 5), due);
    assert_eq!(events(&mut schedule), []);
}

#[test]
fn the_time_to_live_is_kept_within_bounds() {
    for (seconds, expected) in [(0, SHORTEST_TIME_TO_LIVE), (86400, LONGEST_TIME_TO_LIVE)] {
        let (mut schedule, name, now) = begun("node");
        schedule.ended(&name, answer(Some(&["10.0.0.1"]), None, seconds), now);
        assert_eq!(schedule.next_due(), Some(now + expected));
    }
    let (mut schedule, name, now) = begun("node");
    let forever =
        Answer { ipv4: Some(list(&["10.0.0.1"])), ipv6: None, time_to_live: Duration::MAX };
    schedule.ended(&name, Ok(forever), now);
    assert_eq!(schedule.next_due(), Some(now + LONGEST_TIME_TO_LIVE));
}

#[test]
fn a_family_that_failed_keeps_its_addresses() {
    let (mut schedule, name, now) = begun("node");
    schedule.ended(&name, answer(Some(&["10.0.0.1"]), Some(&["::1"]), 1), now);
    let due = schedule.next_due().expect("due");
    schedule.start(due).expect("due");
    schedule.ended(&name, answer(Some(&["10.0.0.2"]), None, 1), due);
    assert_eq!(schedule.addresses("node"), list(&["10.0.0.2", "::1"]));
    let due = schedule.next_due().expect("due");
    schedule.start(due).expect("due");
    schedule.ended(&name, answer(None, Some(&[]), 1), due);
    assert_eq!(schedule.addresses("node"), list(&["10.0.0.2"]));
}

#[test]
fn an_outage_is_told_once_and_takes_nothing_away() {
    let (mut schedule, name, mut now) = begun("node");
    schedule.ended(&name, answer(Some(&["10.0.0.1"]), Some(&[]), 1), now);
    assert_eq!(events(&mut schedule), [changed("node")]);
    for attempt in 0..10 {
        now = schedule.next_due().expect("failures are retried");
        schedule.start(now).expect("due");
        schedule.ended(&name, Err(format!("reason {}", attempt / 5)), now);
        let wait = schedule.next_due().expect("failures are retried") - now;
        assert!(wait >= Duration::from_millis(500) && wait <= backoff::LONGEST, "{wait:?}");
        assert_eq!(schedule.addresses("node"), list(&["10.0.0.1"]));
    }
    assert_eq!(
        events(&mut schedule),
        [
            NameEvent::Failed { name: "node".to_owned(), reason: "reason 0".to_owned() },
            NameEvent::StillFailing { name: "node".to_owned() }
        ]
    );
    now = schedule.next_due().expect("failures are retried");
    schedule.start(now).expect("due");
    schedule.ended(&name, answer(Some(&["10.0.0.2"]), Some(&[]), 1), now);
    assert_eq!(
        events(&mut schedule),
        [NameEvent::Recovered { name: "node".to_owned() }, changed("node")]
    );
}

#[test]
fn what_is_amiss_is_known_since_it_began() {
    let (mut schedule, name, now) = begun("node");
    assert_eq!(schedule.lookup_failure("node"), Some(LookupFailure { since: now, reason: None }));
    assert_eq!(schedule.lookup_failure("other"), None);
    schedule.ended(&name, answer(Some(&["10.0.0.1"]), Some(&[]), 1), now);
    assert_eq!(schedule.lookup_failure("node"), None);
    let began = schedule.next_due().expect("it is asked again");
    for reason in ["one", "one", "two"] {
        let due = schedule.next_due().expect("failures are retried");
        schedule.start(due).expect("due");
        schedule.ended(&name, Err(reason.to_owned()), due);
        assert_eq!(
            schedule.lookup_failure("node"),
            Some(LookupFailure { since: began, reason: Some(reason) })
        );
    }
}

#[test]
fn a_forgotten_name_leaves_nothing() {
    let (mut schedule, name, now) = begun("node");
    schedule.ended(&name, answer(Some(&["10.0.0.1"]), Some(&[]), 1), now);
    schedule.set_names([], now);
    assert_eq!(events(&mut schedule), []);
    assert_eq!(schedule.addresses("node"), list(&[]));
    assert_eq!(schedule.next_due(), None);
    // Forgotten while its lookup is under way.
    schedule.set_names(["node"], now);
    let name = schedule.start(now).expect("due");
    schedule.set_names([], now);
    schedule.ended(&name, answer(Some(&["10.0.0.1"]), Some(&[]), 1), now);
    assert_eq!(events(&mut schedule), []);
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn a_name_that_stays_is_not_asked_again() {
    let (mut schedule, name, now) = begun("node");
    schedule.ended(&name, answer(Some(&["10.0.0.1"]), Some(&[]), 10), now);
    schedule.set_names(["node", "other", "other"], now);
    assert_eq!(schedule.start(now).as_deref(), Some("other"));
    assert_eq!(schedule.start(now), None);
    assert_eq!(schedule.addresses("node"), list(&["10.0.0.1"]));
}
