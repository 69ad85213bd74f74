//! Nothing that is written into etcd comes as more than text into a log, a header or the status.

use std::collections::BTreeMap;

use harness::*;
use hyper::Method;
use hyper::body::Bytes;

/// Texts that mean something to whoever reads a log, a terminal, a browser or a parser.
const HOSTILE: [&str; 16] = [
    "\n2026/11/23 00:00:00 [emerg] 1#1: forged",
    "\r\nSet-Cookie: forged=1\r\n\r\n<h1>forged</h1>",
    "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}",
    "</script><script>alert(1)</script>",
    "\",\"forged\":\"",
    "\\\",\\\"forged\\\":\\\"",
    "'; DROP TABLE peers; --",
    "\u{202e}desrever\u{2066}\u{200f}",
    "one\u{2028}two\u{2029}three\u{85}four",
    "\0\u{1}\u{8}\u{7f}\u{9b}31m",
    "%s%n%d%p{}{0}",
    "${jndi:ldap://127.0.0.1/a} $etcd_peer $(id) `id`",
    "\u{feff}\u{fffd}\u{10ffff}\u{e000}",
    "../../../../etc/passwd",
    "👩‍👩‍👧‍👦 e\u{301}\u{301}\u{301}\u{301}",
    "<!--#exec cmd=\"id\"-->",
];

/// Whether a character may move a cursor, end a line, or turn the direction of writing.
fn is_harmful(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    turns || character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Pairs of a key's name and a value, each hostile in one of them or in both. `address` is a
/// peer's.
fn hostile(address: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (number, text) in HOSTILE.into_iter().enumerate() {
        let mut add = |key: String, value: String| all.push((key.into_bytes(), value.into_bytes()));
        add(format!("a{number}"), text.to_owned());
        add(format!("b{number}"), format!("{address} {text}"));
        add(format!("c{number}"), format!("{address} weight={text}"));
        add(format!("d{number}"), format!("unix:/run/{text} down"));
        let json = |value: serde_json::Value| value.to_string();
        add(format!("e{number}"), json(serde_json::json!({ "addr": text })));
        add(format!("f{number}"), json(serde_json::json!({ "addr": address, text: 1 })));
        add(format!("g{number}"), json(serde_json::json!({ "addr": address, "weight": text })));
        add(format!("h{number}"), json(serde_json::json!({ "Op": text, "Addr": address })));
        add(format!("i{number}"), format!("{{{text}}}"));
        // In the key, with a value that is malformed and with one that is good.
        add(format!("j{number}{text}"), "?".to_owned());
        add(format!("k{number}{text}"), format!("{address} down"));
    }
    let mut add = |key: &[u8], value: &[u8]| all.push((key.to_vec(), value.to_vec()));
    add(b"utf8-value", b"\xff\xfe\x1b[31m\xc3\x28");
    add(b"utf8-key\xff\x1b[31m\n", address.as_bytes());
    add(b"utf8-both\xc0\xaf", b"\xed\xa0\x80");
    let mega = vec![b'\n'; 1 << 20];
    add(b"mega", &mega);
    add(b"mega-address", &[address.as_bytes(), &mega].concat());
    add("m".repeat(255).as_bytes(), b"?");
    add("n".repeat(256).as_bytes(), address.as_bytes());
    add(&[b"o".repeat(300), b"\n\x1b[31m".to_vec()].concat(), &mega);
    add("é".repeat(128).as_bytes(), address.as_bytes());
    all
}

/// Fails unless the log is made of nginx's lines alone.
fn check_lines(log: &[u8]) -> Result<()> {
    let log = str::from_utf8(log).map_err(|error| format!("not UTF-8: {error}"))?;
    for line in log.lines() {
        ensure!(!line.contains(is_harmful), "{line:?}");
        let bytes = line.as_bytes();
        let is_dated = bytes.get(..4).is_some_and(|year| year.iter().all(u8::is_ascii_digit))
            && bytes.get(4) == Some(&b'/')
            && line.split(' ').nth(2).is_some_and(|level| level.starts_with('['));
        ensure!(is_dated && line.len() < 1024, "{line:?}");
    }
    Ok(())
}

#[tokio::test]
async fn keys_and_values_are_text_wherever_they_are_shown() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let address = router.nodes[0].address().to_string();
    let pairs = hostile(&address);
    let mut revision = 0;
    for (name, value) in &pairs {
        revision = etcd.put([PREFIX.as_bytes(), name].concat(), value).await?;
    }
    let upstream = nginx.applied(revision).await?;

    // What is good is there as it was written, and what is not is counted, logged and shown.
    let fit = |text: &&str| !text.contains(is_harmful);
    for (number, text) in HOSTILE.iter().enumerate().filter(|(_, text)| fit(text)) {
        let peer = upstream.peer(&format!("k{number}{text}")).ok_or_else(|| format!("{text:?}"))?;
        assert_eq!((peer.address.as_str(), peer.down), (address.as_str(), true));
    }
    for (number, text) in HOSTILE.iter().enumerate().filter(|(_, text)| !fit(text)) {
        assert!(upstream.peer(&format!("k{number}{text}")).is_none(), "{text:?}");
    }
    assert!(upstream.rejected.len() >= 100, "as many as are shown: {}", upstream.rejected.len());
    // Of a burst some are counted in one line.
    eventually(SOON, "each rejected value is in a line or a sum", async || {
        let left_out = nginx.log_lines(" more values rejected, ").into_iter().map(|line| {
            let (before, _) = line.split_once(" more values rejected, ").ok_or("no sum")?;
            Ok(before.rsplit(' ').next().ok_or("no number")?.parse::<u64>()?)
        });
        let left_out: u64 = left_out.collect::<Result<Vec<_>>>()?.iter().sum();
        let said = nginx.log_lines("\" rejected: ").len() as u64;
        ensure!(said + left_out == upstream.rejected_total, "{said} + {left_out}");
        Ok(())
    })
    .await?;
    for rejected in &upstream.rejected {
        assert!(
            !rejected.reason.contains(is_harmful) && rejected.reason.len() < 512,
            "{rejected:?}"
        );
        assert!(!rejected.key.contains(is_harmful) && rejected.key.len() < 512, "{rejected:?}");
    }
    let log = nginx.folder().path().join("logs/error.log");
    check_lines(&std::fs::read(&log)?)?;
    for _ in 0..4 {
        let answer = nginx.get("/").await?;
        assert_eq!((answer.status, answer.peer()), (200, "n0"));
        assert!(!answer.headers.contains_key("set-cookie"));
    }

    // Another watcher reads it all again.
    nginx.reload().await?;
    let revision = etcd.put(key("after"), "?").await?;
    nginx.applied(revision).await?;
    check_lines(&std::fs::read(&log)?)?;
    nginx.check_log()
}

