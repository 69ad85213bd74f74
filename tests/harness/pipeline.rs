//! Very many requests in little time: sent one behind the other, without waiting for the answers.

use futures_util::future::try_join_all;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::{Answer, Result, SOON, ensure};

/// Connections at a time: enough to keep one worker and some nodes busy.
const CONNECTIONS: usize = 8;
/// Headers of an answer, at most: far more than nginx and a node make.
const HEADERS: usize = 32;

/// A request.
#[derive(Clone, Debug)]
pub struct Question {
    /// The path with its query.
    pub path: String,
    /// A header that it has beside `Host`.
    pub header: Option<(&'static str, String)>,
}

impl Question {
    /// Asks for a path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), header: None }
    }

    /// Adds the header.
    #[must_use]
    pub fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        Self { header: Some((name, value.into())), ..self }
    }

    fn write(&self, text: &mut String) {
        text.push_str(&format!("GET {} HTTP/1.1\r\nHost: test\r\n", self.path));
        if let Some((name, value)) = &self.header {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
    }
}

/// Asks all through a few connections, and gives the answers in the order of the questions. The
/// answers must be without a body.
///
/// # Errors
///
/// When one of them is not answered within a time, or has a body.
pub async fn pipelined(address: &str, questions: &[Question]) -> Result<Vec<Answer>> {
    let each = questions.len().div_ceil(CONNECTIONS).max(1);
    let answers =
        try_join_all(questions.chunks(each).map(|chunk| timeout(3 * SOON, ask(address, chunk))))
            .await?;
    let mut all = Vec::new();
    for of_connection in answers {
        all.extend(of_connection?);
    }
    Ok(all)
}

async fn ask(address: &str, questions: &[Question]) -> Result<Vec<Answer>> {
    let (reader, writer) = TcpStream::connect(address).await?.into_split();
    let mut text = String::new();
    questions.iter().for_each(|question| question.write(&mut text));
    // Both at a time: nginx reads no more while nobody takes its answers.
    let (_writer, answers) = tokio::try_join!(write(writer, text), read(reader, questions.len()))?;
    Ok(answers)
}

/// Gives the connection's half back to be kept open: nginx takes its end for the client's.
async fn write(mut writer: OwnedWriteHalf, text: String) -> Result<OwnedWriteHalf> {
    writer.write_all(text.as_bytes()).await?;
    Ok(writer)
}

async fn read(mut reader: OwnedReadHalf, count: usize) -> Result<Vec<Answer>> {
    let (mut answers, mut bytes) = (Vec::new(), Vec::new());
    while answers.len() < count {
        let length = reader.read_buf(&mut bytes).await?;
        ensure!(length > 0, "closed after {} of {count} answers", answers.len());
        let mut at = 0;
        while let Some((answer, length)) = parse(&bytes[at..])? {
            answers.push(answer);
            at += length;
        }
        bytes.drain(..at);
    }
    Ok(answers)
}

/// The first answer and its length, once it is there.
fn parse(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
    let status = response.code.ok_or("an answer without a status")?;
    let mut map = HeaderMap::new();
    for header in response.headers {
        map.append(
            HeaderName::from_bytes(header.name.as_bytes())?,
            HeaderValue::from_bytes(header.value)?,
        );
    }
    let is_empty = status == 204 || map.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
    ensure!(is_empty, "an answer with a body: {status}, {map:?}");
    Ok(Some((Answer { status, headers: map, body: Bytes::new() }, length)))
}
