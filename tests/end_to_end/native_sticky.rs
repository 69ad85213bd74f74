//! nginx's own `sticky` (1.29.6 on) before peers from etcd.

use harness::*;

/// nginx, which is its own nodes: each says its number, and sets the cookie `session` to what the
/// client asks for.
struct Nodes {
    nginx: Nginx,
    etcd: Etcd,
    ports: Vec<u16>,
}

impl Nodes {
    /// As many nodes, before which `upstream` gives the directives behind `etcd`, in which `PORT0`
    /// and so on are the nodes'. `None` where nginx has no `sticky`.
    async fn start(count: usize, upstream: &str) -> Result<Option<Self>> {
        if !nginx_has("\"sticky\"", [1, 29, 6])? {
            return Ok(None);
        }
        let etcd = Etcd::start().await?;
        let mut configuration = Configuration::new().workers(1).http(&cluster("main", &etcd.url()));
        let (mut ports, mut directives) = (Vec::new(), upstream.to_owned());
        for number in 0..count {
            let port = free_port()?;
            directives = directives.replace(&format!("PORT{number}"), &format!("127.0.0.1:{port}"));
            configuration = configuration.http(&format!(
                "server {{ listen 127.0.0.1:{port}; location / {{
                    add_header Set-Cookie session=$arg_session; add_header X-Connection $connection;
                    return 200 {number}; }} }}"
            ));
            ports.push(port);
        }
        let location = "add_header X-Name $upstream_addr always;";
        let nginx = Nginx::start(
            configuration.http(&harness::upstream("", &directives)).location(location),
        )
        .await?;
        Ok(Some(Self { nginx, etcd, ports }))
    }

    async fn put(&self, number: usize, parameters: &str) -> Result<()> {
        let value = format!("127.0.0.1:{} {parameters}", self.ports[number]);
        self.nginx.applied(self.etcd.put(key(&format!("n{number}")), value).await?).await?;
        Ok(())
    }

    /// Asks with a cookie, and says which node has answered, and which cookie it or nginx has set.
    async fn ask(&self, path: &str, cookie: &str) -> Result<(String, String)> {
        let mut connection = self.nginx.connect().await?;
        let answer = connection.get_with(path, &[("cookie", cookie)]).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        let set = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        Ok((answer.text().to_owned(), set))
    }

    /// The nodes that answer as many clients that say nothing.
    async fn strangers(&self, count: usize) -> Result<Vec<String>> {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(self.ask("/", "").await?.0);
        }
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }
}

