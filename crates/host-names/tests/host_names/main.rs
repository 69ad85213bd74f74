//! Host names against a name server whose records change and which fails in several ways.

mod name_server;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use host_names::{HostNames, NameEvent};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;

use name_server::{NameServer, Reply, alias};

/// Far more than anything here takes, also on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(60);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

async fn next(names: &mut HostNames) -> NameEvent {
    within("an event", names.next()).await
}

/// Keeps `names` going while waiting for something else: no event may come meanwhile.
async fn no_event_until(names: &mut HostNames, condition: impl Future<Output = ()>) {
    let quiet = async {
        tokio::select! {
            // Cancel safe: the other one is not wanted any more.
            biased;
            event = names.next() => panic!("{event:?} was not expected"),
            () = condition => {}
        }
    };
    within("the condition", quiet).await;
}

fn changed(name: &str) -> NameEvent {
    NameEvent::Changed { name: name.to_owned() }
}

fn recovered(name: &str) -> NameEvent {
    NameEvent::Recovered { name: name.to_owned() }
}

/// The reason of a failure of `name`.
fn reason(event: NameEvent, name: &str) -> String {
    match event {
        NameEvent::Failed { name: failed, reason } if failed == name => reason,
        event => panic!("{event:?} instead of a failure of {name}"),
    }
}

fn list(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().expect("an address")).collect()
}

#[tokio::test]
async fn first_answer_and_change() {
    let server = NameServer::start().await;
    server.addresses("node.example", 1, &["10.0.0.2", "2001:db8::1", "10.0.0.1"]);
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["node.example"]);
    assert_eq!(names.addresses("node.example"), list(&[]));
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]));
    // Asked again while nothing changes: no event. Each lookup asks twice, for IPv4 and for IPv6.
    no_event_until(&mut names, server.wait_for_queries("node.example", 4)).await;
    server.addresses("node.example", 1, &["10.0.0.3"]);
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.3"]));
}

#[tokio::test]
async fn an_alias_is_followed() {
    let server = NameServer::start().await;
    let address = |text: &str| RData::from(text.parse::<IpAddr>().expect("an address"));
    let records = vec![alias("other.example."), address("10.0.0.1"), address("10.0.0.2")];
    server.reply("node.example", RecordType::A, Reply::Records(1, records));
    // The alias alone, as some servers answer: its target is asked for.
    server.reply("bare.example", RecordType::A, Reply::Records(1, vec![alias("far.example.")]));
    server.reply("far.example", RecordType::A, Reply::Records(1, vec![address("10.0.0.3")]));
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["node.example", "bare.example"]);
    next(&mut names).await;
    next(&mut names).await;
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1", "10.0.0.2"]));
    assert_eq!(names.addresses("bare.example"), list(&["10.0.0.3"]));
}

/// A name that is fine, then answered with `reply` (a lookup makes `queries` of it), then fine
/// again.
async fn outage(reply: Reply, queries: usize, expected: &str) {
    let server = NameServer::start().await;
    server.addresses("node.example", 1, &["10.0.0.1"]);
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["node.example"]);
    assert_eq!(next(&mut names).await, changed("node.example"));
    server.both("node.example", &reply);
    let reason = reason(next(&mut names).await, "node.example");
    assert!(reason.contains(expected), "{reason:?}");
    // When the third attempt begins the second has failed, and was not told of.
    let before = server.queries("node.example");
    no_event_until(&mut names, server.wait_for_queries("node.example", before + queries + 1)).await;
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1"]));
    server.addresses("node.example", 1, &["10.0.0.2"]);
    assert_eq!(next(&mut names).await, recovered("node.example"));
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.2"]));
}

#[tokio::test]
async fn a_server_that_fails_takes_no_address_away() {
    // hickory asks three times for each family.
    outage(Reply::Code(ResponseCode::ServFail), 6, "Server Failure").await;
}

#[tokio::test]
async fn a_name_that_is_gone_keeps_its_addresses() {
    outage(Reply::Code(ResponseCode::NXDomain), 2, "host not found").await;
}

