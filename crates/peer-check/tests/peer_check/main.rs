//! Checks of real servers on the loopback: good ones, bad ones, and ones that change.

mod exchanges;
mod fixture;
mod line_server;
mod plans;
mod server;

use demo_node::{ClosedPort, Fault, ListenAddress, Node};
use peer_check::{
    Address, CheckConfig, CheckKind, CheckMethod, Checks, HealthState, MAX_ANSWER_HEAD, StatusSet,
};
use proptest::prelude::*;
use tokio::time::Instant;

use fixture::{GENEROUS, SHORT, first, http, next, no_verdict_until, peer, target, tcp, why};
use server::{Server, Then};

#[tokio::test]
async fn a_node_that_passes_fails_and_recovers() {
    let node = Node::start("a").await.expect("a free port");
    let mut checks = Checks::new(http("/healthz", GENEROUS));
    checks.set_peers([peer(target(node.address()))]);
    let verdict = next(&mut checks).await;
    assert_eq!((verdict.state, verdict.reason), (HealthState::Passing, None));
    let before = node.counts().requests;
    no_verdict_until(&mut checks, || node.counts().requests >= before + 5).await;
    node.set_fault(Fault::Close);
    let verdict = next(&mut checks).await;
    assert_eq!(verdict.state, HealthState::Failing);
    let reason = verdict.reason.expect("a failure has a reason");
    assert!(
        ["connection closed without a response", "connection reset"].contains(&reason.as_str()),
        "{reason:?}"
    );
    let before = node.counts().accepted;
    no_verdict_until(&mut checks, || node.counts().accepted >= before + 5).await;
    node.set_fault(Fault::None);
    let verdict = next(&mut checks).await;
    assert_eq!((verdict.state, verdict.reason), (HealthState::Passing, None));
}

#[tokio::test]
async fn a_node_that_hangs_fails_and_others_do_not_wait_for_it() {
    let hanging = Node::start("hanging").await.expect("a free port");
    hanging.set_fault(Fault::Hang);
    let good = Node::start("good").await.expect("a free port");
    let mut checks = Checks::new(http("/", SHORT));
    let (first, second) = (peer(target(hanging.address())), peer(target(good.address())));
    checks.set_peers([first.clone(), second]);
    let verdict = loop {
        let verdict = next(&mut checks).await;
        if verdict.id == first.id {
            break verdict;
        }
        assert_eq!(verdict.state, HealthState::Passing);
    };
    assert_eq!(verdict.state, HealthState::Failing);
    assert_eq!(verdict.reason.as_deref(), Some("timed out after 1s"));
    // In the time of two attempts at the one that hangs.
    assert!(good.counts().requests > 2, "{}", good.counts().requests);
}

#[tokio::test]
async fn the_status_decides() {
    let node = Node::start("a").await.expect("a free port");
    let address = target(node.address());
    for status in [200, 204, 301, 399] {
        let verdict = first(http(&format!("/status/{status}"), GENEROUS), address.clone()).await;
        assert_eq!(verdict.state, HealthState::Passing, "{status}");
    }
    for status in [400, 404, 500, 503, 999] {
        let reason = why(http(&format!("/status/{status}"), GENEROUS), address.clone()).await;
        assert_eq!(reason, format!("status {status}"));
    }
    let status = StatusSet::parse("404,500-503").expect("statuses");
    let own = |uri: &str| CheckConfig {
        kind: CheckKind::Http {
            method: CheckMethod::Get,
            uri: uri.to_owned(),
            host: None,
            status: status.clone(),
        },
        ..http("/", GENEROUS)
    };
    assert_eq!(first(own("/status/404"), address.clone()).await.state, HealthState::Passing);
    assert_eq!(why(own("/status/200"), address).await, "status 200");
}

