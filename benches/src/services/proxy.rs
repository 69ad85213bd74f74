//! A program that routes hosts to services: services can be added, and what it takes can be looked
//! at.

use std::fs::rename;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Etcd, Folder, Nginx, PREFIX, Result, ensure, free_port, signal};
use nix::sys::signal::Signal;

use super::configuration;
use super::platform::{Platform, Service};
use crate::client::Client;
use crate::neighbours::Program;
use crate::neighbours::process::{Process, dirty_memory, pinned, spent};

/// Where nginx keeps what it has no memory for: in its folder.
pub const TEMPORARY: &str = "client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; \
                         uwsgi_temp_path t; scgi_temp_path t;";
/// How long a program may take to read all services.
const READY: Duration = Duration::from_secs(300);
/// Between two requests that are not answered yet.
const PAUSE: Duration = Duration::from_millis(1);

/// One of the programs. It ends when this is dropped.
pub struct Proxy {
    program: Program,
    port: u16,
    folder: Folder,
    platform: Platform,
    /// Of Envoy's files.
    version: usize,
    running: Running,
    /// From the start to the first request of the first service and the last.
    pub ready: Duration,
}

/// nginx ends before its etcd.
enum Running {
    Ours(Box<(Nginx, Etcd)>),
    Other(Process),
}

impl Proxy {
    /// Starts one with a platform, and waits until all of it is there.
    ///
    /// # Errors
    ///
    /// Those of starting.
    pub async fn start(program: Program, platform: Platform) -> Result<Self> {
        let (folder, port) = (Folder::new("services")?, free_port()?);
        let (running, began) = if program == Program::Ours {
            let etcd = Etcd::start().await?;
            etcd.put_all(platform.all_pairs(PREFIX)).await?;
            let nodes = platform.services().iter().map(|service| service.nodes.len()).sum();
            let began = Instant::now();
            let nginx = Nginx::start(configuration::ours(&etcd, nodes, port)).await?;
            (Running::Ours(Box::new((nginx, etcd))), began)
        } else {
            write(program, &folder, &platform, port, 0)?;
            let began = Instant::now();
            (Running::Other(spawn(program, &folder, port)?), began)
        };
        let ready = Duration::ZERO;
        let mut proxy = Self { program, port, folder, platform, version: 0, running, ready };
        let services = proxy.platform.services();
        let hosts = [services.first(), services.last()].into_iter().flatten();
        for host in hosts.map(|service| service.host.clone()).collect::<Vec<_>>() {
            while ask(&proxy.address(), &host).is_err() {
                if let Running::Other(process) = &mut proxy.running {
                    ensure!(process.runs()?, "it has ended: {}", process.last_line());
                }
                ensure!(began.elapsed() < READY, "{host} does not answer");
                tokio::time::sleep(PAUSE).await;
            }
        }
        proxy.ready = began.elapsed();
        if let Running::Ours(ours) = &proxy.running {
            ours.0.check_log()?;
        }
        Ok(proxy)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn root(&self) -> Result<i32> {
        match &self.running {
            Running::Ours(ours) => Ok(ours.0.master()),
            Running::Other(process) => process.pid(),
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

    /// The memory that all processes have written to, in bytes.
    ///
    /// # Errors
    ///
    /// Where one has ended.
    pub fn memory(&self) -> Result<u64> {
        dirty_memory(self.root()?)
    }

    /// The same of the etcd that has the services; 0 where there is none.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn memory_of_etcd(&self) -> Result<u64> {
        match &self.running {
            Running::Ours(ours) => dirty_memory(ours.1.pid()?),
            Running::Other(_) => Ok(0),
        }
    }

    /// The last line that it has said, other than nginx with the module.
    pub fn last_line(&self) -> String {
        match &self.running {
            Running::Ours(_) => String::new(),
            Running::Other(process) => process.last_line(),
        }
    }

    /// Adds a service and its host. Gives the time from which they are awaited: etcd's
    /// acknowledgment, or the call.
    ///
    /// # Errors
    ///
    /// Those of the program.
    pub async fn add(&mut self, service: Service) -> Result<Instant> {
        if let Running::Ours(ours) = &self.running {
            ours.1.put_all(Platform::pairs(&service, PREFIX)).await?;
            return Ok(Instant::now());
        }
        self.platform.add(service);
        self.version += 1;
        let began = Instant::now();
        write(self.program, &self.folder, &self.platform, self.port, self.version)?;
        match self.program {
            Program::Nginx => signal(self.root()?, Signal::SIGHUP)?,
            Program::Haproxy => reload_haproxy(&self.folder.path().join("master"))?,
            // It notices that files are moved to their place.
            Program::Ours | Program::Envoy | Program::Caddy => {}
        }
        Ok(began)
    }
}

/// Has HAProxy's master reload, and waits until it has done so: it loses a signal that comes before
/// it has done with the last one.
fn reload_haproxy(socket: &Path) -> Result<()> {
    let mut socket = UnixStream::connect(socket)?;
    socket.write_all(b"reload\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("Success=1"), "reload: {answer}");
    Ok(())
}

/// Asks a host on a new connection, and gives what answers.
pub fn ask(address: &str, host: &str) -> Result<String> {
    Ok(Client::open(address)?.get_from(host)?.to_owned())
}

/// Writes what a program reads, so that it has either the whole of it or nothing new.
fn write(
    program: Program,
    folder: &Folder,
    platform: &Platform,
    port: u16,
    version: usize,
) -> Result<()> {
    let replace = |name: &str, text: &str| -> Result<()> {
        Ok(rename(folder.write("next", text)?, folder.path().join(name))?)
    };
    match program {
        Program::Nginx => {
            replace("nginx.conf", &configuration::nginx(platform, port, ["", TEMPORARY])?)
        }
        Program::Haproxy => {
            replace("hosts.map", &configuration::haproxy_map(platform))?;
            let map = folder.path().join("hosts.map");
            replace("haproxy.cfg", &configuration::haproxy(platform, port, &map)?)
        }
        Program::Envoy => {
            // A route to a cluster that is not there is answered with an error.
            let clusters = configuration::envoy_clusters(platform, version)?;
            replace("clusters.json", &clusters.to_string())?;
            replace("routes.json", &configuration::envoy_routes(platform, version).to_string())
        }
        Program::Ours | Program::Caddy => Err("it reads no file".into()),
    }
}

fn spawn(program: Program, folder: &Folder, port: u16) -> Result<Process> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut command = pinned(&program.path()?);
    match program {
        Program::Nginx => {
            command.args(["-p", &path(""), "-c", &path("nginx.conf"), "-e", "error.log"]);
        }
        Program::Haproxy => {
            command.args(["-W", "-S", &path("master"), "-f", &path("haproxy.cfg")]);
        }
        Program::Envoy => {
            let [clusters, routes] =
                ["clusters.json", "routes.json"].map(|name| folder.path().join(name));
            let text = configuration::envoy(port, &clusters, &routes)?;
            folder.write("envoy.json", &text.to_string())?;
            command.args(["-c", &path("envoy.json"), "--concurrency", "1", "-l", "error"]);
            command.arg("--use-dynamic-base-id");
        }
        Program::Ours | Program::Caddy => return Err("it is not started here".into()),
    }
    Process::start(command, folder.path())
}
