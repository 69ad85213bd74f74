//! etcd's v2 keys, by HTTP: `GET /v2/keys/PREFIX?recursive=true`.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1,
    header::{AUTHORIZATION, HOST},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};

use super::plan::{Entry, Life};
use crate::etcd::Etcd;

/// How long an answer may take that comes bit by bit, with all that it lists: as long as that of
/// v3.
const ANSWER: Duration = Duration::from_secs(60);

/// The largest answer, in bytes: 100 000 keys have some 20 MB.
const LIMIT: usize = 256 << 20;

/// What etcd's v2 API says where there is no such key (`EcodeKeyNotFound`).
const KEY_NOT_FOUND: u32 = 100;

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum V2Error {
    #[error(
        "{0} does not serve etcd's v2 API: etcd 3.4 and 3.5 need --enable-v2 \
         (ETCD_ENABLE_V2=true), 3.6 and later do not have it"
    )]
    NotOffered(String),
    #[error("{0}")]
    Failed(String),
}

/// A directory or a key.
#[derive(Debug, Deserialize)]
struct Node {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    dir: bool,
    ttl: Option<i64>,
    #[serde(default)]
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    node: Node,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    error_code: u32,
    message: String,
    #[serde(default)]
    cause: String,
}

/// Reads all keys below the prefix, from the first endpoint that answers.
pub(super) async fn read(etcd: &Etcd) -> Result<Vec<Entry>, V2Error> {
    let mut failed = Vec::new();
    for endpoint in &etcd.config.endpoints {
        match read_at(etcd, endpoint).await {
            Err(V2Error::Failed(reason)) => failed.push(reason),
            read => return read,
        }
    }
    Err(V2Error::Failed(failed.join("; ")))
}

async fn read_at(etcd: &Etcd, endpoint: &str) -> Result<Vec<Entry>, V2Error> {
    let failed = |reason: &dyn std::fmt::Display| V2Error::Failed(format!("{endpoint}: {reason}"));
    let authority = endpoint.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let authority = authority.ok_or_else(|| {
        failed(&"API v2 is read over http:// only: use an SSH tunnel, or run this on etcd's host")
    })?;
    let asking = async {
        let authorization = authorization(etcd).map_err(|error| failed(&error))?;
        let (status, body) =
            get(etcd, authority, authorization).await.map_err(|error| failed(&error))?;
        entries(status, &body, &etcd.prefix).map_err(|error| match error {
            V2Error::NotOffered(_) => V2Error::NotOffered(endpoint.to_owned()),
            V2Error::Failed(reason) => failed(&reason),
        })
    };
    let late = format!("no answer within {} s", ANSWER.as_secs());
    timeout(ANSWER, asking).await.map_err(|_| failed(&late))?
}

/// What comes, where it comes in the time that an endpoint has to show that it is there: as with
/// v3's keys, a silent one is left after that.
async fn heard<T>(etcd: &Etcd, what: impl Future<Output = T>) -> Result<T, Failure> {
    let patience = etcd.config.connect_timeout;
    timeout(patience, what)
        .await
        .map_err(|_| format!("no answer within {patience:?} (--etcd-connect-timeout)").into())
}

fn authorization(etcd: &Etcd) -> Result<Option<String>, String> {
    let Some(login) = &etcd.config.login else { return Ok(None) };
    let password = std::fs::read_to_string(&login.password_file).map_err(|error| {
        let (setting, reader) =
            (etcd.config.setting_names.password_file, etcd.config.setting_names.reader);
        let file = login.password_file.display();
        format!("{setting} \"{file}\" cannot be read: make it readable for {reader} ({error})")
    })?;
    let pair = format!("{}:{}", login.user, password.trim_end_matches(['\r', '\n']));
    Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(pair))))
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn get(
    etcd: &Etcd,
    authority: &str,
    authorization: Option<String>,
) -> Result<(u16, Vec<u8>), Failure> {
    let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let stream = heard(etcd, TcpStream::connect(&address)).await??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    // What a member alone remembers may be old: it is asked for what the cluster has.
    let path = format!("/v2/keys{}?recursive=true&quorum=true", etcd.prefix);
    let mut request = Request::get(path).header(HOST, authority);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let answer = heard(etcd, sender.send_request(request.body(Empty::<Bytes>::new())?)).await??;
    let status = answer.status().as_u16();
    let mut frames = Limited::new(answer.into_body(), LIMIT);
    let mut body = Vec::new();
    while let Some(frame) = heard(etcd, frames.frame()).await? {
        body.extend_from_slice(frame?.data_ref().unwrap_or(&Bytes::new()));
    }
    driver.abort();
    Ok((status, body))
}