#[tokio::test]
async fn where_nobody_listens_checks_fail() {
    let port = ClosedPort::reserve().expect("a free port");
    let address = target(port.address());
    assert_eq!(why(http("/", GENEROUS), address.clone()).await, "connection refused");
    assert_eq!(why(tcp(GENEROUS), address.clone()).await, "connection refused");
    let mut checks = Checks::new(tcp(GENEROUS));
    checks.set_peers([peer(address)]);
    assert_eq!(next(&mut checks).await.state, HealthState::Failing);
    let node = port.open("a").expect("the port is ours");
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    node.kill().await;
    assert_eq!(next(&mut checks).await.state, HealthState::Failing);
}

#[tokio::test]
async fn a_tcp_check_wants_no_more_than_a_connection() {
    let node = Node::start("a").await.expect("a free port");
    node.set_fault(Fault::Hang);
    let mut checks = Checks::new(tcp(GENEROUS));
    checks.set_peers([peer(target(node.address()))]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    no_verdict_until(&mut checks, || node.counts().accepted >= 5).await;
}

#[tokio::test]
async fn unix_sockets_are_checked_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("node.sock");
    let address = ListenAddress::Unix(path.to_str().expect("UTF-8").to_owned());
    let reason = why(tcp(GENEROUS), target(&address)).await;
    assert!(reason.starts_with("No such file"), "{reason:?}");
    let node = Node::listen("a", &address).await.expect("the path is free");
    assert_eq!(first(tcp(GENEROUS), target(node.address())).await.state, HealthState::Passing);
    assert_eq!(
        first(http("/", GENEROUS), target(node.address())).await.state,
        HealthState::Passing
    );
    assert_eq!(why(http("/status/500", GENEROUS), target(node.address())).await, "status 500");
}

