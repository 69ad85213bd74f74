//! Each kind of failure, provoked by a fault that is real.

use std::net::SocketAddr;

use harness::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{ended, logged, of_peer, totals};

/// What a faulty peer does with a request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It says this, and closes the connection.
    Text(&'static str),
    /// It resets the connection.
    Reset,
    /// It says nothing, and keeps the connection.
    Nothing,
    /// It says this, and then no more, and keeps the connection.
    Begins(&'static str),
}

/// A peer with a fault, until it is dropped.
struct Faulty {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Faulty {
    async fn start(answer: Answer) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // Errors are those of an nginx that has gone on already.
                let _ = serve(&mut stream, answer).await;
                if matches!(answer, Answer::Nothing | Answer::Begins(_)) {
                    kept.push(stream);
                }
            }
        });
        Ok(Self { address, task })
    }
}

async fn serve(stream: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    match answer {
        Answer::Text(text) | Answer::Begins(text) => stream.write_all(text.as_bytes()).await,
        Answer::Reset =>
        {
            #[expect(deprecated, reason = "with no time to wait it does not block")]
            stream.set_linger(Some(std::time::Duration::ZERO))
        }
        Answer::Nothing => Ok(()),
    }
}

/// nginx with a good node that says `backup`, and room for a faulty one.
async fn router(directives: &str) -> Result<Router> {
    let router = Router::with(1, |etcd| {
        Configuration::new()
            .http(&cluster("main", &etcd.url()))
            .http(&upstream("", directives))
            .http(
                "log_format why '$uri $status tries=$etcd_tries pick=$etcd_pick \
                 failures=$etcd_failures';",
            )
            .server(
                "access_log logs/access.log why;
                 proxy_read_timeout 2s; proxy_connect_timeout 5s;
                 proxy_next_upstream error timeout invalid_header http_500 http_404;",
            )
    })
    .await?;
    let good = format!("{} backup", router.nodes[0].address());
    router.nginx.applied(router.etcd.put(key("n0"), good).await?).await?;
    Ok(router)
}

/// Puts a faulty peer before the good one, under a key of its own.
async fn put(router: &Router, name: &str, address: &str) -> Result<()> {
    let revision = router.etcd.put(key(name), format!("{address} max_fails=0")).await?;
    router.nginx.applied(revision).await?;
    Ok(())
}

async fn remove(router: &Router, name: &str) -> Result<()> {
    let revision = router.etcd.delete(&key(name)).await?;
    router.nginx.applied(revision).await?;
    Ok(())
}

