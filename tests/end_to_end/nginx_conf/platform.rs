//! `platform.conf`: hosts, services, canaries and certificates come and go by writes to etcd alone.

use std::process::{Command, Stdio};

use harness::*;

/// Puts a node of a service.
async fn put_node(etcd: &Etcd, service: &str, node: &Node) -> Result<i64> {
    etcd.put(format!("/services/{service}/{}", node.name()), node.address().to_string()).await
}

/// What a client with this cookie, if any, is answered at a host.
async fn ask(nginx: &Nginx, host: &str, uid: &str) -> Result<Answer> {
    let cookie = format!("uid={uid}");
    nginx.connect().await?.for_host(host).get_with("/", &[("cookie", &cookie)]).await
}

/// Waits until a host is answered by this node.
async fn is_served(nginx: &Nginx, host: &str, node: &str) -> Result<()> {
    eventually(SOON, &format!("{node} serves {host}"), async || {
        let answer = ask(nginx, host, "1").await?;
        ensure!(answer.status == 200 && answer.node() == node, "{answer:?}");
        Ok(())
    })
    .await
}

/// Waits until a host is answered with this status and text, by no node.
async fn is_refused(nginx: &Nginx, host: &str, status: u16, text: &str) -> Result<()> {
    eventually(SOON, &format!("{host} is refused"), async || {
        let answer = ask(nginx, host, "1").await?;
        ensure!(answer.status == status && answer.text().contains(text), "{answer:?}");
        Ok(())
    })
    .await
}

async fn start() -> Result<(Etcd, Nginx, u16)> {
    let (etcd, tls) = (Etcd::start().await?, free_port()?);
    let configuration = Configuration::shipped("platform.conf", &etcd)?.tls_port(8443, tls)?;
    Ok((etcd, Nginx::start(configuration).await?, tls))
}

#[tokio::test]
async fn platform_configuration_routes_hosts_to_their_services() -> Result<()> {
    let (etcd, nginx, _tls) = start().await?;
    let workers = nginx.workers()?;
    let (shop, blog) = (Node::start("shop-1").await?, Node::start("blog-1").await?);
    is_refused(&nginx, "shop.example.com", 404, "no such host").await?;

    // A route and no node, then a node; and a host by a mask.
    etcd.put("/routes/shop.example.com", "shop").await?;
    is_refused(&nginx, "shop.example.com", 503, "no nodes yet").await?;
    put_node(&etcd, "shop", &shop).await?;
    is_served(&nginx, "shop.example.com", "shop-1").await?;
    put_node(&etcd, "blog", &blog).await?;
    etcd.put("/routes/*.blog.example.com", "blog").await?;
    is_served(&nginx, "any.blog.example.com", "blog-1").await?;
    is_served(&nginx, "SHOP.example.com", "shop-1").await?;
    let groups = nginx.status().await?.upstreams.remove("services").and_then(|it| it.groups);
    assert_eq!(groups.ok_or("no groups")?.count, 2);

    // Down, gone, and dead.
    etcd.put("/services/shop/shop-1", format!("{} down", shop.address())).await?;
    is_refused(&nginx, "shop.example.com", 503, "maintenance").await?;
    etcd.delete("/routes/shop.example.com").await?;
    is_refused(&nginx, "shop.example.com", 404, "no such host").await?;
    etcd.delete_all("/services/shop/").await?;
    blog.stop().await;
    is_refused(&nginx, "any.blog.example.com", 502, "does not answer").await?;
    assert_eq!(nginx.workers()?, workers);
    let log = std::fs::read_to_string(nginx.folder().path().join("logs/access.log"))?;
    let line = "host=shop.example.com service=shop group=ok peer=shop/shop-1";
    assert!(log.contains(line), "no {line} in {log}");
    Ok(())
}

#[tokio::test]
async fn platform_configuration_shifts_clients_to_a_canary() -> Result<()> {
    let (etcd, nginx, _tls) = start().await?;
    let (old, new) = (Node::start("old").await?, Node::start("new").await?);
    put_node(&etcd, "shop-v1", &old).await?;
    put_node(&etcd, "shop-v2", &new).await?;
    etcd.put("/routes/shop.example.com", "shop-v1").await?;
    is_served(&nginx, "shop.example.com", "old").await?;

    let mut before = Vec::new();
    for (list, expected) in [
        ("shop-v1 90, shop-v2 10", 5..=40),
        ("shop-v1 50, shop-v2 50", 70..=130),
        ("shop-v2", 200..=200),
    ] {
        etcd.put("/routes/shop.example.com", list).await?;
        let with_new = eventually(SOON, &format!("clients are shared by {list}"), async || {
            let mut with_new = Vec::new();
            for client in 0..200 {
                let answer = ask(&nginx, "shop.example.com", &format!("client-{client}")).await?;
                ensure!(answer.status == 200, "{answer:?}");
                if answer.node() == "new" {
                    with_new.push(client);
                }
            }
            ensure!(expected.contains(&with_new.len()), "{} of 200", with_new.len());
            Ok(with_new)
        })
        .await?;
        // Who is there already stays there.
        assert!(before.iter().all(|client| with_new.contains(client)), "{list}");
        before = with_new;
    }
    nginx.check_log()
}

/// A client's request by OpenSSL's own program, for a name that its certificate must have.
async fn ask_by_tls(port: u16, name: &str, authority: &std::path::Path) -> Result<String> {
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .args(["-servername", name, "-verify_return_error", "-verify_hostname", name])
        .arg("-CAfile")
        .arg(authority)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    let output = tokio::task::spawn_blocking(move || {
        let mut child = client.spawn()?;
        // Without a certificate it ends before it reads.
        if let Some(mut input) = child.stdin.take() {
            std::io::Write::write_all(&mut input, request.as_bytes()).ok();
        }
        child.wait_with_output()
    })
    .await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn platform_configuration_has_certificates_by_name() -> Result<()> {
    let (etcd, nginx, tls) = start().await?;
    let node = Node::start("node").await?;
    put_node(&etcd, "shop", &node).await?;
    let authority = Authority::new("authority of the test")?;
    let file = nginx.folder().write("authority.pem", authority.pem())?;
    for (key, certified, name) in [
        ("shop.example.com", "shop.example.com", "shop.example.com"),
        ("*.example.org", "*.example.org", "any.example.org"),
    ] {
        let Certificate { certificate, key: private } = authority.certificate(&[certified])?;
        assert!(ask_by_tls(tls, name, &file).await.is_err(), "{name} has a certificate");
        etcd.put(format!("/certificates/{key}"), format!("{certificate}{private}")).await?;
        etcd.put(format!("/routes/{key}"), "shop").await?;
        eventually(SOON, &format!("{name} is served over TLS"), async || {
            let answer = ask_by_tls(tls, name, &file).await?;
            ensure!(answer.contains("200 OK"), "{answer}");
            ensure!(answer.contains("x-forwarded-proto: https"), "{answer}");
            Ok(())
        })
        .await?;
    }
    etcd.delete("/certificates/shop.example.com").await?;
    eventually(SOON, "the certificate is gone", async || {
        ensure!(ask_by_tls(tls, "shop.example.com", &file).await.is_err(), "it is there");
        Ok(())
    })
    .await
}
