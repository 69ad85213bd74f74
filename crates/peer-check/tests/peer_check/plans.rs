//! Peers that are checked in another way than the rest.

use demo_node::Node;
use peer_check::{CheckConfig, CheckPlan, Checked, Checks, HealthState};

use crate::fixture::{GENEROUS, http, next, no_verdict_until, peer, target};

/// Of this page, with one failure or pass that counts.
fn plan(uri: &str) -> CheckPlan {
    CheckPlan::new(CheckConfig { fall: 1, rise: 1, ..http(uri, GENEROUS) })
}

#[tokio::test]
async fn a_peer_goes_by_its_own_plan_and_keeps_its_state_when_that_changes() {
    let (own, other) = (Node::start("own").await, Node::start("other").await);
    let (own, other) = (own.expect("a free port"), other.expect("a free port"));
    let mut checks = Checks::new(http("/healthz", GENEROUS));
    let (first, second) = (peer(target(own.address())), peer(target(other.address())));
    let with = |plan: Option<CheckPlan>| [Checked { plan, ..first.clone() }, second.clone()];
    checks.set_peers(with(Some(plan("/status/503"))));
    for _ in 0..2 {
        let verdict = next(&mut checks).await;
        let expected =
            if verdict.id == first.id { HealthState::Failing } else { HealthState::Passing };
        assert_eq!(verdict.state, expected);
    }
    // Nobody says so again for a plan that says the same, nor for another one that fails, too.
    checks.set_peers(with(Some(plan("/status/503"))));
    checks.set_peers(with(Some(plan("/status/500"))));
    let before = own.counts().requests;
    no_verdict_until(&mut checks, || own.counts().requests >= before + 3).await;
    checks.set_peers(with(None));
    let verdict = next(&mut checks).await;
    assert_eq!((verdict.id, verdict.state), (first.id.clone(), HealthState::Passing));
    // As if it had never had one.
    let before = own.counts().requests;
    no_verdict_until(&mut checks, || own.counts().requests >= before + 3).await;
}

#[tokio::test]
async fn a_change_of_plan_does_not_wait_for_the_interval_before() {
    let node = Node::start("node").await.expect("a free port");
    let rare = CheckConfig { interval: GENEROUS * 100, ..http("/healthz", GENEROUS) };
    let mut checks = Checks::new(rare);
    let one = peer(target(node.address()));
    checks.set_peers([one.clone()]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    checks.change_peers([one.id.clone()], [Checked { plan: Some(plan("/status/503")), ..one }]);
    assert_eq!(next(&mut checks).await.state, HealthState::Failing);
}
