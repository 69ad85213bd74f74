//! `etcd_sticky`: a client comes back to its peer, by a cookie.

use std::collections::{BTreeMap, BTreeSet};

use harness::*;
use nix::sys::signal::Signal;

const NODES: usize = 4;
/// Clients with a cookie.
const CLIENTS: usize = 12;
/// Changes of peers that are not theirs.
const CHANGES: usize = 100;

/// The directive with all that it takes.
const WHOLE: &str = "cookie=srv_id expires=1h domain=example.org path=/some httponly secure \
                     samesite=lax secret=pepper";

fn configuration(etcd: &Etcd, sticky: &str) -> Configuration {
    // A node's fault is one of new connections.
    let keepalive = without_keepalive().expect("nginx says its version");
    Configuration::new()
        .http(&cluster("main", &etcd.url()))
        .http(&upstream("", &format!("etcd_sticky {sticky}; {keepalive}")))
}

async fn start(sticky: &str) -> Result<Router> {
    Router::with(NODES, |etcd| configuration(etcd, sticky)).await
}

/// The value of the cookie that an answer sets, if it sets it.
fn cookie(answer: &Answer) -> Option<&str> {
    let value = answer.header("set-cookie").strip_prefix("srv_id=")?;
    Some(value.split(';').next().unwrap_or(value))
}

/// Asks with a cookie, on a connection of its own and so through any worker.
async fn ask(nginx: &Nginx, cookie: &str) -> Result<Answer> {
    let header = format!("other=1; srv_id={cookie}; another=2");
    nginx.connect().await?.get_with("/", &[("Cookie", &header)]).await
}

/// Asks as a client without a cookie, and gives the one that is set and the node.
async fn arrive(nginx: &Nginx) -> Result<(String, String)> {
    let answer = nginx.get("/").await?;
    let value = cookie(&answer).ok_or_else(|| format!("no cookie is set: {answer:?}"))?;
    let is_hash =
        value.len() == 16 && value.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    ensure!(answer.status == 200 && is_hash, "{answer:?}");
    Ok((value.to_owned(), answer.node().to_owned()))
}

/// The cookie of each node, by its name.
async fn cookies(nginx: &Nginx) -> Result<BTreeMap<String, String>> {
    eventually(SOON, "each node has served", async || {
        let mut cookies = BTreeMap::new();
        for _ in 0..2 * NODES {
            let (cookie, node) = arrive(nginx).await?;
            let before = cookies.insert(node, cookie.clone());
            ensure!(before.is_none_or(|before| before == cookie), "a node has two cookies");
        }
        ensure!(cookies.len() == NODES, "{cookies:?}");
        Ok(cookies)
    })
    .await
}

/// Fails unless every one leads to its node, without being set anew.
async fn check(nginx: &Nginx, cookies: &BTreeMap<String, String>) -> Result<()> {
    for (node, value) in cookies {
        let answer = ask(nginx, value).await?;
        ensure!(answer.status == 200 && answer.node() == node, "{node} expected: {answer:?}");
        ensure!(cookie(&answer).is_none(), "set anew: {answer:?}");
    }
    Ok(())
}

/// Fails unless the cookie leads to another node than before, and that node's is set.
async fn gives_way(nginx: &Nginx, cookies: &BTreeMap<String, String>, node: &str) -> Result<()> {
    let answer = ask(nginx, &cookies[node]).await?;
    ensure!(answer.status == 200 && answer.node() != node, "away from {node}: {answer:?}");
    let sets = answer.headers.get_all("set-cookie").iter().count();
    ensure!(sets == 1 && cookie(&answer) == Some(&cookies[answer.node()]), "{answer:?}");
    Ok(())
}

async fn put(router: &Router, number: usize, words: &str) -> Result<()> {
    let node = &router.nodes[number];
    let revision = router.etcd.put(key(node.name()), format!("{} {words}", node.address())).await?;
    router.nginx.applied(revision).await.map(drop)
}

#[tokio::test]
async fn cookie_has_the_configured_attributes() -> Result<()> {
    let router = start(WHOLE).await?;
    let answer = router.nginx.get("/").await?;
    let (_, attributes) = answer.header("set-cookie").split_once("; ").ok_or("no attributes")?;
    let (date, rest) = attributes.split_once("; ").ok_or("one attribute")?;
    assert!(date.starts_with("Expires=") && date.ends_with(" GMT"), "{date}");
    assert_eq!(
        rest,
        "Max-Age=3600; Domain=example.org; Path=/some; Secure; HttpOnly; SameSite=Lax"
    );
    // With a time it is set in each answer, so that it does not run out while the client comes.
    let value = cookie(&answer).ok_or("no cookie")?;
    let again = ask(&router.nginx, value).await?;
    assert_eq!((again.node(), cookie(&again)), (answer.node(), Some(value)));
    // Nothing but what is asked for.
    let plain = start("cookie=srv_id").await?;
    let answer = plain.nginx.get("/").await?;
    assert_eq!(answer.header("set-cookie").len(), "srv_id=0123456789abcdef".len(), "{answer:?}");
    assert!(cookie(&answer).is_some());
    router.nginx.check_log()?;
    plain.nginx.check_log()
}