/// The keys that an answer has. The endpoint's name is not known here.
fn entries(status: u16, body: &[u8], prefix: &str) -> Result<Vec<Entry>, V2Error> {
    if status == 200 {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|error| V2Error::Failed(format!("invalid response from etcd: {error}")))?;
        let mut entries = Vec::new();
        collect(&answer.node, prefix, &mut entries);
        return Ok(entries);
    }
    match serde_json::from_slice::<Complaint>(body) {
        Ok(complaint) if complaint.error_code == KEY_NOT_FOUND => Ok(Vec::new()),
        Ok(Complaint { message, cause, .. }) => {
            Err(V2Error::Failed(format!("status {status}: {message} ({cause})")))
        }
        // Where the API is not offered nobody knows the path.
        Err(_) if status == 404 => Err(V2Error::NotOffered(String::new())),
        Err(_) => Err(V2Error::Failed(format!("status {status}"))),
    }
}

/// All keys below a directory, and directories that have none.
fn collect(node: &Node, prefix: &str, entries: &mut Vec<Entry>) {
    let key =
        node.key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    if !node.dir && !key.is_empty() {
        let life = node.ttl.map_or(Life::Unlimited, Life::Seconds);
        entries.push(Entry { key: key.into(), value: node.value.clone().into(), life });
    } else if node.nodes.is_empty() && !key.is_empty() {
        entries.push(Entry {
            key: format!("{key}/").into(),
            value: Vec::new(),
            life: Life::Directory,
        });
    }
    for node in &node.nodes {
        collect(node, prefix, entries);
    }
}

#[cfg(test)]
mod tests {
    use super::{V2Error, entries};
    use crate::migrate::plan::Life;

    #[test]
    fn keys_of_all_directories() {
        let body = br#"{"action":"get","node":{"key":"/firehose","dir":true,"nodes":[
            {"key":"/firehose/nginx","dir":true,"nodes":[
                {"key":"/firehose/nginx/put_allow","dir":true,"nodes":[
                    {"key":"/firehose/nginx/put_allow/office","value":"10.0.0.0/8",
                     "modifiedIndex":5,"createdIndex":5},
                    {"key":"/firehose/nginx/put_allow/10.1.0.0","dir":true,"nodes":[
                        {"key":"/firehose/nginx/put_allow/10.1.0.0/16","value":""}]}]},
                {"key":"/firehose/nginx/worker_processes","value":"8"}]},
            {"key":"/firehose/empty","dir":true},
            {"key":"/firehose/upstream","dir":true,"nodes":[
                {"key":"/firehose/upstream/a","value":"10.0.0.1:80",
                 "expiration":"2026-01-01T00:00:00Z","ttl":43}]}]}}"#;
        let read = entries(200, body, "/firehose").expect("keys");
        let shown: Vec<_> = read
            .iter()
            .map(|entry| {
                (
                    String::from_utf8_lossy(&entry.key),
                    String::from_utf8_lossy(&entry.value),
                    entry.life,
                )
            })
            .collect();
        let expected = [
            ("nginx/put_allow/office", "10.0.0.0/8", Life::Unlimited),
            ("nginx/put_allow/10.1.0.0/16", "", Life::Unlimited),
            ("nginx/worker_processes", "8", Life::Unlimited),
            ("empty/", "", Life::Directory),
            ("upstream/a", "10.0.0.1:80", Life::Seconds(43)),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(key, value, life)| ((*key).into(), (*value).into(), *life))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_no_list() {
        let none = br#"{"errorCode":100,"message":"Key not found","cause":"/firehose","index":7}"#;
        assert!(entries(404, none, "/firehose").is_ok_and(|keys| keys.is_empty()));
        let no_api = entries(404, b"404 page not found\n", "/firehose");
        assert!(matches!(no_api, Err(V2Error::NotOffered(_))), "{no_api:?}");
        let denied = br#"{"errorCode":110,
            "message":"The request requires user authentication","cause":"x"}"#;
        assert!(matches!(entries(401, denied, "/firehose"), Err(V2Error::Failed(_))));
        assert!(matches!(entries(200, b"<html>", "/firehose"), Err(V2Error::Failed(_))));
    }
}
