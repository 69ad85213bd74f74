//! `proxy_http_version 2` before peers from etcd (nginx 1.29.4 on), and its like beside it.

use std::time::Duration;

use harness::*;
use tokio::task::JoinHandle;

/// nginx before nodes that are registered as `n0`, `n1`, …: `/two/` asks them over HTTP/2, `/` over
/// HTTP/1.1.
struct Setting {
    nginx: Nginx,
    nodes: Vec<Http2Node>,
    etcd: Etcd,
}

impl Setting {
    /// `None` where nginx speaks no HTTP/2 to peers.
    async fn start(nodes: usize, directives: &str) -> Result<Option<Self>> {
        if !nginx_has("\"proxy_http_version 2\"", [1, 29, 4])? {
            return Ok(None);
        }
        let etcd = Etcd::start().await?;
        let two = format!(
            "location /two/ {{ proxy_pass http://{UPSTREAM}/; proxy_http_version 2; \
             proxy_connect_timeout 5s; }}"
        );
        let configuration = Configuration::new()
            .workers(1)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("zone=1m", directives))
            .server(&two);
        let nginx = Nginx::start(configuration).await?;
        let mut setting = Self { nginx, nodes: Vec::new(), etcd };
        for number in 0..nodes {
            setting.nodes.push(Http2Node::start(&format!("n{number}")).await?);
            setting.put(number, "").await?;
        }
        Ok(Some(setting))
    }

    async fn put(&self, number: usize, parameters: &str) -> Result<()> {
        let value = format!("{} {parameters}", self.nodes[number].address());
        self.nginx.applied(self.etcd.put(key(&format!("n{number}")), value).await?).await?;
        Ok(())
    }

    /// Asks for what the nodes hold, in the background.
    fn hold(&self) -> JoinHandle<Result<Answer>> {
        let address = self.nginx.address();
        tokio::spawn(async move { get(&address, "/two/hold").await })
    }

    async fn held_at(&self, number: usize, count: u64) -> Result<()> {
        eventually(SOON, &format!("n{number} holds {count}"), async || {
            let held = self.nodes[number].held();
            ensure!(held == count, "{held}");
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn nodes_are_asked_over_http2_and_connections_used_again() -> Result<()> {
    let Some(setting) = Setting::start(2, "etcd_keepalive 8;").await? else { return Ok(()) };
    for _ in 0..20 {
        let answer = setting.nginx.get("/two/").await?;
        assert_eq!((answer.status, answer.text().as_str()), (200, "HTTP/2"));
    }
    for node in &setting.nodes {
        assert_eq!((node.requests(), node.accepted()), (10, 1));
    }
    for peer in setting.nginx.upstream().await?.peers {
        assert_eq!((peer.requests, peer.connections, peer.failures), (10, 0, 0), "{peer:?}");
    }
    setting.nginx.check_log()
}

#[tokio::test]
async fn idle_connections_of_two_protocols_are_kept_apart() -> Result<()> {
    let Some(setting) = Setting::start(1, "etcd_keepalive 8;").await? else { return Ok(()) };
    for _ in 0..10 {
        assert_eq!(setting.nginx.get("/two/").await?.text(), "HTTP/2");
        assert_eq!(setting.nginx.get("/").await?.text(), "HTTP/1");
    }
    assert_eq!(setting.nodes[0].accepted(), 2);
    setting.nginx.check_log()
}

#[tokio::test]
async fn max_conns_limits_requests_over_http2() -> Result<()> {
    let Some(setting) = Setting::start(1, "").await? else { return Ok(()) };
    setting.put(0, "max_conns=2").await?;
    let held = [setting.hold(), setting.hold()];
    setting.held_at(0, 2).await?;
    assert_eq!(setting.nginx.get("/two/").await?.status, 502);
    setting.nodes[0].release();
    for held in held {
        assert_eq!(held.await??.status, 200);
    }
    assert_eq!(setting.nginx.get("/two/").await?.status, 200);
    setting.nginx.check_log()
}

#[tokio::test]
async fn drain_moves_a_request_that_has_no_answer_yet() -> Result<()> {
    let Some(setting) = Setting::start(1, "etcd_drain timeout=500ms spread=0;").await? else {
        return Ok(());
    };
    let held = setting.hold();
    setting.held_at(0, 1).await?;
    let next = Http2Node::start("n1").await?;
    setting.nginx.applied(setting.etcd.put(key("n1"), next.address()).await?).await?;
    setting.nginx.applied(setting.etcd.delete(&key("n0")).await?).await?;
    eventually(SOON, "the next has it", async || {
        ensure!(next.held() == 1, "{}", next.held());
        Ok(())
    })
    .await?;
    setting.held_at(0, 0).await?;
    next.release();
    let answer = tokio::time::timeout(SOON + Duration::from_secs(1), held).await???;
    assert_eq!((answer.status, answer.node()), (200, "n1"));
    setting.nginx.check_log()
}

#[tokio::test]
async fn peer_that_refuses_http2_is_passed_over() -> Result<()> {
    let Some(setting) = Setting::start(1, "etcd_keepalive 8;").await? else { return Ok(()) };
    let closed = ClosedPort::reserve()?;
    let value = format!("{} weight=9 max_fails=0", closed.address());
    setting.nginx.applied(setting.etcd.put(key("closed"), value).await?).await?;
    for _ in 0..10 {
        let answer = setting.nginx.get("/two/").await?;
        assert_eq!((answer.status, answer.node()), (200, "n0"));
    }
    assert_eq!(setting.nodes[0].accepted(), 1);
    setting.nginx.check_log()
}