#[tokio::test]
async fn status_is_json_and_takes_no_other_method() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let address = router.nodes[0].address().to_string();
    let mut revision = 0;
    for (name, value) in hostile(&address) {
        revision = etcd.put([PREFIX.as_bytes(), &name].concat(), value).await?;
    }
    nginx.applied(revision).await?;

    let mut connection = nginx.connect().await?;
    let answer = connection.get("/etcd").await?;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    // No value has a field of its own.
    let status: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&answer.body)?;
    let fields: Vec<_> = status.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "geo",
            "idle_connections",
            "maps",
            "nginx_version",
            "pid",
            "publication_bounds",
            "time",
            "time_bounds",
            "tls_sessions",
            "upstreams",
            "variables",
            "version",
            "watcher_pid"
        ]
    );
    let rejected = status["upstreams"][UPSTREAM]["rejected"].as_array().ok_or("no list")?;
    for one in rejected {
        let fields: Vec<_> = one.as_object().ok_or("no object")?.keys().collect();
        assert_eq!(fields, ["key", "reason"]);
    }
    // As text it has no control characters but those between its fields.
    let text = str::from_utf8(&answer.body)?;
    assert!(!text.contains(|character| is_harmful(character) && character != '\n'));

    let head = connection.send(Method::HEAD, "/etcd", Bytes::new()).await?;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer =
            nginx.connect().await?.send(method.clone(), "/etcd", Bytes::from_static(b"{}")).await?;
        assert_eq!(answer.status, 405, "{method}");
    }
    nginx.check_log()
}