#[tokio::test]
async fn no_client_moves_over_a_hundred_changes_of_other_peers() -> Result<()> {
    let router = start("cookie=srv_id").await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(arrive(nginx).await?);
    }
    let others =
        [Node::start("one").await?, Node::start("two").await?, Node::start("three").await?];
    let other_key = |number: usize| {
        key(&format!("{}{number}", if number.is_multiple_of(2) { "a" } else { "z" }))
    };
    for change in 0..CHANGES {
        let number = change % others.len();
        // Added, changed and removed, before the clients' peers in the order of keys and behind
        // them.
        let revision = match change / others.len() % 3 {
            0 => etcd.put(other_key(number), others[number].address().to_string()).await?,
            1 => {
                etcd.put(
                    other_key(number),
                    format!("{} weight={}", others[number].address(), 2 + change),
                )
                .await?
            }
            _ => etcd.delete(&other_key(number)).await?,
        };
        nginx.applied(revision).await?;
        let (cookie_of, node) = &clients[change % CLIENTS];
        let answer = ask(nginx, cookie_of).await?;
        assert_eq!(
            (answer.status, answer.node(), cookie(&answer)),
            (200, node.as_str(), None),
            "{change}"
        );
    }
    for (cookie_of, node) in &clients {
        assert_eq!(ask(nginx, cookie_of).await?.node(), node);
    }
    nginx.check_log()
}

#[tokio::test]
async fn cookie_is_good_over_weights_reloads_and_other_routers() -> Result<()> {
    let mut router = start("cookie=srv_id").await?;
    let cookies = cookies(&router.nginx).await?;
    assert_eq!(cookies.values().collect::<BTreeSet<_>>().len(), NODES);
    for (number, words) in
        ["weight=7", "weight=1 max_fails=5", "backup", "slow_start=60s"].iter().enumerate()
    {
        put(&router, number, words).await?;
    }
    check(&router.nginx, &cookies).await?;
    router.nginx.reload().await?;
    check(&router.nginx, &cookies).await?;
    // One of another machine, and then this one alone, started anew.
    let revision = router.etcd.revision().await?;
    let second = Nginx::start(configuration(&router.etcd, "cookie=srv_id")).await?;
    second.applied(revision).await?;
    check(&second, &cookies).await?;
    second.check_log()?;
    drop(second);
    router.nginx.check_log()?;
    router.nginx.end(Signal::SIGQUIT).await?;
    router.nginx = Nginx::start(configuration(&router.etcd, "cookie=srv_id")).await?;
    router.nginx.applied(revision).await?;
    check(&router.nginx, &cookies).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn draining_peer_keeps_its_sessions_and_gets_no_new_ones() -> Result<()> {
    let router = start("cookie=srv_id").await?;
    let cookies = cookies(&router.nginx).await?;
    put(&router, 0, "drain").await?;
    for _ in 0..4 * NODES {
        check(&router.nginx, &cookies).await?;
        assert_ne!(router.nginx.get("/").await?.node(), "n0");
    }
    put(&router, 0, "down").await?;
    gives_way(&router.nginx, &cookies, "n0").await?;
    put(&router, 0, "").await?;
    check(&router.nginx, &cookies).await?;
    router.nginx.check_log()
}

#[tokio::test]
async fn cookie_is_set_anew_when_its_peer_cannot_serve() -> Result<()> {
    let router = start("cookie=srv_id").await?;
    let cookies = cookies(&router.nginx).await?;

    // It fails under the very request, and is not tried again thereafter.
    router.nodes[0].set_fault(Fault::Close);
    for _ in 0..3 {
        gives_way(&router.nginx, &cookies, "n0").await?;
    }

    // It is full.
    put(&router, 1, "max_conns=1").await?;
    let mut connection = router.nginx.connect().await?;
    let header = format!("srv_id={}", cookies["n1"]);
    let waiting =
        tokio::spawn(
            async move { connection.get_with("/slow?ms=60000", &[("Cookie", &header)]).await },
        );
    eventually(SOON, "it has a request", async || {
        ensure!(router.nodes[1].counts().requests_open == 1, "{:?}", router.nodes[1].counts());
        Ok(())
    })
    .await?;
    gives_way(&router.nginx, &cookies, "n1").await?;
    waiting.abort();
    eventually(SOON, "it has room again", async || {
        let answer = ask(&router.nginx, &cookies["n1"]).await?;
        ensure!(answer.node() == "n1", "{answer:?}");
        Ok(())
    })
    .await?;

    // Its key is gone.
    router.nginx.applied(router.etcd.delete(&key("n2")).await?).await?;
    gives_way(&router.nginx, &cookies, "n2").await?;
    router.nginx.applied(router.etcd.register(&router.nodes[2..3]).await?).await?;
    assert_eq!(ask(&router.nginx, &cookies["n2"]).await?.node(), "n2");

    // Another node has taken its key over.
    let other = Node::start("n3").await?;
    router.nginx.applied(router.etcd.register(std::slice::from_ref(&other)).await?).await?;
    let answer = ask(&router.nginx, &cookies["n3"]).await?;
    assert_ne!(cookie(&answer).ok_or("no cookie is set")?, cookies["n3"]);
    router.nginx.check_log()
}

#[tokio::test]
async fn foreign_cookie_counts_as_none() -> Result<()> {
    let router = start("cookie=srv_id").await?;
    let long = "a".repeat(4000);
    for junk in [
        "",
        "0",
        "0000000000000000",
        "ffffffffffffffff",
        "0123456789ABCDEF",
        "\"",
        "%00",
        "n0",
        long.as_str(),
    ] {
        let answer = ask(&router.nginx, junk).await?;
        assert_eq!(answer.status, 200, "{junk}");
        assert!(cookie(&answer).is_some_and(|value| value != junk), "{junk}: {answer:?}");
    }
    for header in [&b"srv_id"[..], b"srv_id=\xff\xfe\xfd", b"srv_id=;srv_id==;;", b"=srv_id"] {
        let header = String::from_utf8_lossy(header).replace('\u{fffd}', "?");
        let answer = router.nginx.connect().await?.get_with("/", &[("Cookie", &header)]).await?;
        assert!(answer.status == 200 && cookie(&answer).is_some(), "{header}: {answer:?}");
    }
    router.nginx.check_log()
}
