//! A client of PostgreSQL that does what it is told and nothing else: one connection, one query
//! after the other, no second attempt.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Result, ensure};

/// The version of the protocol, 3.0.
const VERSION: u32 = 196_608;
/// Who asks, and for what: of servers that trust everybody.
const STARTUP: &[&str] = &["user", "postgres", "database", "postgres", "application_name", "test"];
/// The longest that any answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Far more than any answer here.
const LONGEST: usize = 1 << 20;

/// An open session.
#[derive(Debug)]
pub struct Postgres {
    stream: TcpStream,
}

impl Postgres {
    /// Connects to `HOST:PORT` as the superuser, without a password.
    ///
    /// # Errors
    ///
    /// Those of connecting, and what PostgreSQL has against it.
    pub async fn connect(address: &str) -> Result<Self> {
        let stream = timeout(ANSWER, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let mut session = Self { stream };
        let mut body = VERSION.to_be_bytes().to_vec();
        for word in STARTUP {
            body.extend_from_slice(word.as_bytes());
            body.push(0);
        }
        body.push(0);
        session.send(&body).await?;
        session.rows().await?;
        Ok(session)
    }

    /// The rows of a query, with an empty text for NULL.
    ///
    /// # Errors
    ///
    /// What PostgreSQL has against it, and the end of the session.
    pub async fn query(&mut self, sql: &str) -> Result<Vec<Vec<String>>> {
        self.stream.write_u8(b'Q').await?;
        self.send(&[sql.as_bytes(), &[0]].concat()).await?;
        self.rows().await
    }

    /// Waits until the other side has closed the session, and gives what it has said before.
    ///
    /// # Errors
    ///
    /// When it does not within this time.
    pub async fn ended(&mut self, deadline: Duration) -> Result<String> {
        let mut said = Vec::new();
        match timeout(deadline, self.stream.read_to_end(&mut said)).await {
            Ok(_) => Ok(String::from_utf8_lossy(&said).into_owned()),
            Err(_) => Err(format!("the session is open after {deadline:?}").into()),
        }
    }

    /// Sends the length and a body.
    async fn send(&mut self, body: &[u8]) -> Result<()> {
        let length = u32::try_from(body.len() + 4)?;
        Ok(self.stream.write_all(&[&length.to_be_bytes(), body].concat()).await?)
    }

    /// Reads until PostgreSQL is ready for the next query.
    async fn rows(&mut self) -> Result<Vec<Vec<String>>> {
        let (mut rows, mut fault) = (Vec::new(), None);
        loop {
            let (kind, body) = timeout(ANSWER, self.message()).await??;
            match kind {
                b'D' => rows.push(columns(&body)?),
                b'E' => fault = Some(fault_in(&body)),
                b'R' => ensure!(body == [0; 4], "PostgreSQL wants a password"),
                b'Z' => match fault {
                    Some(fault) => return Err(fault.into()),
                    None => return Ok(rows),
                },
                _ => (),
            }
            // It closes the connection behind this one.
            if let Some(fault) = fault.take_if(|fault| fault.starts_with("FATAL")) {
                return Err(fault.into());
            }
        }
    }

    async fn message(&mut self) -> Result<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await?;
        let length = self.stream.read_u32().await? as usize;
        ensure!((4..LONGEST).contains(&length), "a message of {length} bytes");
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, body))
    }
}

/// The columns of a row.
fn columns(body: &[u8]) -> Result<Vec<String>> {
    let (count, mut rest) = body.split_at_checked(2).ok_or("a short row")?;
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes(count.try_into()?) {
        let (length, behind) = rest.split_at_checked(4).ok_or("a short row")?;
        // -1 stands for NULL.
        let length = usize::try_from(i32::from_be_bytes(length.try_into()?)).unwrap_or(0);
        let (column, behind) = behind.split_at_checked(length).ok_or("a short column")?;
        columns.push(String::from_utf8_lossy(column).into_owned());
        rest = behind;
    }
    Ok(columns)
}

/// `SEVERITY: MESSAGE` of an error.
fn fault_in(body: &[u8]) -> String {
    let fields: Vec<_> = body.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
    let field = |name| fields.iter().find_map(|field| field.strip_prefix(name)).unwrap_or_default();
    format!("{}: {}", field('S'), field('M'))
}
