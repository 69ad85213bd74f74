//! Peers and checks to test with.

use std::time::Duration;

use demo_node::ListenAddress;
use peer_check::{
    Address, CheckConfig, CheckKind, CheckMethod, Checked, Checks, HealthState, MAX_REASON, PeerId,
    StatusSet, Verdict,
};
use tokio::time::{sleep, timeout};

/// Far more than anything here takes, also on a machine that is busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Checks come fast here, so that several are waited for in no time.
pub const INTERVAL: Duration = Duration::from_millis(50);

/// Long enough for every answer that does come, on a machine that is busy.
pub const GENEROUS: Duration = Duration::from_secs(30);

/// Short, where no answer comes that counts.
pub const SHORT: Duration = Duration::from_secs(1);

/// A check by request.
pub fn http(uri: &str, timeout: Duration) -> CheckConfig {
    let kind = CheckKind::Http {
        method: CheckMethod::Get,
        uri: uri.to_owned(),
        host: None,
        status: StatusSet::default(),
    };
    CheckConfig { kind, interval: INTERVAL, timeout, fall: 2, rise: 2 }
}

/// A check by connection.
pub fn tcp(timeout: Duration) -> CheckConfig {
    CheckConfig { kind: CheckKind::Tcp { exchange: None }, ..http("/", timeout) }
}

/// Where a node is checked.
pub fn target(address: &ListenAddress) -> Address {
    match address {
        ListenAddress::Ip(address) => Address::Ip(*address),
        ListenAddress::Unix(path) => Address::Unix(path.into()),
    }
}

/// A peer there, of which nothing is known.
pub fn peer(target: Address) -> Checked {
    let id = PeerId { key: Some("node".into()), address: target.to_string().into_bytes().into() };
    Checked { id, target, state: HealthState::Unknown, plan: None }
}

/// What comes of `future`, which is soon.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

/// The next verdict.
pub async fn next(checks: &mut Checks) -> Verdict {
    within("a verdict", checks.next()).await
}

/// Keeps the checks going until the condition holds: no verdict may come meanwhile.
pub async fn no_verdict_until(checks: &mut Checks, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let quiet = async {
        tokio::select! {
            // Cancel safe: the other one is not wanted any more.
            biased;
            verdict = checks.next() => panic!("{verdict:?} was not expected"),
            () = holds => {}
        }
    };
    within("the condition", quiet).await;
}

/// The first verdict on `target`.
pub async fn first(config: CheckConfig, target: Address) -> Verdict {
    let mut checks = Checks::new(config);
    checks.set_peers([peer(target)]);
    next(&mut checks).await
}

/// Why `target` fails.
pub async fn why(config: CheckConfig, target: Address) -> String {
    let verdict = first(config, target).await;
    assert_eq!(verdict.state, HealthState::Failing);
    let reason = verdict.reason.expect("a failure has a reason");
    assert!(
        reason.chars().count() <= MAX_REASON && !reason.contains(char::is_control),
        "{reason:?}"
    );
    reason
}
