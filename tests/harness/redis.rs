//! A real Redis: a server that speaks a protocol of lines.

use std::fs::File;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::{Authority, Folder, Result, SOON, ensure, eventually, free_port};

/// A Redis on a port of its own, without a file of its data.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    folder: Folder,
}

impl Redis {
    /// Starts one with these arguments, and waits until it listens.
    ///
    /// # Errors
    ///
    /// When there is no `redis-server` in the path, or it does not take the arguments.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        Self::listen(free_port()?, arguments).await
    }

    /// Starts one on this port.
    ///
    /// # Errors
    ///
    /// As with [`start`](Self::start).
    pub async fn listen(port: u16, arguments: &[&str]) -> Result<Self> {
        let port_text = port.to_string();
        Self::run(port, Folder::new("redis")?, &["--port", &port_text], arguments).await
    }

    /// Starts one that speaks TLS alone, with a certificate for this name that `authority` has
    /// signed.
    ///
    /// # Errors
    ///
    /// As with [`start`](Self::start), and where there is no certificate.
    pub async fn with_tls(authority: &Authority, name: &str) -> Result<Self> {
        let (port, folder) = (free_port()?, Folder::new("redis")?);
        let certificate = authority.certificate(&[name])?;
        let mut arguments = vec!["--port".to_owned(), "0".to_owned()];
        for (flag, file, content) in [
            ("--tls-cert-file", "redis.pem", &*certificate.certificate),
            ("--tls-key-file", "redis.key", &*certificate.key),
            ("--tls-ca-cert-file", "authority.pem", authority.pem()),
        ] {
            let path = folder.write(file, content)?;
            arguments.extend([flag.to_owned(), path.display().to_string()]);
        }
        let port_text = port.to_string();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let more = ["--tls-port", &*port_text, "--tls-auth-clients", "no"];
        Self::run(port, folder, &arguments, &more).await
    }

    async fn run(port: u16, folder: Folder, first: &[&str], more: &[&str]) -> Result<Self> {
        let log = File::create(folder.path().join("redis.log"))?;
        let mut command = Command::new("redis-server");
        command.args(first).args(["--bind", "127.0.0.1", "--save", ""]).arg("--dir");
        command.arg(folder.path()).args(more).stdout(log).stderr(Stdio::null());
        let mut redis = Self { process: Process::spawn(&mut command)?, port, folder };
        let listens = eventually(SOON, "Redis listens", async || {
            if redis.process.ended()?.is_some() {
                return Ok(false);
            }
            TcpStream::connect(redis.address()).await?;
            Ok(true)
        })
        .await?;
        ensure!(listens, "Redis has ended: {}", redis.log());
        Ok(redis)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }

    /// Sends it a signal: SIGSTOP makes it hang, SIGCONT go on.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn signal(&self, what: Signal) -> Result<()> {
        self.process.signal(what)
    }

    /// Sends it a line, and gives the first one that it answers.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn command(&self, line: &str) -> Result<String> {
        redis_command(&self.address(), line).await
    }
}

/// Sends a line to a Redis, which may be behind nginx, and gives the first one that it answers.
///
/// # Errors
///
/// When there is no answer.
pub async fn redis_command(address: &str, line: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        ensure!(stream.read_buf(&mut answer).await? > 0, "{line}: no answer");
    }
    Ok(String::from_utf8(answer)?.trim_end().to_owned())
}
