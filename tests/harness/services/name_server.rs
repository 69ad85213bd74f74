//! A name server, NSD, and a client that sends one query and waits for one response.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::unprivileged::as_nobody;
use crate::process::Process;
use crate::{Folder, Result, SOON, ensure, eventually, free_port};

/// The zone that each server has.
const ZONE: &str = "service.example";
/// The name of a record that does not fit into a datagram.
const LONG: &str = "long";
/// Texts of that record, each of the length of a text's at most.
const LONG_TEXTS: usize = 12;

/// How a query is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram, from a port of its own.
    Udp,
    /// On a connection of its own.
    Tcp,
}

/// A name server with a zone of its own, `service.example`, in which the text of `whoami` is the
/// server's name, and the texts of `long` do not fit into a datagram.
#[derive(Debug)]
pub struct NameServer {
    process: Process,
    port: u16,
    name: String,
    folder: Folder,
}

impl NameServer {
    /// Starts one, and waits until it responds.
    ///
    /// # Errors
    ///
    /// When there is no `nsd`, or it does not respond soon.
    pub async fn start(name: &str) -> Result<Self> {
        let (folder, port) = (Folder::new("nsd")?, free_port()?);
        let long: Vec<_> = (0..LONG_TEXTS).map(|_| format!("\"{}\"", "x".repeat(255))).collect();
        folder.write(
            "zone",
            &format!(
                "$ORIGIN {ZONE}.\n$TTL 0\n@ SOA ns root 1 3600 600 86400 0\n@ NS ns\n\
                 ns A 127.0.0.1\nwhoami TXT \"{name}\"\n{LONG} TXT {}\n",
                long.join(" ")
            ),
        )?;
        let path = folder.path().display();
        // It has no files elsewhere, no port beside, and forks for no other user.
        let file = folder.write(
            "nsd.conf",
            &format!(
                "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  server-count: 1\n  \
                 username: \"\"\n  zonesdir: \"{path}\"\n  database: \"\"\n  pidfile: \"\"\n  \
                 zonelistfile: \"{path}/zone.list\"\n  xfrdfile: \"{path}/xfrd.state\"\n  \
                 cookie-secret-file: \"\"\n\
                 remote-control:\n  control-enable: no\n\
                 zone:\n  name: \"{ZONE}\"\n  zonefile: \"zone\"\n"
            ),
        )?;
        let log = File::create(folder.path().join("nsd.log"))?;
        let mut command = Command::new("nsd");
        as_nobody(&mut command, folder.path())?;
        command.arg("-d").arg("-c").arg(file).stdout(log.try_clone()?).stderr(log);
        // An ordinary user does not have it in the path.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        let mut server =
            Self { process: Process::spawn(&mut command)?, port, name: name.to_owned(), folder };
        let runs = eventually(SOON, "NSD responds", async || {
            if server.process.ended()?.is_some() {
                return Ok(false);
            }
            let said = ask_for_text(&server.address(), "whoami", Transport::Udp, SOON).await?;
            ensure!(said == server.name, "{said}");
            Ok(true)
        })
        .await?;
        ensure!(runs, "NSD has ended: {}", server.log());
        Ok(server)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What its `whoami` is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("nsd.log")).unwrap_or_default()
    }
}

/// The text of a name in `service.example`, as the server at `HOST:PORT` gives it.
///
/// # Errors
///
/// When no response comes in this time, or none with a text, such as one that was cut off to fit
/// into a datagram.
pub async fn ask_for_text(
    address: &str,
    name: &str,
    transport: Transport,
    deadline: Duration,
) -> Result<String> {
    let mut query = Message::new(std::process::id() as u16, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(format!("{name}.{ZONE}."))?, RecordType::TXT));
    let query = query.to_vec()?;
    let response = match transport {
        Transport::Udp => timeout(deadline, ask_by_datagram(address, &query)).await,
        Transport::Tcp => timeout(deadline, ask_on_connection(address, &query)).await,
    };
    let response = response.map_err(|_| format!("no response within {deadline:?}"))??;
    let response = Message::from_vec(&response)?;
    ensure!(response.metadata.response_code == ResponseCode::NoError, "{response:?}");
    ensure!(!response.metadata.truncation, "the response is cut off");
    let texts = response.answers.iter().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(text.to_string()),
        _ => None,
    });
    let text: String = texts.collect();
    ensure!(!text.is_empty(), "no text in {response:?}");
    Ok(text)
}

async fn ask_by_datagram(address: &str, query: &[u8]) -> Result<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(address).await?;
    socket.send(query).await?;
    let mut response = vec![0; 65_535];
    let length = socket.recv(&mut response).await?;
    response.truncate(length);
    Ok(response)
}

async fn ask_on_connection(address: &str, query: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let length = u16::try_from(query.len())?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut response = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut response).await?;
    Ok(response)
}
