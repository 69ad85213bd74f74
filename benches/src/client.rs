//! A client that costs little beside what it measures: one connection, one request at a time, no
//! runtime.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use harness::{Result, SOON, ensure};

/// What each answer here fits into, head and body.
const LONGEST: usize = 4096;
/// How many connections are opened until one has led to a certain worker: with `reuseport` each
/// goes to one of few workers by chance, so that missing one as often means that it is not there.
const ATTEMPTS: usize = 500;

/// A connection that is kept for all requests.
pub struct Client {
    stream: TcpStream,
    address: String,
    buffer: [u8; LONGEST],
}

/// Where the body lies in what came, once all of it has come.
fn body(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200 "), "{status}");
    let length = lines
        .filter_map(|line| line.split_once(": "))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("content-length").then_some(value))
        .ok_or("no Content-Length")?;
    let (start, length) = (head + 4, length.parse::<usize>()?);
    Ok((answer.len() >= start + length).then_some((start, start + length)))
}

impl Client {
    /// Connects to `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOON))?;
        Ok(Self { stream, address: address.to_owned(), buffer: [0; LONGEST] })
    }

    /// Connects to a worker, where `path` answers with the worker's pid as the first word.
    ///
    /// # Errors
    ///
    /// Those of asking, and when chance does not lead there.
    pub fn open_to(worker: i32, address: &str, path: &str) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut client = Self::open(address)?;
            if client.get(path)?.split(' ').next() == Some(&worker.to_string()) {
                return Ok(client);
            }
        }
        Err(format!("no connection in {ATTEMPTS} led to worker {worker}").into())
    }

    /// Asks for a path, and gives the body.
    ///
    /// # Errors
    ///
    /// Those of the connection; an answer with another status than 200 or longer than any here.
    pub fn get(&mut self, path: &str) -> Result<&str> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.ask(&request)
    }

    /// Asks a host for `/`, and gives the body.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub fn get_from(&mut self, host: &str) -> Result<&str> {
        self.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    fn ask(&mut self, request: &str) -> Result<&str> {
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        loop {
            ensure!(filled < LONGEST, "an answer of more than {LONGEST} bytes");
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => return Err("the connection was closed".into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if let Some((start, end)) = body(&self.buffer[..filled])? {
                return Ok(std::str::from_utf8(&self.buffer[start..end])?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn a_body_is_found_once_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 2\r\n\r\nok";
        for cut in 0..answer.len() {
            assert_eq!(body(&answer[..cut]).expect("an answer"), None);
        }
        let (start, end) = body(answer).expect("an answer").expect("a whole one");
        assert_eq!(&answer[start..end], b"ok");
        assert!(body(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").is_err());
    }
}
