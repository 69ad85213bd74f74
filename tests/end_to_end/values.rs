//! Every form of a value leads to the node that it names.

mod select;
mod several;

use std::os::unix::fs::PermissionsExt;

use harness::*;

/// The forms for a node that listens on `ip:port`: the key's name, the value, and the weight that
/// it sets.
fn forms(ip: &str, port: u16) -> Vec<(String, String, u32)> {
    let forms = [
        ("server", format!("{ip}:{port}"), 1),
        ("server-parameters", format!("{ip}:{port} weight=5 max_fails=3 fail_timeout=5s"), 5),
        ("server-space", format!("  {ip}:{port}\tweight=5 ;\n"), 5),
        ("json", format!(r#"{{"addr":"{ip}:{port}"}}"#), 1),
        (
            "json-parameters",
            format!(r#"{{"addr":"{ip}:{port}","weight":7,"fail_timeout":"5s"}}"#),
            7,
        ),
        ("grpc", format!(r#"{{"Op":0,"Addr":"{ip}:{port}","Metadata":null}}"#), 1),
        (
            "grpc-metadata",
            format!(r#"{{"Op":0,"Addr":"{ip}:{port}","Metadata":{{"weight":3}}}}"#),
            3,
        ),
        (
            "skydns",
            format!(r#"{{"host":"{ip}","port":{port},"priority":10,"weight":6,"ttl":30}}"#),
            6,
        ),
        ("url", format!("http://{ip}:{port}"), 1),
        ("kratos", format!(r#"{{"endpoints":["grpc://{ip}:1","http://{ip}:{port}"]}}"#), 1),
        ("go-micro", format!(r#"{{"nodes":[{{"id":"1","address":"{ip}:{port}"}}]}}"#), 1),
        (
            "kitex",
            format!(r#"{{"network":"tcp","address":"{ip}:{port}","weight":8,"tags":null}}"#),
            8,
        ),
        ("apisix", format!(r#"{{"nodes":{{"{ip}:{port}":9}},"type":"roundrobin"}}"#), 9),
        ("vulcand", format!(r#"{{"URL":"http://{ip}:{port}"}}"#), 1),
        ("patroni", format!(r#"{{"conn_url":"postgres://{ip}:{port}/db","state":"running"}}"#), 1),
        ("name", format!("localhost:{port}"), 1),
        ("skydns-name", format!(r#"{{"host":"localhost","port":{port}}}"#), 1),
    ];
    let upsync = r#"{"weight":4,"max_fails":2,"fail_timeout":10,"down":0,"backup":0}"#;
    let mut forms: Vec<_> =
        forms.map(|(name, value, weight)| (name.to_owned(), value, weight)).into();
    forms.push((format!("{ip}:{port}"), upsync.to_owned(), 4));
    forms.push((format!("deeper/{ip}:{port}"), String::new(), 1));
    forms.push((format!("Arith/tcp@{ip}:{port}"), "group=a&weight=2".to_owned(), 2));
    forms
}

async fn routes(router: &Router, name: &str, value: &str, weight: u32, node: &str) -> Result<()> {
    router.etcd.put(key(name), value).await?;
    let upstream =
        router.nginx.wait_for_peer(name).await.map_err(|error| format!("{value}: {error}"))?;
    let peer = upstream.peer(name).ok_or("no peer")?;
    ensure!(peer.weight == weight, "{value}: {peer:?}");
    for _ in 0..3 {
        let answer = router.nginx.get("/").await?;
        ensure!(answer.node() == node && answer.peer() == name, "{name} {value}: {answer:?}");
    }
    router.nginx.applied(router.etcd.delete(&key(name)).await?).await?;
    Ok(())
}

#[tokio::test]
async fn all_forms_of_values_route_over_ipv4() -> Result<()> {
    let (router, node) = (Router::start(1, 0).await?, Node::start("four").await?);
    let ListenAddress::Ip(address) = node.address() else { return Err("no IP address".into()) };
    for (name, value, weight) in forms("127.0.0.1", address.port()) {
        routes(&router, &name, &value, weight, "four").await?;
    }
    assert_eq!(router.nginx.upstream().await?.rejected_total, 0);
    router.nginx.check_log()
}

#[tokio::test]
async fn all_forms_of_values_route_over_ipv6() -> Result<()> {
    let router = Router::start(1, 0).await?;
    let node = Node::listen("six", &"[::1]:0".parse()?).await?;
    let ListenAddress::Ip(address) = node.address() else { return Err("no IP address".into()) };
    let port = address.port();
    // SkyDNS writes the address without brackets; localhost is for the test of IPv4.
    for (name, value, weight) in forms("[::1]", port) {
        if !name.contains("name") && !name.contains("skydns") {
            routes(&router, &name, &value, weight, "six").await?;
        }
    }
    routes(&router, "skydns", &format!(r#"{{"host":"::1","port":{port}}}"#), 1, "six").await?;
    assert_eq!(router.nginx.upstream().await?.rejected_total, 0);
    router.nginx.check_log()
}

#[tokio::test]
async fn unix_sockets_route() -> Result<()> {
    let (router, folder) = (Router::start(1, 0).await?, Folder::new("socket")?);
    let path = folder.path().join("node.sock");
    let node = Node::listen("unix", &ListenAddress::Unix(path.display().to_string())).await?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777))?;
    let address = node.address().to_string();
    for (name, value, weight) in [
        ("server", address.clone(), 1),
        ("server-parameters", format!("{address} weight=5"), 5),
        ("json", format!(r#"{{"addr":"{address}","weight":2}}"#), 2),
    ] {
        routes(&router, name, &value, weight, "unix").await?;
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn defaults_and_all_parameters_are_in_the_status() -> Result<()> {
    let router = Router::with(0, |etcd| {
        let defaults = "etcd_defaults weight=3 max_fails=4 fail_timeout=1m max_conns=9;";
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", defaults))
    })
    .await?;
    let etcd = &router.etcd;
    etcd.put(key("a"), "10.0.0.7").await?;
    etcd.put(key("b"), "10.0.0.7:81 weight=1 max_fails=0 fail_timeout=90 max_conns=2 backup")
        .await?;
    etcd.put(key("c"), r#"{"addr":"[2001:db8::1]:80","down":true,"weight":"2"}"#).await?;
    let revision = etcd.put(key("d"), "10.0.0.7:83 drain").await?;
    let upstream = router.nginx.applied(revision).await?;
    // Backup peers are listed after the others.
    let mut peers = upstream.peers.clone();
    peers.sort_by(|one, other| one.key.cmp(&other.key));
    let seen: Vec<_> = peers
        .iter()
        .map(|peer| {
            (peer.address.as_str(), peer.weight, peer.max_fails, peer.fail_timeout, peer.max_conns)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("10.0.0.7:80", 3, 4, 60, 9),
            ("10.0.0.7:81", 1, 0, 90, 2),
            ("[2001:db8::1]:80", 2, 4, 60, 9),
            ("10.0.0.7:83", 3, 4, 60, 9),
        ]
    );
    let flags: Vec<_> = peers
        .iter()
        .map(|peer| (peer.state.as_str(), peer.backup, peer.down, peer.drain))
        .collect();
    assert_eq!(
        flags,
        [
            ("up", false, false, false),
            ("up", true, false, false),
            ("down", false, true, false),
            ("drain", false, false, true)
        ]
    );
    router.nginx.check_log()
}

#[tokio::test]
async fn name_that_does_not_resolve_is_no_peer_and_harms_nobody() -> Result<()> {
    let router = Router::start(2, 1).await?;
    router.etcd.put(key("lost"), "no-such-host.invalid:80").await?;
    let revision = router.etcd.put(key("n1"), router.nodes[0].address().to_string()).await?;
    router.nginx.applied(revision).await?;
    router.nginx.wait_for_keys(&["n0", "n1"]).await?;
    for _ in 0..4 {
        assert_eq!(router.nginx.get("/").await?.node(), "n0");
    }
    router.nginx.check_log()
}

#[tokio::test]
async fn weight_0_gets_no_new_request_and_keeps_open_sessions() -> Result<()> {
    let router = Router::start(1, 1).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let node = Node::start("resting").await?;
    let address = node.address().to_string();
    for (name, value) in [
        ("server", format!("{address} weight=0")),
        ("json", format!(r#"{{"addr":"{address}","weight":0}}"#)),
        (
            address.as_str(),
            r#"{"weight":0,"max_fails":2,"fail_timeout":10,"down":0,"backup":0}"#.to_owned(),
        ),
    ] {
        nginx.applied(etcd.put(key(name), format!("{address} weight=5")).await?).await?;
        nginx.wait_for_peer(name).await?;
        let mut session = loop {
            let session = nginx.websocket("/ws").await?;
            if session.node() == "resting" {
                break session;
            }
        };
        let upstream = nginx.applied(etcd.put(key(name), &value).await?).await?;
        let peer = upstream.peer(name).ok_or("it has left")?;
        assert_eq!(
            (peer.state.as_str(), peer.weight, peer.drain),
            ("drain", 0, true),
            "{value}: {peer:?}"
        );
        for _ in 0..6 {
            assert_eq!(nginx.get("/").await?.node(), "n0", "{value}");
        }
        session.echo("still open").await?;
        // With a weight it is back.
        nginx.applied(etcd.put(key(name), format!("{address} weight=5")).await?).await?;
        nginx.wait_for_peer(name).await?;
        nginx.applied(etcd.delete(&key(name)).await?).await?;
    }
    // What these write who have set none.
    for (name, value) in [
        ("skydns", format!(r#"{{"host":"127.0.0.1","port":{},"weight":0}}"#, port(&node)?)),
        ("grpc", format!(r#"{{"Op":0,"Addr":"{address}","Metadata":{{"weight":0}}}}"#)),
    ] {
        let upstream = nginx.applied(etcd.put(key(name), value).await?).await?;
        let peer = upstream.peer(name).ok_or("no peer")?;
        assert_eq!((peer.state.as_str(), peer.weight), ("up", 1), "{peer:?}");
    }
    assert_eq!(nginx.upstream().await?.rejected_total, 0);
    nginx.check_log()
}

fn port(node: &Node) -> Result<u16> {
    match node.address() {
        ListenAddress::Ip(address) => Ok(address.port()),
        ListenAddress::Unix(_) => Err("no IP address".into()),
    }
}

#[tokio::test]
async fn key_at_the_prefix_itself_is_no_peer() -> Result<()> {
    // One that was there, and one that comes.
    let router = Router::with(1, |etcd| Configuration::firehose(etcd).workers(1)).await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    for value in ["init_dir", "", "10.0.0.7:80"] {
        etcd.put(PREFIX, value).await?;
        nginx
            .applied(etcd.put(key("other"), format!("{} down", router.nodes[0].address())).await?)
            .await?;
        nginx.reload().await?;
        nginx.applied(etcd.put(key("other"), router.nodes[0].address().to_string()).await?).await?;
        let upstream = nginx.wait_for_keys(&["n0", "other"]).await?;
        assert_eq!(
            (upstream.rejected_total, upstream.rejected.len()),
            (0, 0),
            "{value:?} {upstream:?}"
        );
    }
    etcd.delete(PREFIX).await?;
    nginx.applied(etcd.delete(&key("other")).await?).await?;
    nginx.wait_for_keys(&["n0"]).await?;
    assert_eq!(nginx.log_lines("rejected"), Vec::<String>::new());
    nginx.check_log()
}
