//! A node as a client sees it.

use std::io::{Error, Result};
use std::time::Duration;

use demo_node::{ClosedPort, Fault, ListenAddress, Node, StatusCode, broadcast_number, paced_byte};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

async fn connect(node: &Node) -> Result<TcpStream> {
    TcpStream::connect(node.address().to_string()).await
}

async fn get(node: &Node, path: &str) -> Result<String> {
    ask(node, "GET", path).await
}

async fn ask(node: &Node, method: &str, path: &str) -> Result<String> {
    let mut stream = connect(node).await?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 10.1.2.3\r\nConnection: \
         close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn websocket(node: &Node) -> Result<WebSocketStream<TcpStream>> {
    let stream = connect(node).await?;
    Ok(client_async("ws://test/any/path", stream).await.map_err(Error::other)?.0)
}

#[tokio::test]
async fn names_itself_and_tells_what_it_saw() -> Result<()> {
    let node = Node::start("n1").await?;
    let answer = get(&node, "/some/path?x=1").await?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for part in [
        "x-node: n1\r\n",
        "node: n1\n",
        "request: GET /some/path?x=1\n",
        "x-forwarded-for: 10.1.2.3\n",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    assert_eq!(node.counts().requests, 1);
    Ok(())
}

#[tokio::test]
async fn special_paths_get_their_answers() -> Result<()> {
    let node = Node::start("n1").await?;
    assert!(get(&node, "/status/503").await?.starts_with("HTTP/1.1 503 "));
    assert!(get(&node, "/status/none").await?.starts_with("HTTP/1.1 400 "));
    assert!(get(&node, "/bytes/1000").await?.ends_with(&"x".repeat(1000)));
    assert!(get(&node, "/bytes/99999999999999999999").await?.starts_with("HTTP/1.1 400 "));
    assert!(get(&node, "/poll?ms=1").await?.starts_with("HTTP/1.1 204 "));
    assert!(get(&node, "/slow?ms=1").await?.contains("node: n1\n"));
    assert!(get(&node, "/host/test").await?.starts_with("HTTP/1.1 200 "));
    assert!(get(&node, "/host/another").await?.starts_with("HTTP/1.1 404 "));
    Ok(())
}

#[tokio::test]
async fn is_as_well_as_it_is_told() -> Result<()> {
    let node = Node::start("n1").await?;
    for (health, line) in [(200, "200 OK"), (503, "503 Service"), (204, "204 No Content")] {
        node.set_health(health);
        let answer = get(&node, "/healthz").await?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {line}")), "{health}: {answer}");
    }
    get(&node, "/other").await?;
    assert_eq!((node.counts().health_checks, node.counts().requests), (3, 4));
    Ok(())
}

#[tokio::test]
async fn answers_as_firehose_does() -> Result<()> {
    let node = Node::start("n1").await?;
    node.set_firehose(Some(Duration::from_millis(50)));
    for path in ["/", "/healthz", "/status/500"] {
        assert!(get(&node, path).await?.starts_with("HTTP/1.1 204 "), "{path}");
        assert!(ask(&node, "HEAD", path).await?.starts_with("HTTP/1.1 200 "), "{path}");
    }
    assert_eq!(node.counts().health_checks, 3);
    node.set_firehose(Some(Duration::from_secs(600)));
    assert!(get(&node, "/metrics@firehose").await?.starts_with("HTTP/1.1 200 "));
    let publish = async {
        while node.counts().requests_open < 1 {
            tokio::task::yield_now().await;
        }
        // The poll has come, and may not have begun to wait: it is published to until it is
        // answered.
        while node.counts().requests_open > 0 {
            let answer = ask(&node, "PUT", "/news").await?;
            assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        }
        Ok(())
    };
    let (answer, ()) = tokio::try_join!(get(&node, "/news"), publish)?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    node.set_health(503);
    assert!(ask(&node, "HEAD", "/").await?.starts_with("HTTP/1.1 503 "));
    let mut socket = websocket(&node).await?;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("n1"));
    node.set_firehose(None);
    assert!(get(&node, "/status/500").await?.starts_with("HTTP/1.1 500 "));
    Ok(())
}

#[tokio::test]
async fn websocket_names_the_node_and_echoes() -> Result<()> {
    let node = Node::start("n1").await?;
    let mut socket = websocket(&node).await?;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("n1"));
    socket.send(Message::text("hello")).await.map_err(Error::other)?;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(node.counts().websockets, 1);
    node.stop().await;
    assert!(matches!(socket.next().await.unwrap().unwrap(), Message::Close(Some(_))));
    Ok(())
}

#[tokio::test]
async fn a_websocket_is_told_again_whose_it_is() -> Result<()> {
    let node = Node::start("n1").await?;
    node.set_repeat(Some(Duration::from_millis(10)));
    let mut socket = websocket(&node).await?;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("n1"));
    for _ in 0..3 {
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("n1 is still here\n"));
    }
    Ok(())
}

