//! Checks by `send=`, `expect=` and TLS.

use demo_node::{ClosedPort, Fault, Node};
use peer_check::{CheckConfig, Checks, HealthState, connection_check};
use tokio::time::{Duration, Instant};
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::fixture::{
    GENEROUS, SHORT, first, http, next, no_verdict_until, peer, target, tcp, why,
};
use crate::line_server::{LineServer, Script};

const PING: &str = "send=PING expect=+PONG";

/// A server that answers as Redis does.
const REDIS: Script = Script { greeting: b"", answer: b"+PONG\r\n", closes: false, repeated: b"" };

fn check(text: &str, timeout: Duration) -> CheckConfig {
    let kind = connection_check(text).expect(text);
    CheckConfig { kind, ..tcp(timeout) }
}

#[tokio::test]
async fn a_line_is_sent_and_its_answer_passes() {
    let server = LineServer::start(REDIS).await;
    let mut checks = Checks::new(check(PING, GENEROUS));
    checks.set_peers([peer(server.address())]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    assert_eq!(server.seen(|seen| seen.received.clone()), b"PING\r\n");
    // The connection ends in order, and the next check has one of its own.
    no_verdict_until(&mut checks, || server.seen(|seen| seen.ended) >= 3).await;
    assert_eq!(server.seen(|seen| seen.broken), 0);
}

#[tokio::test]
async fn answers_that_are_not_expected_fail_with_what_was_said() {
    for (answer, closes, reason) in [
        (
            b"-NOAUTH Authentication required.\r\n".as_slice(),
            false,
            r#"unexpected answer "-NOAUTH Authentication required.\r\n""#,
        ),
        (b"-ERR\n", true, r#"unexpected answer "-ERR\n""#),
        (b"+pong\r\n", true, r#"unexpected answer "+pong\r\n""#),
        (b"", true, "connection closed without a response"),
        (
            b"\x15\x03\x01\x00\x02\x02\x0a",
            true,
            r#"unexpected answer "\x15\x03\x01\x00\x02\x02\n""#,
        ),
    ] {
        let script = Script { answer, closes, ..Script::default() };
        let server = LineServer::start(script).await;
        // One that closes is known at once.
        let timeout = if closes { GENEROUS } else { SHORT };
        assert_eq!(why(check(PING, timeout), server.address()).await, reason);
    }
    let silent = LineServer::start(Script::default()).await;
    assert_eq!(why(check(PING, SHORT), silent.address()).await, "timed out after 1s");
    let closed = ClosedPort::reserve().expect("a free port");
    assert_eq!(why(check(PING, GENEROUS), target(closed.address())).await, "connection refused");
}

#[tokio::test]
async fn what_is_expected_may_come_anywhere_and_in_pieces() {
    let info = Script { answer: b"# Replication\r\nrole:master\r\n", ..REDIS };
    let server = LineServer::start(info).await;
    let role = r#""send=INFO replication" expect=role:master"#;
    assert_eq!(first(check(role, GENEROUS), server.address()).await.state, HealthState::Passing);
    assert_eq!(server.seen(|seen| seen.received.clone()), b"INFO replication\r\n");
    let greeting = Script { greeting: b"220 mail ESMTP\r\n+PO", answer: b"NG", ..REDIS };
    let server = LineServer::start(greeting).await;
    assert_eq!(first(check(PING, GENEROUS), server.address()).await.state, HealthState::Passing);
    // Bytes of another protocol are sent as they are.
    let postgresql = Script { answer: b"S", ..REDIS };
    let server = LineServer::start(postgresql).await;
    let request = r"send=\x00\x00\x00\x08\x04\xd2\x16\x2f expect=S";
    assert_eq!(first(check(request, GENEROUS), server.address()).await.state, HealthState::Passing);
    assert_eq!(server.seen(|seen| seen.received.clone()), b"\0\0\0\x08\x04\xd2\x16\x2f");
}

#[tokio::test]
async fn a_greeting_alone_can_be_expected() {
    let script = Script { greeting: b"SSH-2.0-OpenSSH_9.2p1\r\n", ..Script::default() };
    let server = LineServer::start(script).await;
    let mut checks = Checks::new(check("expect=SSH-2.0-", GENEROUS));
    checks.set_peers([peer(server.address())]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    no_verdict_until(&mut checks, || server.seen(|seen| seen.ended) >= 3).await;
    assert_eq!(server.seen(|seen| seen.broken), 0);
    let reason = why(check("expect=220", SHORT), server.address()).await;
    assert_eq!(reason, r#"unexpected answer "SSH-2.0-OpenSSH_9.2p1\r\n""#);
}

#[tokio::test]
async fn an_endless_answer_ends_the_check() {
    let endless = Script { answer: b"-", repeated: b"no\r\n", ..REDIS };
    let server = LineServer::start(endless).await;
    let began = Instant::now();
    let reason = why(check(PING, GENEROUS), server.address()).await;
    assert!(reason.starts_with(r#"unexpected answer "-no\r\nno\r\n"#), "{reason}");
    assert!(reason.ends_with("…\""), "{reason}");
    assert!(began.elapsed() < GENEROUS);
}

#[tokio::test]
async fn peers_of_both_versions_of_tls_pass_and_are_left_in_order() {
    for version in [&TLS12, &TLS13] {
        for (text, name) in [
            ("tls", None),
            ("tls name=db.internal", Some("db.internal")),
            ("tls name=db.internal send=PING expect=+PONG", Some("db.internal")),
        ] {
            // Without a line it waits for none.
            let script = if text.contains("send") { REDIS } else { Script::default() };
            let server = LineServer::with_tls(script, version).await;
            let mut checks = Checks::new(check(text, GENEROUS));
            checks.set_peers([peer(server.address())]);
            let verdict = next(&mut checks).await;
            assert_eq!(verdict.state, HealthState::Passing, "{text}: {verdict:?}");
            no_verdict_until(&mut checks, || server.seen(|seen| seen.ended) >= 3).await;
            assert_eq!(server.seen(|seen| seen.broken), 0, "{text}");
            assert_eq!(server.seen(|seen| seen.name.clone()).as_deref(), name);
        }
    }
}

#[tokio::test]
async fn peers_without_tls_fail_with_their_reason() {
    let node = Node::start("plain").await.expect("a free port");
    assert_eq!(
        why(check("tls", GENEROUS), target(node.address())).await,
        "TLS failed: the peer does not speak TLS"
    );
    node.set_fault(Fault::Close);
    let reason = why(check("tls", GENEROUS), target(node.address())).await;
    assert!(
        ["connection closed during the TLS handshake", "connection reset"]
            .contains(&reason.as_str()),
        "{reason}"
    );
    node.set_fault(Fault::Hang);
    assert_eq!(why(check("tls", SHORT), target(node.address())).await, "timed out after 1s");
    let server = LineServer::with_tls(REDIS, &TLS13).await;
    let reason = why(check(PING, GENEROUS), server.address()).await;
    assert!(reason.starts_with(r#"unexpected answer "\x15\x03"#), "{reason}");
    let noauth = Script { answer: b"-NOAUTH\r\n", ..REDIS };
    let server = LineServer::with_tls(noauth, &TLS13).await;
    let reason = why(check("tls send=PING expect=+PONG", SHORT), server.address()).await;
    assert_eq!(reason, r#"unexpected answer "-NOAUTH\r\n""#);
    // A check by HTTP is no other than before.
    assert_eq!(
        why(http("/", GENEROUS), server.address()).await,
        "invalid response: no HTTP status line"
    );
}
