//! TLS sessions with peers are resumed, as by nginx for its own servers.

use harness::*;

use crate::keepalive::certificate;

/// nginx, which is its own nodes: each says whether the connection has resumed a session (`r`, else
/// `.`), and what it knows of it.
struct Nodes {
    nginx: Nginx,
    folder: Folder,
    etcd: Etcd,
    ports: Vec<u16>,
}

/// The location that all tests ask.
const LOCATION: &str = "location / { proxy_pass https://firehose; SETTINGS }";

impl Nodes {
    /// One worker, since each has its own sessions. `upstream` are directives of the upstream,
    /// `settings` of the location, in which `FOLDER` is where the nodes' certificate is.
    async fn start(count: usize, upstream: &str, settings: &str) -> Result<Self> {
        // From 1.29.7 on nginx keeps connections where nothing is said.
        let closes = if upstream.contains("keepalive") { "" } else { "keepalive_timeout 0;" };
        let (etcd, folder) = (Etcd::start().await?, Folder::new("sessions")?);
        let (key, certificate) = certificate(&folder)?;
        let mut configuration = Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&harness::upstream("", upstream));
        let mut ports = Vec::new();
        for number in 0..count {
            let port = free_port()?;
            configuration = configuration.http(&format!(
                "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; \
                ssl_certificate_key {key};
                    ssl_protocols TLSv1.2 TLSv1.3; {closes} ssl_verify_client optional_no_ca;
                    return 200 \"{number} $ssl_session_reused $ssl_protocol $ssl_server_name \
                    $ssl_client_s_dn\"; }}"
            ));
            ports.push(port);
        }
        let location =
            LOCATION.replacen("location /", "location /tls", 1).replace("SETTINGS", settings);
        let location = location.replace("FOLDER", &folder.path().display().to_string());
        let nginx = Nginx::start(configuration.server(&location)).await?;
        let nodes = Self { nginx, folder, etcd, ports };
        for number in 0..count {
            nodes.put(number).await?;
        }
        let status = nodes.nginx.status().await?;
        ensure!(status.tls_sessions == 0, "{status:?}");
        Ok(nodes)
    }

    async fn put(&self, number: usize) -> Result<()> {
        let value = format!("127.0.0.1:{}", self.ports[number]);
        self.nginx.applied(self.etcd.put(key(&format!("n{number}")), value).await?).await?;
        Ok(())
    }

    /// Asks, and says which node has answered and whether a session was resumed.
    async fn ask(&self, path: &str) -> Result<(String, bool)> {
        let answer = self.nginx.get(path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        let text = answer.text().to_owned();
        let words: Vec<_> = text.split(' ').collect();
        ensure!(words.len() > 1 && [".", "r"].contains(&words[1]), "{text:?}");
        Ok((words[0].to_owned(), words[1] == "r"))
    }

    /// Asks as many times, and says which requests have resumed a session.
    async fn resumed(&self, path: &str, count: usize) -> Result<Vec<bool>> {
        let mut resumed = Vec::new();
        for _ in 0..count {
            resumed.push(self.ask(path).await?.1);
        }
        Ok(resumed)
    }
}