#[tokio::test]
async fn kill_cuts_connections_and_frees_the_address() -> Result<()> {
    let node = Node::start("n1").await?;
    let address = node.address().clone();
    let mut socket = websocket(&node).await?;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("n1"));
    node.kill().await;
    assert!(socket.next().await.is_none_or(|message| message.is_err()));
    let node = Node::listen("n2", &address).await?;
    assert!(get(&node, "/").await?.contains("node: n2\n"));
    Ok(())
}

#[tokio::test]
async fn unix_socket_and_closed_port() -> Result<()> {
    let path = std::env::temp_dir().join(format!("demo-node-{}.sock", std::process::id()));
    let address = ListenAddress::Unix(path.to_string_lossy().into_owned());
    let first = Node::listen("n1", &address).await?;
    first.kill().await;
    let _second = Node::listen("n1", &address).await?;
    tokio::net::UnixStream::connect(&path).await?;
    std::fs::remove_file(&path)?;

    let closed = ClosedPort::reserve()?;
    assert!(TcpStream::connect(closed.address().to_string()).await.is_err());
    let node = closed.open("n3")?;
    assert!(get(&node, "/").await?.contains("node: n3\n"));
    Ok(())
}

#[tokio::test]
async fn a_node_with_a_fault_does_not_answer() -> Result<()> {
    let node = Node::start("n1").await?;
    node.set_fault(Fault::Close);
    // Closed before or after the request was written: an error or an empty answer.
    assert_eq!(get(&node, "/").await.unwrap_or_default(), "");
    node.set_fault(Fault::Hang);
    let mut stream = connect(&node).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").await?;
    let accepted = async {
        while node.counts().accepted < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), accepted).await?;
    node.set_fault(Fault::None);
    assert!(get(&node, "/").await?.contains("node: n1\n"));
    assert_eq!(node.counts().requests, 1);
    Ok(())
}

#[tokio::test]
async fn resets_where_that_is_its_fault() -> Result<()> {
    let node = Node::start("n1").await?;
    node.set_fault(Fault::Reset);
    let mut stream = connect(&node).await?;
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(node.counts().accepted, 1);
    Ok(())
}

#[tokio::test]
async fn answers_late_and_with_a_status_of_choice() -> Result<()> {
    let node = Node::start("n1").await?;
    node.set_status(Some(StatusCode::IM_A_TEAPOT));
    let answer = get(&node, "/bytes/10").await?;
    assert!(answer.starts_with("HTTP/1.1 418 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    node.set_status(None);
    node.set_delay(Duration::from_millis(50));
    let began = std::time::Instant::now();
    let (first, second) = tokio::try_join!(get(&node, "/"), get(&node, "/bytes/1"))?;
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert!(first.starts_with("HTTP/1.1 200 ") && second.starts_with("HTTP/1.1 200 "));
    let counts = node.counts();
    assert_eq!((counts.requests, counts.requests_open, counts.requests_most), (3, 0, 2));
    Ok(())
}

#[tokio::test]
async fn a_broadcast_reaches_those_who_are_there_and_is_noted() -> Result<()> {
    let node = Node::start("n1").await?;
    assert_eq!(node.broadcast(10), 1);
    let mut first = websocket(&node).await?;
    first.next().await;
    assert_eq!(node.broadcast(1000), 2);
    let message = first.next().await.unwrap().unwrap();
    assert_eq!((message.len(), broadcast_number(message.to_text().unwrap())), (1000, Some(2)));
    assert_eq!(broadcast_number("n1"), None);
    let mut second = websocket(&node).await?;
    second.next().await;
    assert_eq!(node.broadcast(1), 3);
    for socket in [&mut first, &mut second] {
        let message = socket.next().await.unwrap().unwrap();
        assert_eq!(broadcast_number(message.to_text().unwrap()), Some(3));
    }
    let noted = async {
        while node.sessions().iter().any(|session| session.sent < 3) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), noted).await?;
    let paths: Vec<_> = node.sessions().into_iter().map(|session| session.path).collect();
    assert_eq!(paths, ["/any/path", "/any/path"]);
    drop(first);
    let forgotten = async {
        while node.sessions().len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), forgotten).await?;
    Ok(())
}

#[tokio::test]
async fn a_paced_answer_takes_its_time_and_counts_as_open() -> Result<()> {
    let node = Node::start("n1").await?;
    let began = std::time::Instant::now();
    let mut stream = connect(&node).await?;
    let request = "GET /paced/100000?ms=200 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 1000];
    stream.read_exact(&mut answer).await?;
    assert_eq!((node.counts().requests_open, node.counts().plain_open), (0, 1));
    stream.read_to_end(&mut answer).await?;
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(String::from_utf8_lossy(&answer[..head]).contains("content-length: 100000"));
    let body = &answer[head..];
    assert!(
        body.len() == 100_000 && body.iter().enumerate().all(|(at, byte)| *byte == paced_byte(at))
    );
    assert_eq!(node.counts().plain_open, 0);
    assert!(get(&node, "/paced/many").await?.starts_with("HTTP/1.1 400 "));
    Ok(())
}
