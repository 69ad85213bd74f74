//! The access log of docs/how-to/monitoring.md: each line is JSON, whatever keys and clients say.

use std::collections::BTreeMap;

use harness::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Keys that would end a string, an object or a line of JSON if they were not escaped.
const KEYS: [&str; 5] =
    ["quote\",\"status\":\"200", "back\\slash\\\"", "}{\u{1f680}", "<b>&amp;</b>", "%22%0a\u{e4}"];

/// The page's block with the format.
fn example() -> Result<String> {
    let page = include_str!("../../docs/how-to/monitoring.md");
    let blocks = page.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next());
    let with_format: Vec<_> = blocks.filter(|block| block.contains("log_format")).collect();
    ensure!(with_format.len() == 1, "{} blocks with log_format", with_format.len());
    Ok(with_format[0].replace("/var/log/nginx/access.log", "logs/json.log"))
}

/// The lines, once there are so many; the harness's own requests for the status do not count.
async fn lines(nginx: &Nginx, count: usize) -> Result<Vec<Value>> {
    eventually(SOON, &format!("{count} lines in the access log"), async || {
        let log = std::fs::read_to_string(nginx.folder().path().join("logs/json.log"))?;
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("\"/etcd\"")).collect();
        ensure!(lines.len() == count && log.ends_with('\n'), "{log}");
        let lines = lines.into_iter().map(|line| {
            serde_json::from_str(line).map_err(|error| format!("{error}: {line}").into())
        });
        lines.collect()
    })
    .await
}

#[tokio::test]
async fn each_line_is_json_for_hostile_keys_and_clients() -> Result<()> {
    let example = example()?;
    let router = Router::with(0, |etcd| {
        let format = example.replace("access_log ", "# access_log ");
        Configuration::firehose(etcd)
            .http(&format)
            .server("access_log logs/json.log router; location = /plain { return 200 'plain'; }")
    })
    .await?;
    let (nginx, etcd) = (&router.nginx, &router.etcd);
    let node = Node::start("n0").await?;
    let mut expected = BTreeMap::new();
    for name in KEYS {
        // The only one: so it is known who answers.
        etcd.delete_all(PREFIX).await?;
        nginx.applied(etcd.put(key(name), node.address().to_string()).await?).await?;
        nginx.wait_for_keys(&[name]).await?;
        for number in 0..2 {
            let path = format!("/{}?{number}", expected.len());
            ensure!(nginx.get(&path).await?.status == 200, "no answer");
            expected.insert(path, name);
        }
    }
    let count = expected.len();
    let address = nginx.address();
    let sent: [&[u8]; 5] = [
        b"GET /quote\"\\?<> HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /\xff\xfe?\xc3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /plain\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nHost: a\"\x01\r\n\r\n",
    ];
    // Another worker may write the next line.
    lines(nginx, count).await?;
    for request in sent {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(request).await?;
        stream.read_to_end(&mut Vec::new()).await?;
    }
    let lines = lines(nginx, count + sent.len()).await?;
    for line in &lines {
        let uri = line["uri"].as_str().ok_or("no uri")?;
        let Some(name) = expected.remove(uri) else { continue };
        assert_eq!(line["peer"], name);
        assert_eq!(line["status"], "200");
        assert_eq!(line["addresses"], node.address().to_string());
        assert_eq!(line["statuses"], "200");
        assert_eq!((&line["tries"], &line["failures"]), (&"1".into(), &"".into()));
        assert!(line["seconds"].is_number() && line["bytes"].is_number(), "{line}");
    }
    assert!(expected.is_empty(), "{expected:?} of {lines:?}");
    let uris: Vec<_> = lines[count..].iter().map(|line| line["uri"].as_str()).collect();
    assert_eq!(uris[..2], [Some("/quote\"\\?<>"), Some("not ASCII")]);
    Ok(())
}

#[tokio::test]
async fn line_of_a_retried_request_names_all_attempts() -> Result<()> {
    let example = example()?;
    let closed = ClosedPort::reserve()?;
    let router = Router::with(1, |etcd| {
        let format = example.replace("access_log ", "# access_log ");
        Configuration::firehose(etcd).http(&format).server("access_log logs/json.log router;")
    })
    .await?;
    let value = format!("{} max_fails=0", closed.address());
    router.nginx.applied(router.etcd.put(key("closed"), value).await?).await?;
    for _ in 0..4 {
        ensure!(router.nginx.get("/").await?.status == 200, "no answer");
    }
    let lines = lines(&router.nginx, 4).await?;
    let both = format!("{}, {}", closed.address(), router.nodes[0].address());
    let retried: Vec<_> = lines.iter().filter(|line| line["addresses"] == both).collect();
    assert!(!retried.is_empty(), "{lines:?}");
    for line in retried {
        for (field, value) in [
            ("peer", "n0"),
            ("statuses", "502, 200"),
            ("tries", "2"),
            ("pick", "balance"),
            ("failures", "closed=connect"),
        ] {
            assert_eq!(line[field], value, "{line}");
        }
    }
    Ok(())
}