#[tokio::test]
async fn new_connection_resumes_the_session() -> Result<()> {
    for settings in ["", "proxy_ssl_protocols TLSv1.2;", "proxy_ssl_protocols TLSv1.3;"] {
        let nodes = Nodes::start(1, "", settings).await?;
        assert_eq!(nodes.resumed("/tls", 4).await?, [false, true, true, true], "{settings}");
        nodes.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn no_session_is_resumed_with_proxy_ssl_session_reuse_off() -> Result<()> {
    let nodes = Nodes::start(1, "", "proxy_ssl_session_reuse off;").await?;
    assert_eq!(nodes.resumed("/tls", 3).await?, [false; 3]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn each_peer_has_its_own_session() -> Result<()> {
    let nodes = Nodes::start(3, "", "").await?;
    let mut seen = Vec::new();
    for round in 0..3 {
        for _ in 0..3 {
            let (node, resumed) = nodes.ask("/tls").await?;
            assert_eq!(resumed, round > 0, "node {node}, round {round}");
            seen.push(node);
        }
    }
    assert_eq!(seen[..3], seen[3..6]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn each_server_name_has_its_own_session() -> Result<()> {
    let nodes = Nodes::start(1, "", "proxy_ssl_server_name on; proxy_ssl_name $arg_name;").await?;
    for name in ["a.test", "b.test", "c.test"] {
        let path = format!("/tls?name={name}");
        assert_eq!(nodes.resumed(&path, 2).await?, [false, true], "{name}");
    }
    assert_eq!(nodes.resumed("/tls?name=a.test", 1).await?, [true]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn many_server_names_cost_only_each_others_sessions() -> Result<()> {
    let nodes = Nodes::start(2, "", "proxy_ssl_server_name on; proxy_ssl_name $arg_name;").await?;
    for number in 0..600 {
        nodes.ask(&format!("/tls?name={number}.test")).await?;
    }
    assert_eq!(nodes.nginx.status().await?.tls_sessions, 2 * 256);
    assert_eq!(nodes.resumed("/tls?name=599.test", 4).await?[2..], [true, true]);
    // Long since given up: a peer has so many at most.
    assert_eq!(nodes.resumed("/tls?name=0.test", 4).await?, [false, false, true, true]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn each_client_certificate_has_its_own_session() -> Result<()> {
    let settings = "proxy_ssl_certificate $arg_file; proxy_ssl_certificate_key $arg_key;";
    let nodes = Nodes::start(1, "", settings).await?;
    let folder = nodes.folder.path().display();
    let with = format!("/tls?file={folder}/certificate.pem&key={folder}/key.pem");
    assert_eq!(nodes.resumed("/tls", 2).await?, [false, true]);
    assert_eq!(nodes.resumed(&with, 2).await?, [false, true]);
    // Whoever resumes without a certificate is nobody.
    let answer = nodes.nginx.get("/tls").await?;
    assert_eq!(answer.text().split(' ').skip(1).step_by(3).collect::<Vec<_>>(), ["r", ""]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn session_with_a_verified_peer_is_resumed() -> Result<()> {
    let settings = "proxy_ssl_verify on; proxy_ssl_name node; proxy_ssl_trusted_certificate \
                    FOLDER/certificate.pem;";
    let nodes = Nodes::start(1, "", settings).await?;
    assert_eq!(nodes.resumed("/tls", 3).await?, [false, true, true]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn sessions_go_with_their_peer() -> Result<()> {
    let nodes = Nodes::start(2, "", "").await?;
    assert_eq!(nodes.resumed("/tls", 4).await?, [false, false, true, true]);
    nodes.nginx.applied(nodes.etcd.delete(&key("n0")).await?).await?;
    eventually(SOON, "its session has gone", async || {
        let sessions = nodes.nginx.status().await?.tls_sessions;
        ensure!(sessions == 1, "{sessions} sessions");
        Ok(())
    })
    .await?;
    assert_eq!(nodes.ask("/tls").await?, ("1".to_owned(), true));
    // The key is the same, and so is the address: but it is another peer.
    nodes.put(0).await?;
    let mut answers = vec![nodes.ask("/tls").await?, nodes.ask("/tls").await?];
    answers.sort();
    assert_eq!(answers, [("0".to_owned(), false), ("1".to_owned(), true)]);
    nodes.nginx.check_log()
}

#[tokio::test]
async fn sessions_are_resumed_beside_kept_connections() -> Result<()> {
    let kept = "proxy_http_version 1.1; proxy_set_header Connection \"\";";
    // Of each connection two requests say what it was when it was made.
    for upstream in ["etcd_keepalive 8 requests=2;", "keepalive 8; keepalive_requests 2;"] {
        let nodes = Nodes::start(1, upstream, kept).await?;
        assert_eq!(
            nodes.resumed("/tls", 6).await?,
            [false, false, true, true, true, true],
            "{upstream}"
        );
        nodes.nginx.check_log()?;
    }
    Ok(())
}

#[tokio::test]
async fn new_worker_has_no_sessions() -> Result<()> {
    let nodes = Nodes::start(1, "", "").await?;
    assert_eq!(nodes.resumed("/tls", 2).await?, [false, true]);
    nodes.nginx.reload().await?;
    assert_eq!(nodes.resumed("/tls", 2).await?, [false, true]);
    nodes.nginx.check_log()
}
