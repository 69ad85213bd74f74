//! A proxy that runs: its endpoints can be changed, and what it takes can be looked at.

use std::fs::rename;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use harness::{Folder, Mode, Result, ensure, eventually, free_port, memory, signal};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::configuration;
use super::limits::most_sessions;
use super::process::{Process, family, pinned, spent};
use super::program::Program;
use crate::fleet::Fleet;
use crate::setup::{LISTED, Setup, peer_key};

/// Caddy's endpoints in its configuration.
const CADDY_UPSTREAMS: &str = "/config/apps/http/servers/s/routes/0/handle/0/upstreams";

/// One of the programs. It ends when this is dropped.
pub struct Proxy {
    program: Program,
    address: String,
    /// The port of Caddy's admin API.
    admin: u16,
    folder: Folder,
    endpoints: Vec<String>,
    /// Envoy's number of its endpoints.
    version: usize,
    ours: Option<Setup>,
    process: Option<Process>,
}

impl Proxy {
    /// Starts one with a fleet whose endpoints are on `port`, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn start(program: Program, fleet: &Fleet, port: u16) -> Result<Self> {
        let endpoints = (0..fleet.peers).map(|number| fleet.address(number, port)).collect();
        let mut proxy = Self {
            program,
            address: String::new(),
            admin: free_port()?,
            folder: Folder::new("neighbour")?,
            endpoints,
            version: 0,
            ours: None,
            process: None,
        };
        if program == Program::Ours {
            let setup = Setup::live(fleet, port, Mode::Foreground, 1, "").await?;
            proxy.address.clone_from(&setup.address);
            proxy.ours = Some(setup);
        } else {
            let port = free_port()?;
            proxy.address = format!("127.0.0.1:{port}");
            proxy.process = Some(proxy.spawn(port)?);
        }
        let runs = eventually(LISTED, "it listens", async || {
            let runs = proxy.runs()?;
            let listens = TcpStream::connect(&proxy.address).is_ok();
            ensure!(!runs || listens, "it does not listen");
            Ok(runs)
        })
        .await?;
        let said = proxy.process.as_ref().map(Process::last_line).unwrap_or_default();
        ensure!(runs, "it has ended: {said}");
        Ok(proxy)
    }

    fn spawn(&self, port: u16) -> Result<Process> {
        let folder = self.folder.path();
        let path = |name: &str| folder.join(name).display().to_string();
        let mut command = pinned(&self.program.path()?);
        match self.program {
            Program::Ours => return Err("the harness starts nginx".into()),
            Program::Nginx => {
                self.write_nginx(port)?;
                command.args(["-p", &path(""), "-c", &path("nginx.conf"), "-e", "error.log"]);
            }
            Program::Haproxy => {
                let socket = folder.join("socket");
                let most = most_sessions()?;
                let text = configuration::haproxy(port, &socket, most, &self.endpoints);
                self.folder.write("haproxy.cfg", &text)?;
                command.args(["-db", "-f", &path("haproxy.cfg")]);
            }
            Program::Envoy => {
                self.write_endpoints()?;
                let text = configuration::envoy(port, &folder.join("endpoints.json"))?;
                self.folder.write("envoy.json", &text.to_string())?;
                command.args(["-c", &path("envoy.json"), "--concurrency", "1", "-l", "error"]);
                command.arg("--use-dynamic-base-id");
            }
            Program::Caddy => {
                let text = configuration::caddy(port, self.admin, &self.endpoints);
                self.folder.write("caddy.json", &text.to_string())?;
                command.args(["run", "--config", &path("caddy.json")]);
                command.env("HOME", folder).env("GOMAXPROCS", "1");
            }
        }
        Process::start(command, folder)
    }

    fn write_nginx(&self, port: u16) -> Result<()> {
        let user = if geteuid().is_root() { "user root;" } else { "" };
        let text = configuration::nginx(port, &self.endpoints);
        self.folder.write("nginx.conf", &format!("{user}\n{text}"))?;
        Ok(())
    }

    /// Envoy notices that a file is moved to this place.
    fn write_endpoints(&self) -> Result<()> {
        let text = configuration::envoy_endpoints(self.version, &self.endpoints)?;
        let next = self.folder.write("next.json", &text.to_string())?;
        Ok(rename(next, self.folder.path().join("endpoints.json"))?)
    }

    fn runs(&mut self) -> Result<bool> {
        self.process.as_mut().map_or(Ok(true), Process::runs)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn root(&self) -> Result<i32> {
        match (&self.ours, &self.process) {
            (Some(setup), _) => Ok(setup.nginx.master()),
            (None, Some(process)) => process.pid(),
            (None, None) => Err("nothing runs".into()),
        }
    }

    /// The processor time of all processes so far, with those that have ended.
    ///
    /// # Errors
    ///
    /// Where the first one has.
    pub fn spent(&self) -> Result<Duration> {
        spent(self.root()?)
    }

    /// The memory of all processes that is their own, in bytes.
    ///
    /// # Errors
    ///
    /// Where one has ended.
    pub fn memory(&self) -> Result<u64> {
        family(self.root()?)?.into_iter().map(memory).sum()
    }

    /// Replaces an endpoint. Gives the time from which the change is awaited: etcd's
    /// acknowledgment, or the call.
    ///
    /// # Errors
    ///
    /// Those of the program.
    pub async fn change(&mut self, number: usize, address: &str) -> Result<Instant> {
        address.clone_into(&mut self.endpoints[number]);
        if let Some(setup) = &self.ours {
            setup.etcd()?.put(peer_key(number), address.to_owned()).await?;
            return Ok(Instant::now());
        }
        let began = Instant::now();
        match self.program {
            Program::Ours => {}
            Program::Nginx => {
                let (_, port) = self.address.rsplit_once(':').ok_or("no port")?;
                self.write_nginx(port.parse()?)?;
                signal(self.root()?, Signal::SIGHUP)?;
            }
            Program::Haproxy => {
                let (host, port) = address.rsplit_once(':').ok_or("no port")?;
                let mut socket = UnixStream::connect(self.folder.path().join("socket"))?;
                let command = format!("set server b/s{number} addr {host} port {port}\n");
                socket.write_all(command.as_bytes())?;
                let mut answer = String::new();
                socket.read_to_string(&mut answer)?;
                let is_done = answer.contains("changed") || answer.contains("no need to change");
                ensure!(is_done, "set server: {answer}");
            }
            Program::Envoy => {
                self.version += 1;
                self.write_endpoints()?;
            }
            Program::Caddy => self.patch(number, address)?,
        }
        Ok(began)
    }

    fn patch(&self, number: usize, address: &str) -> Result<()> {
        let body = format!("{{\"dial\":\"{address}\"}}");
        let host = format!("127.0.0.1:{}", self.admin);
        let mut socket = TcpStream::connect(&host)?;
        write!(
            socket,
            "PATCH {CADDY_UPSTREAMS}/{number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        socket.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "PATCH: {answer}");
        Ok(())
    }
}
