//! Formats, queries, and what nginx makes of the response.

use std::process::{Command, Stdio};

use harness::*;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::Value;

use super::fleet::{PEERS, Reader, counts, name, start};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// nginx with two nodes, and what else it is to have.
async fn two_nodes(server: &str) -> Result<(Etcd, Vec<Node>, Nginx)> {
    let (etcd, nodes) = (Etcd::start().await?, start_nodes(2).await?);
    let revision = etcd.register(&nodes).await?;
    let nginx = Nginx::start(Configuration::firehose(&etcd).workers(1).server(server)).await?;
    nginx.applied(revision).await?;
    Ok((etcd, nodes, nginx))
}

fn promtool(text: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("promtool (package prometheus): {error}"))?;
    child.stdin.take().ok_or("no input")?.write_all(text)?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success() && said.is_empty(),
        "promtool: {}",
        String::from_utf8_lossy(&said)
    );
    Ok(())
}

#[tokio::test]
async fn format_is_that_of_the_query_or_the_one_that_is_accepted() -> Result<()> {
    let (_etcd, _nodes, nginx) = two_nodes("").await?;
    let mut connection = nginx.connect().await?;
    // Several headers are one list (RFC 9110, section 5.2).
    for (headers, content_type) in
        [(["image/png", "text/html"], HTML), (["text/html;q=0.1", "application/json;q=0.2"], JSON)]
    {
        let answer = connection.get_with("/etcd", &headers.map(|value| ("accept", value))).await?;
        assert_eq!(answer.header("content-type"), content_type, "{headers:?}");
    }
    for (query, accept, content_type) in [
        ("", "*/*", JSON),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", HTML),
        ("", "text/plain;version=0.0.4", PROMETHEUS),
        ("", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPEN_METRICS),
        ("?format=json", "text/html", JSON),
        ("?format=html", "application/json", HTML),
        ("?format=prometheus", "*/*", PROMETHEUS),
        ("?format=openmetrics", "*/*", OPEN_METRICS),
    ] {
        let path = format!("/etcd{query}");
        let answer = connection.get_with(&path, &[("accept", accept)]).await?;
        let header = |name: &str| answer.header(name).to_owned();
        assert_eq!((answer.status, header("content-type").as_str()), (200, content_type));
        assert_eq!(header("vary"), if query.is_empty() { "Accept" } else { "" });
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-security-policy").is_empty(), content_type != HTML);
        let text = answer.text();
        match content_type {
            JSON => drop(serde_json::from_str::<Value>(&text)?),
            HTML => assert!(text.starts_with("<!DOCTYPE html>") || text.starts_with("<!doctype")),
            OPEN_METRICS => assert!(text.ends_with("\n# EOF\n"), "{text}"),
            _ => promtool(text.as_bytes())?,
        }
        let head = nginx.connect().await?.send(Method::HEAD, &path, Bytes::new()).await?;
        assert_eq!((head.status, head.body.len()), (200, 0), "{query}");
    }
    nginx.check_log()
}

#[tokio::test]
async fn query_chooses_upstreams_and_peers() -> Result<()> {
    let (_etcd, nodes, nginx) = two_nodes("").await?;
    let ask = async |query: &str| {
        let answer = nginx.get(&format!("/etcd?{query}")).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok::<Value, Error>(serde_json::from_slice(&answer.body)?)
    };
    let all = ask("").await?;
    let one = ask(&format!("upstream={UPSTREAM}&peer=n1&peer=nobody")).await?;
    let one = &one["upstreams"][UPSTREAM];
    assert_eq!(one["peers"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["peers"][0]["address"], nodes[1].address().to_string());
    assert_eq!((&one["peers_total"], &one["peers_by_state"]["up"]), (&1.into(), &1.into()));
    let none = ask("peers=0").await?;
    let none = &none["upstreams"][UPSTREAM];
    assert_eq!(none["peers"].as_array().map(Vec::len), Some(0));
    assert_eq!(none["peers_total"], 2);
    assert_eq!(none["peers_by_state"], all["upstreams"][UPSTREAM]["peers_by_state"]);
    let text = nginx.get("/etcd?format=prometheus&peers=0").await?.text();
    assert!(!text.contains("nginx_etcd_peer_") && text.contains("nginx_etcd_peers{"), "{text}");
    for (query, status, line) in [
        ("x=1", 400, "unknown parameter \"x\": use format, upstream, peer, peers or part\n"),
        (
            "peers=2",
            400,
            "invalid value \"2\" of parameter \"peers\": use 0 (no rows of peers) or 1\n",
        ),
        ("upstream=%22%3Cb%3E", 404, "no upstream \"\\\"<b>\" with \"etcd\"\n"),
    ] {
        let answer = nginx.get(&format!("/etcd?{query}")).await?;
        assert_eq!((answer.status, answer.text().as_str()), (status, line));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    nginx.check_log()
}

#[tokio::test]
async fn changes_are_sent_again_only_if_there_is_another_one() -> Result<()> {
    let (etcd, nodes, nginx) = two_nodes("").await?;
    let mut connection = nginx.connect().await?;
    let path = "/etcd?part=changes";
    let first = connection.get(path).await?;
    let etag = first.header("etag").to_owned();
    assert_eq!((first.status, first.header("cache-control")), (200, "no-cache"));
    assert!(etag.len() > 2, "{etag}");
    let read: Value = serde_json::from_slice(&first.body)?;
    let fields: Vec<_> = read["upstreams"][UPSTREAM].as_object().ok_or("none")?.keys().collect();
    assert_eq!(fields, ["changes", "changes_total"]);
    let again = connection.get_with(path, &[("if-none-match", &etag)]).await?;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let revision = etcd.put(key("more"), nodes[0].address().to_string()).await?;
    nginx.applied(revision).await?;
    let other = connection.get_with(path, &[("if-none-match", &etag)]).await?;
    assert_eq!(other.status, 200);
    assert_ne!(other.header("etag"), etag);
    let read: Value = serde_json::from_slice(&other.body)?;
    let change = &read["upstreams"][UPSTREAM]["changes"][0];
    assert_eq!((&change["cause"], &change["added"][0]), (&"event".into(), &"more".into()));
    assert_eq!(change["revision"].as_i64(), Some(revision));
    nginx.check_log()
}

/// What curl gets of a path, through this socket.
fn curl(socket: &std::path::Path, arguments: &[&str], path: &str) -> Result<Vec<u8>> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "60", "--unix-socket"])
        .arg(socket)
        .args(arguments)
        .arg(format!("http://localhost{path}"))
        .output()?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[tokio::test]