/// Failures before the header: the good peer answers.
async fn before_the_header(directives: &str) -> Result<()> {
    let router = router(directives).await?;
    let nginx = &router.nginx;
    let faults = [
        ("timeout", "timeout", Some(Answer::Nothing)),
        ("closed", "reset", Some(Answer::Text(""))),
        ("reset", "reset", Some(Answer::Reset)),
        ("half", "reset", Some(Answer::Text("HTTP/1.1 200 OK\r\nX-Half"))),
        ("stalled", "timeout", Some(Answer::Begins("HTTP/1.1 200 OK\r\nX-Half"))),
        ("invalid", "invalid_header", Some(Answer::Begins("HTTP/1.1 200 OK\r\n\0:\0\r\n\r\n"))),
        ("error", "status", Some(Answer::Text("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))),
        ("missing", "status", Some(Answer::Text("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))),
        ("refused", "connect", None),
    ];
    for (name, kind, answer) in faults {
        let faulty = match answer {
            Some(answer) => Some(Faulty::start(answer).await?),
            None => None,
        };
        let address = match &faulty {
            Some(faulty) => faulty.address.to_string(),
            None => format!("127.0.0.1:{}", free_port()?),
        };
        put(&router, name, &address).await?;
        let (before, good) = (totals(nginx).await?, of_peer(nginx, "n0").await?);
        let answer = nginx.get(&format!("/{name}")).await?;
        assert_eq!((answer.status, answer.node()), (200, "n0"), "{name}: {answer:?}");
        assert_eq!(
            logged(nginx, &format!("/{name}")).await?,
            format!("200 tries=2 pick=backup failures={name}={kind}")
        );
        if directives.contains("etcd_statistics off") {
            remove(&router, name).await?;
            continue;
        }
        let figures = of_peer(nginx, name).await?;
        assert_eq!(figures.number(&format!("/failures/{kind}")), 1, "{name}: {figures:?}");
        assert_eq!((figures.ended(), figures.number("/retries")), (1, 0), "{name}: {figures:?}");
        let (after, good_after) = (totals(nginx).await?, of_peer(nginx, "n0").await?);
        assert_eq!(after.ended(), before.ended() + 2, "{name}: {after:?}");
        assert_eq!(after.number("/requests"), before.number("/requests") + 2, "{after:?}");
        for path in ["/retries", "/responses/2xx"] {
            assert_eq!(good_after.number(path), good.number(path) + 1, "{name}: {good_after:?}");
        }
        assert_eq!(after.number("/retries"), before.number("/retries") + 1, "{after:?}");
        remove(&router, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn each_failure_before_the_header_is_counted_by_its_kind() -> Result<()> {
    before_the_header("").await
}

#[tokio::test]
async fn each_failure_is_counted_by_its_kind_with_all_that_a_request_can_need() -> Result<()> {
    before_the_header("etcd_keepalive 8; etcd_drain timeout=60s; etcd_balance peak_ewma;").await
}

#[tokio::test]
async fn failures_are_shown_where_no_figures_are_counted() -> Result<()> {
    before_the_header("etcd_statistics off;").await
}

/// What begins, and does not end.
const BEGINNING: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
const FIRST_CHUNK: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
const INVALID_CHUNK: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n";
const INVALID_LATER: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n!\r\n0\r\n\r\n";

#[tokio::test]
async fn a_response_that_ends_early_is_a_failure_and_no_response() -> Result<()> {
    for buffering in ["on", "off"] {
        let router = router("").await?;
        let mut configuration = Configuration::new()
            .http(&cluster("main", &router.etcd.url()))
            .http(&upstream("", ""))
            .server(&format!(
                "proxy_read_timeout 2s; proxy_http_version 1.1; proxy_buffering {buffering};"
            ));
        configuration = configuration.workers(1);
        let nginx = Nginx::start(configuration).await?;
        nginx.applied(router.etcd.revision().await?).await?;
        for (name, kind, answer) in [
            ("cut", "reset", Answer::Text(BEGINNING)),
            ("chunk", "reset", Answer::Text(FIRST_CHUNK)),
            ("stalled", "timeout", Answer::Begins(BEGINNING)),
            ("invalid", "other", Answer::Begins(INVALID_CHUNK)),
            ("later", "other", Answer::Begins(INVALID_LATER)),
        ] {
            let faulty = Faulty::start(answer).await?;
            put(&router, name, &faulty.address.to_string()).await?;
            nginx.applied(router.etcd.revision().await?).await?;
            let mut stream = TcpStream::connect(nginx.address()).await?;
            stream.write_all(b"GET / HTTP/1.0\r\nHost: test\r\n\r\n").await?;
            let mut read = Vec::new();
            // nginx closes or resets the client's connection.
            let _ = stream.read_to_end(&mut read).await;
            // It keeps a header back that it has nothing for, as with a chunk that is not valid.
            let is_begun = read.starts_with(b"HTTP/1.1 200") || kind == "other";
            assert!(is_begun, "{}", String::from_utf8_lossy(&read));
            let figures = eventually(SOON, "the attempt has ended", async || {
                let figures = of_peer(&nginx, name).await?;
                ensure!(figures.ended() > 0, "{figures:?}");
                Ok(figures)
            })
            .await?;
            assert_eq!(figures.number(&format!("/failures/{kind}")), 1, "{name}: {figures:?}");
            assert_eq!(figures.ended(), 1, "{buffering}, {name}: {figures:?}");
            remove(&router, name).await?;
            nginx.applied(router.etcd.revision().await?).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_response_without_a_length_ends_with_its_connection() -> Result<()> {
    let router = router("").await?;
    let faulty = Faulty::start(Answer::Text("HTTP/1.1 200 OK\r\n\r\nall of it")).await?;
    put(&router, "open", &faulty.address.to_string()).await?;
    assert_eq!(router.nginx.get("/open").await?.text(), "all of it");
    let figures = of_peer(&router.nginx, "open").await?;
    assert_eq!((figures.number("/responses/2xx"), figures.ended()), (1, 1), "{figures:?}");
    Ok(())
}

#[tokio::test]
async fn a_status_that_http_does_not_have_is_a_response_of_5xx() -> Result<()> {
    let router = router("").await?;
    let nginx = &router.nginx;
    for (count, status) in [(1, "999"), (2, "600"), (3, "099")] {
        let text = format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nall");
        let faulty = Faulty::start(Answer::Text(text.leak())).await?;
        put(&router, "denies", &faulty.address.to_string()).await?;
        let mut stream = TcpStream::connect(nginx.address()).await?;
        stream.write_all(b"GET /denies HTTP/1.0\r\nHost: test\r\n\r\n").await?;
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await?;
        assert!(read.ends_with(b"\r\n\r\nall"), "{}", String::from_utf8_lossy(&read));
        let figures = ended(nginx, count).await?;
        assert_eq!(figures.number("/responses/5xx"), count, "{status}: {figures:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_http_is_an_invalid_header() -> Result<()> {
    let router = router("").await?;
    let faulty = Faulty::start(Answer::Text("NOT HTTP AT ALL, but a line\r\n\r\n")).await?;
    put(&router, "smtp", &faulty.address.to_string()).await?;
    let mut stream = TcpStream::connect(router.nginx.address()).await?;
    stream.write_all(b"GET /smtp HTTP/1.0\r\nHost: test\r\n\r\n").await?;
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await?;
    let figures = of_peer(&router.nginx, "smtp").await?;
    let counted = (figures.number("/failures/invalid_header"), figures.ended());
    assert_eq!(counted, (1, 1), "{figures:?}, {}", String::from_utf8_lossy(&read));
    Ok(())
}

#[tokio::test]
async fn a_body_that_the_client_does_not_send_is_no_failure() -> Result<()> {
    let router = Router::with(1, |etcd| {
        Configuration::firehose(etcd)
            .server("proxy_request_buffering off; client_body_timeout 300ms; lingering_close off;")
    })
    .await?;
    let nginx = &router.nginx;
    for (count, (header, body)) in
        [("Content-Length: 100", "abc"), ("Transfer-Encoding: chunked", "2\r\nok\r\n!\r\n")]
            .into_iter()
            .enumerate()
    {
        let mut stream = TcpStream::connect(nginx.address()).await?;
        let head = format!("POST /body HTTP/1.1\r\nHost: test\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body.as_bytes()[..2]).await?;
        // The body is passed on as it comes, so that the rest comes when the peer has the request.
        eventually(SOON, "a peer is picked", async || {
            let totals = totals(nginx).await?;
            ensure!(totals.number("/requests") == count as u64 + 1, "{totals:?}");
            Ok(())
        })
        .await?;
        stream.write_all(&body.as_bytes()[2..]).await?;
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
        eventually(SOON, "the peer is given back", async || {
            let upstream = nginx.upstream().await?;
            ensure!(upstream.peers[0].connections == 0, "{upstream:?}");
            Ok(())
        })
        .await?;
        let totals = totals(nginx).await?;
        assert_eq!(totals.ended(), 0, "{header}: {totals:?}, {}", String::from_utf8_lossy(&read));
    }
    Ok(())
}

#[tokio::test]
async fn the_last_status_is_a_response_and_a_hostile_key_forges_no_entry() -> Result<()> {
    let router = router("").await?;
    let nginx = &router.nginx;
    remove(&router, "n0").await?;
    let text = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    let faulty =
        [Faulty::start(Answer::Text(text)).await?, Faulty::start(Answer::Text(text)).await?];
    let name = "n9=timeout, n8=reset, \"n%\u{e4}";
    for (name, faulty) in [name, "other"].into_iter().zip(&faulty) {
        put(&router, name, &faulty.address.to_string()).await?;
    }
    assert_eq!(nginx.get("/status").await?.status, 500);
    let line = logged(nginx, "/status").await?;
    let shown = line.split("failures=").nth(1).unwrap_or_default();
    // The log escapes quotation marks and what is not ASCII by itself.
    let hostile = r"n9%3Dtimeout%2C%20n8%3Dreset%2C%20\x22n%25\xC3\xA4=status";
    assert!([hostile, "other=status"].contains(&shown), "{line}");
    let totals = totals(nginx).await?;
    let counted =
        ["/failures/status", "/responses/5xx", "/retries"].map(|path| totals.number(path));
    assert_eq!(counted, [1, 1, 1], "{totals:?}");
    Ok(())
}