#[tokio::test]
async fn a_name_without_records_keeps_its_addresses() {
    outage(Reply::Records(1, Vec::new()), 2, "no address").await;
}

#[tokio::test]
async fn a_name_that_fails_from_the_start_recovers() {
    let server = NameServer::start().await;
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["node.example"]);
    reason(next(&mut names).await, "node.example");
    assert_eq!(names.addresses("node.example"), list(&[]));
    server.addresses("node.example", 1, &["10.0.0.1"]);
    assert_eq!(next(&mut names).await, recovered("node.example"));
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1"]));
}

#[tokio::test]
async fn one_family_that_fails_takes_nothing_from_the_other() {
    for reply in [Reply::Code(ResponseCode::ServFail), Reply::Silence] {
        let server = NameServer::start().await;
        server.addresses("node.example", 1, &["10.0.0.1", "2001:db8::1"]);
        let mut names = HostNames::with_servers(vec![server.address]);
        names.set_names(["node.example"]);
        assert_eq!(next(&mut names).await, changed("node.example"));
        server.addresses("node.example", 1, &["10.0.0.2"]);
        server.reply("node.example", RecordType::AAAA, reply);
        assert_eq!(next(&mut names).await, changed("node.example"));
        assert_eq!(names.addresses("node.example"), list(&["10.0.0.2", "2001:db8::1"]));
    }
}

#[tokio::test]
async fn a_name_dropped_and_wanted_again() {
    let server = NameServer::start().await;
    server.addresses("node.example", 1, &["10.0.0.1"]);
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["node.example"]);
    assert_eq!(next(&mut names).await, changed("node.example"));
    names.set_names([]);
    assert_eq!(names.addresses("node.example"), list(&[]));
    names.set_names(["node.example"]);
    assert_eq!(names.addresses("node.example"), list(&[]));
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1"]));
}

#[tokio::test]
async fn a_name_dropped_during_its_lookup() {
    let server = NameServer::start().await;
    server.both("slow.example", &Reply::Silence);
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["slow.example"]);
    no_event_until(&mut names, server.wait_for_queries("slow.example", 2)).await;
    // Answers from now on, and the lookup would get them with its next query.
    server.addresses("slow.example", 1, &["10.0.0.1"]);
    server.addresses("node.example", 1, &["10.0.0.2"]);
    let before = server.queries("slow.example");
    names.set_names(["node.example"]);
    assert_eq!(next(&mut names).await, changed("node.example"));
    let queries = server.queries("node.example");
    no_event_until(&mut names, server.wait_for_queries("node.example", queries + 4)).await;
    assert_eq!(names.addresses("slow.example"), list(&[]));
    // One more of each family may have been on its way.
    assert!(server.queries("slow.example") <= before + 2);
}

#[tokio::test]
async fn a_server_that_never_answers_and_many_names() {
    let server = NameServer::start().await;
    let wanted: BTreeSet<String> =
        (0..200).map(|number| format!("node-{number}.example")).collect();
    for name in &wanted {
        server.both(name, &Reply::Silence);
    }
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(wanted.iter().map(String::as_str));
    let NameEvent::Failed { reason, .. } = next(&mut names).await else {
        panic!("nothing else can happen")
    };
    assert!(reason.contains("no response"), "{reason:?}");
    assert_eq!(server.names_asked(), 32, "no more lookups at once");
    for name in &wanted {
        server.addresses(name, 60, &["10.0.0.1"]);
    }
    let mut missing = wanted.clone();
    while !missing.is_empty() {
        if let NameEvent::Changed { name } = next(&mut names).await {
            assert_eq!(names.addresses(&name), list(&["10.0.0.1"]));
            missing.remove(&name);
        }
    }
}

#[tokio::test]
async fn two_silent_servers_of_three() {
    let servers = [NameServer::start().await, NameServer::start().await, NameServer::start().await];
    for silent in &servers[..2] {
        silent.both("node.example", &Reply::Silence);
    }
    servers[2].addresses("node.example", 60, &["10.0.0.1"]);
    let mut names = HostNames::with_servers(servers.iter().map(|server| server.address).collect());
    names.set_names(["node.example"]);
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1"]));
}

