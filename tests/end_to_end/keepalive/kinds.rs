//! An idle connection goes only to a request that would have made the same one.

use harness::*;

use super::{certificate, keeping};

/// nginx, which is its own node: it says on which of its connections it answers, and what it knows
/// of it.
struct Node {
    nginx: Nginx,
    _folder: Folder,
    _etcd: Etcd,
}

/// What the node says of a request: the connection's number, and a text.
type Word = (String, String);

impl Node {
    /// `listen` is what stands behind the node's address, `says` is the text, and `locations` of
    /// the router are by path and directives.
    async fn start(listen: &str, says: &str, locations: &[(&str, &str)]) -> Result<Self> {
        let (etcd, folder, port) = (Etcd::start().await?, Folder::new("kinds")?, free_port()?);
        let mut server = String::new();
        if listen.contains("ssl") {
            let (key, certificate) = certificate(&folder)?;
            server = format!("ssl_certificate {certificate}; ssl_certificate_key {key};");
        }
        let node = format!(
            "server {{ listen 127.0.0.1:{port} {listen}; {server} ssl_verify_client optional_no_ca;
                location / {{ add_header X-Connection $connection always; return 200 \"{says}\"; \
                }} }}"
        );
        let mut configuration = keeping(&etcd, "8").http(&node);
        for (path, directives) in locations {
            let version = if directives.contains("proxy_http_version") {
                ""
            } else {
                "proxy_http_version 1.1;"
            };
            let location = format!(
                "location {path} {{ {version} proxy_set_header Connection \"\"; {directives} }}"
            );
            configuration = configuration
                .server(&location.replace("FOLDER", &folder.path().display().to_string()));
        }
        let nginx = Nginx::start(configuration).await?;
        nginx
            .applied(etcd.put(key("node"), format!("127.0.0.1:{port} max_fails=0")).await?)
            .await?;
        Ok(Self { nginx, _folder: folder, _etcd: etcd })
    }

    async fn ask(&self, path: &str) -> Result<Word> {
        let answer = self.nginx.get(path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        Ok((answer.header("x-connection").to_owned(), answer.text().to_owned()))
    }

    /// Asks for each path three times in turn. What is said must differ by path as `texts` do, and
    /// each path must have a connection of its own, and no more than one.
    async fn each_has_its_own(&self, paths: &[&str], texts: &[&str]) -> Result<()> {
        let mut connections = Vec::new();
        for _ in 0..3 {
            for (path, expected) in paths.iter().zip(texts) {
                let (connection, text) = self.ask(path).await?;
                ensure!(text == *expected, "{path}: {text:?} on connection {connection}");
                connections.push(connection);
            }
        }
        let (first, rest) = connections.split_at(paths.len());
        ensure!(rest.chunks(paths.len()).all(|round| round == first), "{connections:?}");
        let mut different = first.to_vec();
        different.sort_unstable();
        different.dedup();
        ensure!(different.len() == paths.len(), "{first:?}");
        Ok(())
    }
}

#[tokio::test]
async fn locations_alike_share_connections() -> Result<()> {
    let node = Node::start(
        "",
        "one",
        &[("/a", "proxy_pass http://firehose;"), ("/b", "proxy_pass http://firehose;")],
    )
    .await?;
    let first = node.ask("/a").await?;
    for path in ["/b", "/a", "/b"] {
        assert_eq!(node.ask(path).await?, first);
    }
    node.nginx.check_log()
}

#[tokio::test]
async fn plain_requests_take_no_connection_with_tls() -> Result<()> {
    let node = Node::start(
        "ssl",
        "$ssl_protocol",
        &[("/tls", "proxy_pass https://firehose;"), ("/plain", "proxy_pass http://firehose;")],
    )
    .await?;
    let first = node.ask("/tls").await?;
    let answer = node.nginx.get("/plain").await?;
    assert_eq!(answer.status, 400, "a node with TLS alone refuses it: {answer:?}");
    assert_eq!(node.ask("/tls").await?, first);
    Ok(())
}

#[tokio::test]
async fn scheme_by_a_variable_has_connections_of_its_own() -> Result<()> {
    let node =
        Node::start("ssl", "$ssl_protocol", &[("/by", "proxy_pass $arg_scheme://firehose;")])
            .await?;
    let first = node.ask("/by?scheme=https").await?;
    assert_eq!(node.nginx.get("/by?scheme=http").await?.status, 400);
    assert_eq!(node.ask("/by?scheme=https").await?, first);
    Ok(())
}

#[tokio::test]
async fn each_server_name_has_its_own_connections() -> Result<()> {
    let node = Node::start(
        "ssl",
        "$ssl_server_name",
        &[
            ("/a", "proxy_pass https://firehose; proxy_ssl_server_name on; proxy_ssl_name a.test;"),
            ("/b", "proxy_pass https://firehose; proxy_ssl_server_name on; proxy_ssl_name b.test;"),
            (
                "/by",
                "proxy_pass https://firehose; proxy_ssl_server_name on; proxy_ssl_name $arg_name;",
            ),
            ("/none", "proxy_pass https://firehose;"),
        ],
    )
    .await?;
    let paths = ["/a", "/b", "/by?name=c.test", "/by?name=d.test", "/none"];
    node.each_has_its_own(&paths, &["a.test", "b.test", "c.test", "d.test", ""]).await?;
    node.nginx.check_log()
}

/// nginx asks the module for `$etcd_peer` while the module is asking nginx for the server name.
#[tokio::test]
async fn server_name_may_be_the_key_of_the_peer() -> Result<()> {
    let directives = "proxy_pass https://firehose; proxy_ssl_server_name on; proxy_ssl_name";
    let node = Node::start(
        "ssl",
        "$ssl_server_name",
        &[
            ("/key", &format!("{directives} $etcd_peer;")),
            ("/connections", &format!("{directives} $etcd_peer-$etcd_peer_connections;")),
            ("/other", &format!("{directives} a.test;")),
        ],
    )
    .await?;
    let paths = ["/key", "/connections", "/other"];
    node.each_has_its_own(&paths, &["node", "node-1", "a.test"]).await?;
    node.nginx.check_log()
}

#[tokio::test]
async fn each_certificate_has_its_own_connections() -> Result<()> {
    let with = "proxy_pass https://firehose; proxy_ssl_certificate FOLDER/certificate.pem; \
                proxy_ssl_certificate_key FOLDER/key.pem;";
    let by = "proxy_pass https://firehose; proxy_ssl_certificate $arg_file; \
              proxy_ssl_certificate_key $arg_key;";
    let node = Node::start(
        "ssl",
        "$ssl_client_s_dn",
        &[("/with", with), ("/without", "proxy_pass https://firehose;"), ("/by", by)],
    )
    .await?;
    let folder = node._folder.path().display();
    let by = format!("/by?file={folder}/certificate.pem&key={folder}/key.pem");
    node.each_has_its_own(&["/with", "/without", &by, "/by"], &["CN=node", "", "CN=node", ""])
        .await?;
    node.nginx.check_log()
}

#[tokio::test]
async fn each_bind_address_has_its_own_connections() -> Result<()> {
    let node = Node::start(
        "",
        "$remote_addr",
        &[
            ("/any", "proxy_pass http://firehose;"),
            ("/two", "proxy_pass http://firehose; proxy_bind 127.0.0.2;"),
            ("/by", "proxy_pass http://firehose; proxy_bind $arg_address;"),
            ("/alive", "proxy_pass http://firehose; proxy_socket_keepalive on;"),
        ],
    )
    .await?;
    let paths = ["/any", "/two", "/by?address=127.0.0.3", "/alive"];
    node.each_has_its_own(&paths, &["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]).await?;
    // The same address is the same connection, whoever names it.
    assert_eq!(node.ask("/by?address=127.0.0.2").await?, node.ask("/two").await?);
    node.nginx.check_log()
}

#[tokio::test]
async fn http_takes_no_connection_of_grpc() -> Result<()> {
    let node = Node::start(
        "http2",
        "$server_protocol",
        &[
            ("/grpc", "grpc_pass grpc://firehose;"),
            ("/http", "proxy_pass http://firehose; proxy_read_timeout 2s;"),
        ],
    )
    .await?;
    let first = node.ask("/grpc").await?;
    assert_eq!(first.1, "HTTP/2.0");
    // Whatever a node that expects HTTP/2 makes of it.
    drop(node.nginx.get("/http").await);
    assert_eq!(node.ask("/grpc").await?, first);
    Ok(())
}

#[tokio::test]
async fn http_1_takes_no_connection_of_http_2() -> Result<()> {
    if !nginx_has("\"proxy_http_version 2\"", [1, 29, 4])? {
        return Ok(());
    }
    let grpc = ("/grpc", "grpc_pass grpc://firehose;");
    let locations = [
        grpc,
        ("/two", "proxy_pass http://firehose; proxy_http_version 2;"),
        ("/one", "proxy_pass http://firehose;"),
    ];
    // From 1.25.1 on such a node takes both.
    let node = Node::start("http2", "$server_protocol", &locations).await?;
    node.each_has_its_own(&["/two", "/one", "/grpc"], &["HTTP/2.0", "HTTP/1.1", "HTTP/2.0"]).await
}