async fn large_document_passes_all_filters_and_protocols() -> Result<()> {
    let folder = Folder::new("sockets")?;
    let [plain, http2] = ["plain", "http2"].map(|name| folder.path().join(name));
    let (_etcd, nginx) = start(&format!(
        "listen unix:{};
        listen unix:{} http2;
        gzip_types application/json text/plain;
        location = /packed {{ gzip on; gzip_min_length 0; etcd_status; }}
        location = /limited {{ limit_rate 20m; limit_rate_after 1m; etcd_status; }}
        location = /replaced {{ sub_filter_types *; sub_filter peer- node-; sub_filter_once off;
            etcd_status; }}
        location = /guarded {{ auth_request /etcd; etcd_status; }}
        location = /mirrored {{ mirror /etcd; etcd_status; }}
        location = /joined {{ default_type application/json; ssi on; ssi_types application/json;
            return 200 '{{\"one\": <!--#include virtual=\"/etcd\" -->, \"two\":
            <!--#include virtual=\"/etcd?peers=0\" --> , \"three\":
            <!--#include virtual=\"/packed\" -->}}'; }}
        location = /added {{ add_before_body /etcd; add_after_body /etcd; addition_types *;
            default_type text/plain; return 200 ' , '; }}",
        plain.display(),
        http2.display()
    ))
    .await?;
    let check = |body: &[u8], what: &str| {
        let document: Value = serde_json::from_slice(body)
            .map_err(|error| format!("{what}: {error}, {} bytes", body.len()))?;
        let counts = counts(&document)?;
        ensure!(counts.len() == PEERS && counts.values().all(|&count| count == 1), "{what}");
        Ok::<(), Error>(())
    };
    let h2: &[&str] = &["--http2-prior-knowledge"];
    for (socket, protocol) in [(&plain, &[][..]), (&http2, h2), (&plain, &["--http1.0"])] {
        for path in ["/etcd", "/packed", "/limited", "/guarded", "/mirrored"] {
            let arguments = [protocol, &["--compressed"]].concat();
            let what = format!("{path} {arguments:?}");
            check(&curl(socket, &arguments, path)?, &what)?;
        }
        // By default nginx compresses nothing for HTTP/1.0.
        if protocol != ["--http1.0"] {
            let accept = [protocol, &["-H", "Accept-Encoding: gzip"]].concat();
            let packed = curl(socket, &accept, "/packed")?;
            assert_eq!(&packed[..2], [0x1f, 0x8b], "it is compressed");
            assert!(packed.len() < PEERS * 200, "{} bytes", packed.len());
        }
        let replaced = curl(socket, protocol, "/replaced")?;
        let replaced = String::from_utf8(replaced)?.replace("node-", "peer-");
        check(replaced.as_bytes(), "/replaced")?;
        let joined = curl(socket, protocol, "/joined")?;
        let joined: Value = serde_json::from_slice(&joined)?;
        for (part, length) in [("one", PEERS), ("two", 0), ("three", PEERS)] {
            assert_eq!(counts(&joined[part])?.len(), length, "{part}");
        }
        let added = curl(socket, protocol, "/added")?;
        let added: Value = serde_json::from_slice(&[b"[", &added[..], b"]"].concat())?;
        for part in [0, 1] {
            assert_eq!(counts(&added[part])?.len(), PEERS, "part {part}");
        }
    }
    let (header, body) = Reader::ask(&nginx, "/etcd").await?.finish().await?;
    assert!(header.contains("Connection: close") && !header.contains("Content-Length"), "{header}");
    check(&body, "HTTP/1.0")?;
    let small = nginx.get(&format!("/etcd?peer={}", name(PEERS - 1))).await?;
    assert_eq!(counts(&serde_json::from_slice(&small.body)?)?.len(), 1);
    nginx.check_log()
}

#[tokio::test]
async fn repeated_server_lines_have_series_of_their_own() -> Result<()> {
    let etcd = Etcd::start().await?;
    let lines = "server 127.0.0.1:9; server 127.0.0.1:9; server 127.0.0.1:9 backup;";
    let nginx = Nginx::start(
        Configuration::new().http(&cluster("main", &etcd.url())).http(&upstream("", lines)),
    )
    .await?;
    let text = nginx.get("/etcd?format=prometheus").await?.text();
    promtool(text.as_bytes())?;
    let labels: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("nginx_etcd_peer_weight{upstream=\"firehose\","))
        .collect();
    let peer = "peer=\"\",address=\"127.0.0.1:9\"";
    assert_eq!(
        labels,
        [
            format!("{peer}}} 1"),
            format!("{peer},number=\"2\"}} 1"),
            format!("{peer},number=\"3\"}} 1"),
        ]
    );
    nginx.check_log()
}
