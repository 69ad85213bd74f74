//! A value that cannot be understood is reported once, and changes nothing.

use harness::*;
use nix::sys::signal::Signal;

/// What the values of one key are not: name, value.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let texts: &[(&str, &str)] = &[
        ("blank", "   "),
        ("words", "hello world, this is no address"),
        ("port-only", ":8080"),
        ("port-zero", "127.0.0.1:0"),
        ("port-high", "127.0.0.1:65536"),
        ("port-huge", "127.0.0.1:99999999999999999999"),
        ("port-negative", "127.0.0.1:-80"),
        ("port-letters", "127.0.0.1:http"),
        ("port-missing", "127.0.0.1:"),
        ("ipv4-octet", "256.0.0.1:80"),
        ("ipv6-bare", "2001:db8::1"),
        ("ipv6-open", "[2001:db8::1:80"),
        ("ipv6-bad", "[2001:db8:::1]:80"),
        ("unix-empty", "unix:"),
        ("name-space", "host name:80"),
        ("name-illegal", "ho$t:80"),
        ("name-empty-label", "a..b:80"),
        ("url", "ftp://127.0.0.1:80"),
        ("url-path", "127.0.0.1:80/path"),
        ("weight-negative", "127.0.0.1:80 weight=-1"),
        ("weight-fraction", "127.0.0.1:80 weight=1.5"),
        ("weight-words", "127.0.0.1:80 weight=heavy"),
        ("weight-missing", "127.0.0.1:80 weight="),
        ("weight-huge", "127.0.0.1:80 weight=4294967296"),
        ("max-fails-negative", "127.0.0.1:80 max_fails=-1"),
        ("fail-timeout-unit", "127.0.0.1:80 fail_timeout=10parsecs"),
        ("fail-timeout-negative", "127.0.0.1:80 fail_timeout=-1s"),
        ("max-conns-words", "127.0.0.1:80 max_conns=many"),
        ("unknown-parameter", "127.0.0.1:80 colour=blue"),
        ("unknown-flag", "127.0.0.1:80 sideways"),
        ("semicolons", "127.0.0.1:80; 127.0.0.1:81;"),
        ("server-word", "server 127.0.0.1:80;"),
        ("json-open", "{\"addr\":\"127.0.0.1:80\""),
        ("json-array", "[1,2,3]"),
        ("json-number", "{\"addr\":80}"),
        ("json-null", "{\"addr\":null}"),
        ("json-no-address", "{\"colour\":\"blue\"}"),
        ("json-unknown-field", "{\"addr\":\"127.0.0.1:80\",\"colour\":\"blue\"}"),
        ("json-weight-huge", "{\"addr\":\"127.0.0.1:80\",\"weight\":1e999}"),
        ("json-weight-array", "{\"addr\":\"127.0.0.1:80\",\"weight\":[5]}"),
        ("json-trailing", "{\"addr\":\"127.0.0.1:80\"} and more"),
        ("grpc-delete", "{\"Op\":1,\"Addr\":\"127.0.0.1:80\"}"),
        ("grpc-no-port-number", "{\"Op\":0,\"Addr\":\"127.0.0.1:port\"}"),
        ("skydns-port", "{\"host\":\"127.0.0.1\",\"port\":70000}"),
        ("line-break", "127.0.0.1:80\n[emerg] forged: a line in the log"),
        ("nul", "127.0.0.1:80\0"),
    ];
    let mut all: Vec<_> =
        texts.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect();
    all.push(("no-utf8", b"127.0.0.1:80 \xff\xfe".to_vec()));
    all.push(("too-long", vec![b'a'; 100_000]));
    all.push(("json-deep", format!("{{\"addr\":{}", "[".repeat(4000)).into_bytes()));
    all.push(("unix-long", format!("unix:/{}", "x".repeat(200)).into_bytes()));
    all
}

/// The log's lines that reject a key.
fn lines(nginx: &Nginx, name: &str) -> Vec<String> {
    nginx.log_lines(&format!("etcd: upstream \"firehose\": key \"{}\" rejected: ", key(name)))
}