#[tokio::test]
async fn a_server_that_refuses_beside_one_that_answers() {
    let servers = [NameServer::start().await, NameServer::start().await];
    servers[0].both("node.example", &Reply::Code(ResponseCode::Refused));
    servers[1].addresses("node.example", 60, &["10.0.0.1"]);
    servers[0].both("other.example", &Reply::Code(ResponseCode::ServFail));
    let mut names = HostNames::with_servers(servers.iter().map(|server| server.address).collect());
    names.set_names(["node.example"]);
    assert_eq!(next(&mut names).await, changed("node.example"));
    assert_eq!(names.addresses("node.example"), list(&["10.0.0.1"]));
    names.set_names(["other.example"]);
    let reason = reason(next(&mut names).await, "other.example");
    assert!(reason.contains("host not found"), "{reason:?}");
}

#[tokio::test]
async fn nobody_to_ask_and_no_name_at_all() {
    let mut names = HostNames::with_servers(Vec::new());
    let long = "a".repeat(64);
    names.set_names(["node.example", "", "two..dots", &long]);
    let mut failed = BTreeSet::new();
    while failed.len() < 4 {
        match next(&mut names).await {
            NameEvent::Failed { name, .. } => assert!(failed.insert(name), "told once"),
            event => panic!("{event:?}"),
        }
    }
}

#[tokio::test]
async fn next_may_be_cancelled_at_any_time() {
    let server = NameServer::start().await;
    let wanted: BTreeSet<String> = (0..50).map(|number| format!("node-{number}.example")).collect();
    for name in &wanted {
        server.addresses(name, 60, &["10.0.0.1"]);
    }
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(wanted.iter().map(String::as_str));
    let all = async {
        let mut missing = wanted.clone();
        while !missing.is_empty() {
            tokio::select! {
                // Cancel safe: that it is, is what is tested.
                biased;
                event = names.next() => {
                    let NameEvent::Changed { name } = event else { panic!("{event:?}") };
                    assert!(missing.remove(&name), "{name} twice");
                }
                () = yield_now() => {}
            }
        }
    };
    within("all names", all).await;
}

#[tokio::test]
async fn all_ends_when_dropped() {
    let server = NameServer::start().await;
    server.both("node.example", &Reply::Silence);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(["node.example"]);
    no_event_until(&mut names, server.wait_for_queries("node.example", 2)).await;
    assert!(tasks() > before);
    drop(names);
    let ended = async {
        while tasks() > before {
            yield_now().await;
        }
    };
    within("the end of all tasks", ended).await;
}

#[tokio::test]
async fn the_systems_own_names() {
    let mut names = HostNames::system();
    names.set_names(["localhost", "localhost."]);
    next(&mut names).await;
    next(&mut names).await;
    for name in ["localhost", "localhost."] {
        let addresses = names.addresses(name);
        assert!(!addresses.is_empty(), "{name} has an address");
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }
}

#[tokio::test]
async fn many_names_and_a_server_that_answers_at_once() {
    let server = NameServer::start().await;
    let wanted: BTreeSet<String> =
        (0..300).map(|number| format!("node-{number}.example")).collect();
    for name in &wanted {
        server.addresses(name, 3_600, &["10.0.0.1"]);
    }
    let mut names = HostNames::with_servers(vec![server.address]);
    names.set_names(wanted.iter().map(String::as_str));
    let began = std::time::Instant::now();
    let (mut told, mut rounds) = (BTreeSet::new(), 0);
    while told.len() < wanted.len() {
        let mut event = Some(next(&mut names).await);
        rounds += 1;
        while let Some(NameEvent::Changed { name }) = event {
            told.insert(name);
            event = names.try_next();
        }
    }
    println!("{} names in {:?}, told of in {rounds} rounds", wanted.len(), began.elapsed());
    assert!(
        !names.is_looking_up() && wanted.iter().all(|name| names.lookup_failure(name).is_none())
    );
}