#[tokio::test]
async fn cookie_leads_to_its_peer() -> Result<()> {
    for method in [
        "round_robin",
        "least_conn",
        "least_time last_byte inflight",
        "random",
        "hash $remote_port consistent",
    ] {
        let directives = format!("sticky cookie srv; etcd_balance {method};");
        let Some(nodes) = Nodes::start(3, &directives).await? else { return Ok(()) };
        for number in 0..3 {
            nodes.put(number, "").await?;
        }
        let (node, cookie) = nodes.ask("/", "").await?;
        let sid = cookie.strip_prefix("srv=").ok_or_else(|| format!("no cookie: {cookie:?}"))?;
        ensure!(sid.len() == 32 && sid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sid:?}");
        for _ in 0..6 {
            assert_eq!(nodes.ask("/", &cookie).await?, (node.clone(), cookie.clone()), "{method}");
        }
        // A reload and another parameter leave it where it is; one that drains keeps it, and gets
        // no others.
        nodes.nginx.reload().await?;
        assert_eq!(nodes.ask("/", &cookie).await?.0, node);
        nodes.put(node.parse()?, "weight=5 drain").await?;
        assert_eq!(nodes.ask("/", &cookie).await?.0, node);
        assert!(!nodes.strangers(12).await?.contains(&node), "{method}");
        nodes.put(node.parse()?, "down").await?;
        assert_ne!(nodes.ask("/", &cookie).await?.0, node);
        nodes.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn cookie_is_that_of_static_servers() -> Result<()> {
    let Some(nodes) = Nodes::start(2, "sticky cookie srv; server PORT1;").await? else {
        return Ok(());
    };
    let stock = Configuration::stock().workers(1).http(&format!(
        "upstream {UPSTREAM} {{ server 127.0.0.1:{}; sticky cookie srv; }}",
        nodes.ports[0]
    ));
    let stock = Nginx::start(stock).await?;
    let cookie = stock.get("/").await?.header("set-cookie").to_owned();
    nodes.put(0, "").await?;
    for _ in 0..4 {
        assert_eq!(nodes.ask("/", &cookie).await?, ("0".to_owned(), cookie.clone()));
    }
    nodes.nginx.check_log()
}

#[tokio::test]
async fn route_variable_leads_to_its_peer() -> Result<()> {
    let directives = "sticky route $arg_a $arg_b; server PORT0 route=zero; server PORT1 route=one;";
    let Some(nodes) = Nodes::start(3, directives).await? else { return Ok(()) };
    nodes.put(2, "").await?;
    for _ in 0..4 {
        assert_eq!(nodes.ask("/?a=zero", "").await?.0, "0");
        assert_eq!(nodes.ask("/?b=one", "").await?.0, "1");
    }
    assert_eq!(nodes.strangers(9).await?, ["0", "1", "2"]);
    assert_eq!(nodes.ask("/?a=nobody", "").await?.0.len(), 1);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn route_of_a_peer_is_its_cookie() -> Result<()> {
    let directives = "sticky cookie srv; server PORT0 route=zero; server PORT1 route=one drain;";
    let Some(nodes) = Nodes::start(2, directives).await? else { return Ok(()) };
    assert_eq!(nodes.strangers(4).await?, ["0"], "the other drains");
    assert_eq!(nodes.ask("/", "").await?, ("0".to_owned(), "srv=zero".to_owned()));
    assert_eq!(nodes.ask("/", "srv=one").await?, ("1".to_owned(), "srv=one".to_owned()));
    nodes.nginx.check_log()
}

#[tokio::test]
async fn route_in_a_value_leads_to_its_peer() -> Result<()> {
    let Some(nodes) = Nodes::start(3, "sticky route $arg_a; server PORT2 route=static;").await?
    else {
        return Ok(());
    };
    nodes.put(0, "weight=9 route=zero").await?;
    let port = nodes.ports[1];
    let json = format!(r#"{{"addr":"127.0.0.1:{port}","route":"one"}}"#);
    nodes.nginx.applied(nodes.etcd.put(key("n1"), json).await?).await?;
    let ask = async |route: &str| Ok::<_, Error>(nodes.ask(&format!("/?a={route}"), "").await?.0);
    for _ in 0..4 {
        assert_eq!(
            (ask("zero").await?, ask("one").await?, ask("static").await?),
            ("0".into(), "1".into(), "2".into())
        );
    }
    let routes = nodes.nginx.upstream().await?.peers.into_iter().map(|peer| peer.route);
    let mut routes: Vec<_> = routes.flatten().collect();
    routes.sort();
    assert_eq!(routes, ["one", "static", "zero"]);
    // Another name for a peer that stays, and its open sessions with it.
    nodes.put(0, "weight=9 route=other").await?;
    for _ in 0..4 {
        assert_eq!((ask("other").await?, ask("one").await?), ("0".into(), "1".into()));
    }
    // Whoever takes over, in another cycle, finds the names in the zone: etcd is gone.
    nodes.etcd.pause()?;
    nodes.nginx.reload().await?;
    for _ in 0..4 {
        assert_eq!(
            (ask("other").await?, ask("one").await?, ask("static").await?),
            ("0".into(), "1".into(), "2".into())
        );
    }
    nodes.etcd.resume()?;
    nodes.nginx.check_log()
}

#[tokio::test]
async fn session_leaves_a_backup_as_with_static_servers() -> Result<()> {
    let Some(nodes) = Nodes::start(2, "sticky cookie srv;").await? else { return Ok(()) };
    nodes.put(0, "route=zero down").await?;
    nodes.put(1, "route=one backup").await?;
    assert_eq!(nodes.ask("/", "srv=zero").await?, ("1".to_owned(), "srv=one".to_owned()));
    nodes.put(0, "route=zero").await?;
    assert_eq!(nodes.ask("/", "srv=one").await?, ("0".to_owned(), "srv=zero".to_owned()));
    nodes.nginx.check_log()
}

#[tokio::test]
async fn learnt_session_leads_to_its_peer() -> Result<()> {
    let directives =
        "sticky learn create=$upstream_cookie_session lookup=$cookie_session zone=learnt:1m;";
    let Some(nodes) = Nodes::start(3, directives).await? else { return Ok(()) };
    for number in 0..3 {
        nodes.put(number, "").await?;
    }
    let mut homes = Vec::new();
    for client in ["a", "b", "c"] {
        homes.push((client, nodes.ask(&format!("/?session={client}"), "").await?.0));
    }
    // Not in the order in which round robin would come to them.
    for (client, home) in homes.iter().rev() {
        let cookie = format!("session={client}");
        for _ in 0..3 {
            assert_eq!(nodes.ask(&format!("/?session={client}"), &cookie).await?.0, *home);
        }
    }
    assert!(nodes.nginx.log_lines("does not support sticky").is_empty());
    nodes.nginx.check_log()
}

#[tokio::test]
async fn connections_are_kept_behind_sticky() -> Result<()> {
    for kept in ["", "etcd_keepalive 8;", "keepalive 8;"] {
        let Some(nodes) = Nodes::start(1, &format!("sticky cookie srv; {kept}")).await? else {
            return Ok(());
        };
        nodes.put(0, "").await?;
        let mut connections = Vec::new();
        for _ in 0..4 {
            let answer = nodes.nginx.get("/").await?;
            ensure!(answer.header("set-cookie").contains("srv="), "{answer:?}");
            connections.push(answer.header("x-connection").to_owned());
        }
        connections.dedup();
        if nginx_version()? >= [1, 29, 7] || !kept.is_empty() {
            assert_eq!(connections.len(), 1, "{kept}: {connections:?}");
        }
        nodes.nginx.check_log()?;
    }
    Ok(())
}