#[tokio::test]
async fn connections_are_closed_at_once() {
    let node = Node::start("a").await.expect("a free port");
    // 64 MiB that nobody reads: the node is done with it only when the connection is closed.
    let mut checks = Checks::new(http("/bytes/67108864", GENEROUS));
    checks.set_peers([peer(target(node.address()))]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    no_verdict_until(&mut checks, || node.counts().requests >= 5).await;
    checks.set_peers([]);
    no_verdict_until(&mut checks, || node.counts().connections == 0).await;
}

#[tokio::test]
async fn a_removed_peer_s_connection_is_closed() {
    let node = Node::start("a").await.expect("a free port");
    let mut checks = Checks::new(http("/slow?ms=60000", GENEROUS));
    checks.set_peers([peer(target(node.address()))]);
    no_verdict_until(&mut checks, || node.counts().requests == 1).await;
    assert_eq!(node.counts().connections, 1);
    checks.set_peers([]);
    no_verdict_until(&mut checks, || node.counts().connections == 0).await;
}

#[tokio::test]
async fn the_request_is_what_it_should_be() {
    let server = Server::start(b"HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    let Address::Ip(address) = server.address() else { panic!("an IP address") };
    first(http("/healthz?deep=1", GENEROUS), server.address()).await;
    let expected = format!(
        "GET /healthz?deep=1 HTTP/1.1\r\nHost: {address}\r\nUser-Agent: \
         firehose-router\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(server.request(), expected);
    let kind = CheckKind::Http {
        method: CheckMethod::Head,
        uri: "/".to_owned(),
        host: Some("node.example".to_owned()),
        status: StatusSet::default(),
    };
    first(CheckConfig { kind, ..http("/", GENEROUS) }, server.address()).await;
    let request = server.request();
    assert!(
        request.starts_with("HEAD / HTTP/1.1\r\n")
            && request.contains("\r\nHost: node.example\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_fails_each_check() {
    let node = Node::start("a").await.expect("a free port");
    let config = http("no slash", GENEROUS);
    let expected = config.verify().expect_err("not a path").to_string();
    assert_eq!(why(config, target(node.address())).await, expected);
    assert_eq!(node.counts().requests, 0);
}

#[tokio::test]
async fn what_is_not_http_fails() {
    for answer in [
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".as_slice(),
        b"\x16\x03\x01\x00\x05\x00\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x00\x1b[31m\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"\xff\xfe\xfd",
        b"<html>\n\n",
    ] {
        let server = Server::start(answer, Then::Hold).await;
        let reason = why(http("/", GENEROUS), server.address()).await;
        assert!(
            reason.starts_with("invalid response: "),
            "{reason:?} for {:?}",
            answer.escape_ascii().to_string()
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_short_fails() {
    for answer in [b"".as_slice(), b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nServer: x\r\n"] {
        let server = Server::start(answer, Then::Close).await;
        assert_eq!(
            why(http("/", GENEROUS), server.address()).await,
            "connection closed without a response"
        );
        let server = Server::start(answer, Then::Hold).await;
        assert_eq!(why(http("/", SHORT), server.address()).await, "timed out after 1s");
    }
}

#[tokio::test]
async fn an_endless_answer_fails() {
    let mut long = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    long.resize(MAX_ANSWER_HEAD + 1, b'x');
    for (head, repeated) in [
        // One header without an end, headers without an end, answers that say that there is another
        // one to come.
        (long.as_slice(), b"xxxxxxxx".as_slice()),
        (b"HTTP/1.1 200 OK\r\n", b"Name: value\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let server = Server::start(head, Then::Repeat(repeated)).await;
        let began = Instant::now();
        let reason = why(http("/", GENEROUS), server.address()).await;
        assert_eq!(reason, "invalid response: the header exceeds 1048576 bytes");
        // It is the size that ends it, not the time.
        assert!(began.elapsed() < GENEROUS);
    }
}

#[tokio::test]
async fn a_body_that_comes_a_moment_later_is_read() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Server::start(answer, Then::Late(64 << 10)).await;
    let mut checks = Checks::new(http("/", GENEROUS));
    checks.set_peers([peer(server.address())]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    no_verdict_until(&mut checks, || server.written() + server.failed() >= 3).await;
    assert_eq!(server.failed(), 0);
    // One that has no end is not read for ever.
    let endless = Server::start(answer, Then::Repeat(&[b'x'; 8 << 10])).await;
    checks.set_peers([peer(endless.address())]);
    assert_eq!(next(&mut checks).await.state, HealthState::Passing);
    no_verdict_until(&mut checks, || endless.failed() >= 3).await;
}

#[tokio::test]
async fn answers_of_all_kinds_pass() {
    let many: String = (0..2_000).map(|number| format!("X-{number}: {number}\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{many}\r\n");
    let large = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\n\r\n", "c".repeat(100_000));
    for answer in [
        b"HTTP/1.0 200 OK\r\n\r\n".as_slice(),
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nnever more",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nmalformed",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno-colon\r\n\r\n",
        many.as_bytes(),
        large.as_bytes(),
    ] {
        for then in [Then::Close, Then::Hold] {
            let server = Server::start(answer, then).await;
            let verdict = first(http("/", GENEROUS), server.address()).await;
            assert_eq!(
                verdict.state,
                HealthState::Passing,
                "{:?}: {verdict:?}",
                answer.escape_ascii().to_string()
            );
        }
    }
    let server =
        Server::start(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Then::Hold).await;
    assert_eq!(why(http("/", GENEROUS), server.address()).await, "status 101");
}

/// An answer, and bytes that take the place of some of its own.
fn any_answer() -> impl Strategy<Value = Vec<u8>> {
    let good = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok";
    let changed = prop::collection::vec((0..good.len(), any::<u8>()), 0..4).prop_map(|changes| {
        let mut answer = good.to_vec();
        for (place, byte) in changes {
            answer[place] = byte;
        }
        answer
    });
    prop_oneof![changed, prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #[test]
    fn any_answer_is_judged(answer in any_answer()) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let verdict = runtime.block_on(async {
            let server = Server::start(&answer, Then::Close).await;
            first(CheckConfig { fall: 1, ..http("/", GENEROUS) }, server.address()).await
        });
        match verdict.state {
            HealthState::Passing => {
                prop_assert!(answer.starts_with(b"HTTP/") && verdict.reason.is_none())
            }
            _ => {
                let reason = verdict.reason.expect("a failure has a reason");
                let known = [
                    "invalid response: ",
                    "connection closed without a response",
                    "connection reset",
                    "status ",
                ];
                prop_assert!(known.iter().any(|known| reason.starts_with(known)), "{:?}", reason);
            }
        }
    }
}