#[tokio::test]
async fn malformed_value_is_logged_once_and_the_last_good_peer_stays() -> Result<()> {
    let table = malformed();
    assert!(table.len() >= 40);
    let router = Router::start(2, 1).await?;
    let (nginx, etcd, node) = (&router.nginx, &router.etcd, &router.nodes[0]);
    let good = |name: &str| (key(name), node.address().to_string());
    let before =
        nginx.applied(etcd.put_all(table.iter().map(|(name, _)| good(name))).await?).await?;
    assert_eq!(before.keys().len(), table.len() + 1);

    let mut revision = 0;
    for _ in 0..2 {
        for (name, value) in &table {
            revision = etcd.put(key(name), value).await?;
        }
    }
    let after = nginx.applied(revision).await?;
    nginx.wait_for_log_lines("\" rejected: ", table.len()).await?;
    for (name, _) in &table {
        let lines = lines(nginx, name);
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        assert!(lines[0].contains("[error]"), "{lines:?}");
        let rejected: Vec<_> = after.rejected.iter().filter(|it| it.key == key(name)).collect();
        assert_eq!(rejected.len(), 1, "{name}: {rejected:?}");
        assert!(
            !rejected[0].reason.is_empty() && lines[0].contains(&rejected[0].reason),
            "{rejected:?}"
        );
        let peer = after.peer(name).ok_or_else(|| format!("{name} has lost its peer"))?;
        assert_eq!(peer.address, node.address().to_string(), "{name}");
    }
    assert_eq!(after.rejected.len(), table.len(), "{:?}", after.rejected);
    assert_eq!(after.rejected_total, table.len() as u64);
    assert_eq!((after.generation, after.keys()), (before.generation, before.keys()));
    assert!(nginx.log().lines().all(|line| line.len() < 2048), "no value fills the log");
    for _ in 0..10 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
    }

    // A reload starts a new watcher, which has only the shared memory and etcd to know the last
    // good peers from.
    nginx.reload().await?;
    let reloaded = nginx.upstream().await?;
    assert_eq!(reloaded.keys(), before.keys());

    // Good values, and deletes, clear what was rejected.
    etcd.put_all(table.iter().skip(1).map(|(name, _)| good(name))).await?;
    let cleared = nginx.applied(etcd.delete(&key(table[0].0)).await?).await?;
    assert_eq!(cleared.rejected.len(), 0, "{:?}", cleared.rejected);
    assert_eq!(cleared.keys().len(), table.len());
    assert!(
        nginx.log().lines().all(|line| line.starts_with("20")),
        "no value makes a line of its own"
    );
    nginx.check_log()
}

#[tokio::test]
async fn malformed_value_from_the_start_is_no_peer_and_others_serve() -> Result<()> {
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let before = nginx.upstream().await?;
    let mut revision = 0;
    for (name, value) in malformed() {
        revision = etcd.put(key(name), value).await?;
    }
    let after = nginx.applied(revision).await?;
    assert_eq!((after.generation, after.keys()), (before.generation, vec!["n0"]));
    assert_eq!(after.rejected.len(), malformed().len());
    assert_eq!(nginx.get("/").await?.node(), "n0");
    nginx.check_log()
}

#[tokio::test]
async fn another_malformed_value_is_logged_again() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for value in ["127.0.0.1:80 weight=-1", "127.0.0.1:80 weight=-5"] {
        nginx.applied(etcd.put(key("n0"), value).await?).await?;
    }
    nginx.wait_for_log_lines(&format!("key \"{}\" rejected: ", key("n0")), 2).await?;
    let upstream = nginx.upstream().await?;
    assert_eq!((upstream.rejected.len(), upstream.rejected_total), (1, 2));
    assert!(upstream.rejected[0].reason.contains("-5"), "{upstream:?}");
    nginx.check_log()
}

#[tokio::test]
async fn malformed_keys_are_logged_printable() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (nginx, etcd, node) = (&router.nginx, &router.etcd, &router.nodes[0]);
    let address = node.address().to_string();
    let long = "k".repeat(4000);
    let keys: [&[u8]; 4] = [b"", b"no\xffutf8", b"line\nbreak [emerg] forged", long.as_bytes()];
    let mut revision = 0;
    for name in keys {
        revision = etcd.put([PREFIX.as_bytes(), name].concat(), &address).await?;
    }
    let upstream = nginx.applied(revision).await?;
    assert_eq!(upstream.peer("n0").map(|peer| peer.state.as_str()), Some("up"));
    nginx.wait_for_log_lines("\" rejected: ", upstream.rejected.len()).await?;
    assert!(upstream.rejected.len() >= 3, "{upstream:?}");
    assert!(
        nginx.log().lines().all(|line| line.starts_with("20") && line.len() < 2048),
        "{}",
        nginx.log()
    );
    for _ in 0..4 {
        assert_eq!(nginx.get("/").await?.node(), "n0");
    }
    nginx.check_log()
}

#[tokio::test]
async fn many_malformed_values_are_summed_up_once_over_takeovers() -> Result<()> {
    const MANY: usize = 1_500;
    let router = Router::start(2, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let pairs = (0..MANY).map(|number| (key(&format!("bad-{number:04}")), format!("? {number}")));
    nginx.applied(etcd.put_all(pairs).await?).await?;
    let sum = nginx.wait_for_log("more values rejected").await?;
    let lines = || nginx.log_lines(" rejected: ").len();
    let said = lines();
    assert!((10..=200).contains(&said), "{said} lines");
    assert!(sum.contains(&format!("{MANY} in total")) || said > 100, "{sum}");
    let upstream = nginx.upstream().await?;
    assert_eq!((upstream.rejected_total, upstream.rejected.len()), (MANY as u64, 100));

    // Another watcher, another cycle, and values that are written again: nothing of it is news.
    signal(nginx.watcher().await?, Signal::SIGKILL)?;
    nginx.watcher().await?;
    nginx.reload().await?;
    etcd.put(key("bad-1400"), "? 1400").await?;
    nginx
        .applied(etcd.put(key("other"), format!("{} down", router.nodes[0].address())).await?)
        .await?;
    assert_eq!(
        (lines(), nginx.upstream().await?.rejected_total),
        (said, MANY as u64),
        "{}",
        nginx.log()
    );
    // Another value is.
    let upstream = nginx.applied(etcd.put(key("bad-1400"), "? again").await?).await?;
    nginx.wait_for_log("bad-1400\" rejected").await?;
    assert_eq!((lines(), upstream.rejected_total), (said + 1, MANY as u64 + 1), "{}", nginx.log());
    Ok(())
}
