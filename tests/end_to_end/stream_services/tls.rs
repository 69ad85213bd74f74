//! `tls.conf`: TLS to nodes by the name that the client asks for.

use std::process::Command;

use harness::*;

const PORT: u16 = 8_443;

/// A stock nginx that ends TLS, with a certificate for this name.
struct TlsNode {
    nginx: Nginx,
    port: u16,
    _files: Folder,
}

impl TlsNode {
    async fn start(authority: &Authority, name: &str, says: &str) -> Result<Self> {
        let certificate = authority.certificate(&[name, &format!("*.{name}")])?;
        let (files, port) = (Folder::new("tls-node")?, free_port()?);
        let key = files.write("node.key", &certificate.key)?;
        let pem = files.write("node.pem", &certificate.certificate)?;
        let server = format!(
            "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {};
                location / {{ return 200 {says}; }} }}",
            pem.display(),
            key.display()
        );
        let configuration = Configuration::stock().workers(1).http(&server);
        // The harness's own server passes to it, and is not asked.
        let nobody = format!("upstream {UPSTREAM} {{ server 127.0.0.1:{port}; }}");
        let nginx = Nginx::start(configuration.http(&nobody)).await?;
        Ok(Self { nginx, port, _files: files })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// What a client that trusts only this authority gets for `https://NAME/`, from a server at this
/// address.
fn ask(authority: &std::path::Path, name: &str, address: &str) -> Result<String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--cacert"])
        .arg(authority)
        .args(["--connect-to", &format!("::{address}"), &format!("https://{name}/")])
        .output()?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn tls_sessions_reach_the_nodes_of_their_name() -> Result<()> {
    let etcd = Etcd::start().await?;
    let authority = Authority::new("authority")?;
    let files = Folder::new("authority")?;
    let trusted = files.write("authority.pem", authority.pem())?;
    let shop = TlsNode::start(&authority, "shop.example", "shop").await?;
    let mail = TlsNode::start(&authority, "mail.example", "mail").await?;
    etcd.put("/services/shop/a", shop.address()).await?;
    etcd.put("/services/mail/a", mail.address()).await?;
    let router = ShippedStream::start("tls.conf", &etcd).await?;
    let address = router.address(PORT);
    router.wait_for_peers("shop", &["a"]).await?;
    router.wait_for_peers("mail", &["a"]).await?;

    // The certificate is the node's: curl checks that it is for the name.
    for (name, says) in
        [("shop.example", "shop"), ("mail.example", "mail"), ("a.shop.example", "shop")]
    {
        assert_eq!(ask(&trusted, name, &address)?, says, "{name}");
    }
    // A name that nobody has, and a client that sends none.
    for name in ["other.example", "127.0.0.1"] {
        assert!(ask(&trusted, name, &address).is_err(), "{name}");
    }
    assert_eq!(ask(&trusted, "mail.example", &address)?, "mail");

    // Another node takes the place of the first.
    let new = TlsNode::start(&authority, "shop.example", "new").await?;
    etcd.put("/services/shop/b", new.address()).await?;
    etcd.delete("/services/shop/a").await?;
    router.wait_for_peers("shop", &["b"]).await?;
    assert_eq!(ask(&trusted, "shop.example", &address)?, "new");
    assert_eq!(ask(&trusted, "mail.example", &address)?, "mail");
    let path = router.nginx.folder().path().join("logs/stream.log");
    eventually(SOON, "the sessions are logged", async || {
        let log = std::fs::read_to_string(&path)?;
        ensure!(log.contains(r#"name="a.shop.example" peer=a upstream="#), "{log}");
        ensure!(log.contains(r#"name="shop.example" peer=b upstream="#), "{log}");
        Ok(())
    })
    .await?;
    for node in [shop, mail, new] {
        node.nginx.check_log()?;
    }
    router.nginx.check_log()
}
