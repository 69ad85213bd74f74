//! A real nginx.

mod log;
mod status;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::configuration::nginx;
use crate::process::{Group, Process, children, group};
use crate::{
    Answer, Configuration, Connection, Folder, Mode, Result, SOON, WebSocket, ensure, eventually,
    free_port, get, running, signal,
};

const CONFIGURATION: &str = "conf/nginx.conf";
const WORKER: &str = "nginx: worker process";
/// The title of the process that touches files for workers.
const FILES: &str = "nginx: etcd files";

/// A running nginx with a folder of its own.
#[derive(Debug)]
pub struct Nginx {
    master: i32,
    process: Process,
    /// Of the background process; the foreground's is in `process`.
    _group: Option<Group>,
    folder: Folder,
    port: u16,
    configuration: Configuration,
}

impl Nginx {
    /// Starts nginx, and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// When nginx or the module lacks, or nginx refuses the configuration: what it says.
    pub async fn start(configuration: Configuration) -> Result<Self> {
        let (folder, port) = (Folder::new("nginx")?, free_port()?);
        Self::start_in(folder, port, configuration).await
    }

    async fn start_in(folder: Folder, port: u16, configuration: Configuration) -> Result<Self> {
        prepare(&folder, &configuration.render(port)?)?;
        let stderr = File::create(folder.path().join("logs/stderr.log"))?;
        let mut process =
            Process::spawn(command(folder.path())?.stdout(stderr.try_clone()?).stderr(stderr))?;
        let (mut master, mut group) = (process.pid(), None);
        if configuration.how() == Mode::Daemon {
            let status = process.wait(SOON).await?;
            ensure!(status.success(), "nginx: {}", read(folder.path(), "logs/stderr.log"));
            master = eventually(SOON, "nginx.pid", async || {
                Ok(read(folder.path(), "logs/nginx.pid").trim().parse()?)
            })
            .await?;
            group = Some(Group::guard(master)?);
        }
        let mut nginx = Self { master, process, _group: group, folder, port, configuration };
        let runs = eventually(SOON, "nginx listens", async || {
            if !nginx.runs()? {
                return Ok(false);
            }
            TcpStream::connect(nginx.address()).await?;
            if nginx.configuration.how() != Mode::Single {
                let workers = nginx.workers()?;
                ensure!(
                    workers.len() == nginx.configuration.worker_count(),
                    "workers: {workers:?}"
                );
            }
            Ok(true)
        })
        .await?;
        ensure!(runs, "nginx has ended: {}", read(nginx.folder.path(), "logs/stderr.log"));
        Ok(nginx)
    }

    fn runs(&mut self) -> Result<bool> {
        Ok(if self.configuration.how() == Mode::Daemon {
            running(self.master)
        } else {
            self.process.ended()?.is_none()
        })
    }

    /// What `nginx -t` says of a configuration, in which U+FFFD stands for a byte that is not
    /// UTF-8.
    ///
    /// # Errors
    ///
    /// When nginx cannot be run at all.
    pub fn test(configuration: &Configuration) -> Result<Output> {
        let folder = Folder::new("nginx-t")?;
        let text = configuration.render(free_port()?)?;
        prepare(&folder, &text)?;
        if let [first, others @ ..] = &text.split('\u{fffd}').collect::<Vec<_>>()[..]
            && !others.is_empty()
        {
            let mut bytes = first.as_bytes().to_vec();
            for other in others {
                bytes.push(0xff);
                bytes.extend_from_slice(other.as_bytes());
            }
            std::fs::write(folder.path().join(CONFIGURATION), bytes)?;
        }
        Ok(command(folder.path())?.arg("-t").output()?)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its folder: `conf`, `logs`, `temp`.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Asks for a path on a connection of its own.
    ///
    /// # Errors
    ///
    /// Those of HTTP.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        get(&self.address(), path).await
    }

    /// Opens a connection for many requests.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address()).await
    }

    /// Opens a connection to a certain worker.
    ///
    /// # Errors
    ///
    /// When chance does not lead there soon.
    pub async fn connect_to(&self, worker: i32) -> Result<Connection> {
        eventually(SOON, &format!("a connection to worker {worker}"), async || {
            let mut connection = self.connect().await?;
            let answer = connection.get("/worker").await?;
            ensure!(answer.worker() == worker, "got {}", answer.worker());
            Ok(connection)
        })
        .await
    }

    /// Opens a connection to each worker, in the order of [`workers`](Self::workers).
    ///
    /// # Errors
    ///
    /// As with [`connect_to`](Self::connect_to).
    pub async fn connect_to_each(&self) -> Result<Vec<Connection>> {
        let mut connections = Vec::new();
        for worker in self.workers()? {
            connections.push(self.connect_to(worker).await?);
        }
        Ok(connections)
    }

    /// Opens a WebSocket session.
    ///
    /// # Errors
    ///
    /// Those of opening one.
    pub async fn websocket(&self, path: &str) -> Result<WebSocket> {
        WebSocket::open(&self.address(), path).await
    }

    /// The pid of the master, or of the single process.
    pub fn master(&self) -> i32 {
        self.master
    }

    /// The workers that are not shutting down.
    ///
    /// # Errors
    ///
    /// Those of `/proc`.
    pub fn workers(&self) -> Result<Vec<i32>> {
        let mut workers = children(self.master, WORKER)?;
        workers.retain(|pid| {
            let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            title.trim_end_matches(['\0', ' ']) == WORKER
        });
        Ok(workers)
    }

    /// The processes that touch files for workers, one for each cycle that has any left.
    ///
    /// # Errors
    ///
    /// Those of `/proc`.
    pub fn file_processes(&self) -> Result<Vec<i32>> {
        // In the background the first is no child of the master's: it is of the group of the
        // process that was started.
        let mut found = group(self.process.pid(), FILES)?;
        found.extend(group(self.master, FILES)?);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The workers that are shutting down.
    ///
    /// # Errors
    ///
    /// Those of `/proc`.
    pub fn old_workers(&self) -> Result<Vec<i32>> {
        children(self.master, "nginx: worker process is shutting down")
    }

    /// Writes another configuration, for the next reload.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn configure(&mut self, configuration: Configuration) -> Result<()> {
        self.folder.write(CONFIGURATION, &configuration.render(self.port)?)?;
        self.configuration = configuration;
        Ok(())
    }

    /// Reloads, and waits until new workers have taken over.
    ///
    /// # Errors
    ///
    /// When they do not soon.
    pub async fn reload(&self) -> Result<()> {
        let before = self.workers()?;
        self.signal(Signal::SIGHUP)?;
        // Each worker that starts wakes all others.
        let starts = Duration::from_millis(200) * self.configuration.worker_count() as u32;
        eventually(SOON + starts, "new workers", async || {
            let now = self.workers()?;
            let new = now.iter().all(|pid| !before.contains(pid));
            ensure!(
                new && now.len() == self.configuration.worker_count(),
                "{now:?}, before {before:?}"
            );
            Ok(())
        })
        .await
    }

    /// Starts the same nginx anew beside the one that runs (SIGUSR2, as for another binary), which
    /// must be a daemon. From then on this is the new one; returns the pid of the old master.
    ///
    /// # Errors
    ///
    /// When it does not run soon.
    pub async fn upgrade(&mut self) -> Result<i32> {
        let old = self.master;
        self.signal(Signal::SIGUSR2)?;
        self.master = eventually(SOON, "a new master", async || {
            let master: i32 = read(self.folder.path(), "logs/nginx.pid").trim().parse()?;
            ensure!(master != old, "the old one's pid");
            Ok(master)
        })
        .await?;
        eventually(SOON, "the new master's workers", async || {
            let workers = self.workers()?;
            ensure!(workers.len() == self.configuration.worker_count(), "workers: {workers:?}");
            Ok(())
        })
        .await?;
        Ok(old)
    }

    /// Ends nginx, and starts it again on the same port after `pause`.
    ///
    /// # Errors
    ///
    /// When it does not end or start soon.
    pub async fn restart(&mut self, pause: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        self.end(Signal::SIGTERM).await?;
        pause().await?;
        let folder = std::mem::replace(&mut self.folder, Folder::new("nginx-ended")?);
        *self = Self::start_in(folder, self.port, self.configuration.clone()).await?;
        Ok(())
    }

    /// Sends a signal to the master.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn signal(&self, what: Signal) -> Result<()> {
        signal(self.master, what)
    }

    /// Sends a signal to the master that is to end nginx, and waits for the end.
    ///
    /// # Errors
    ///
    /// When it does not end soon.
    pub async fn end(&mut self, what: Signal) -> Result<()> {
        self.signal(what)?;
        eventually(SOON, "nginx ends", async || {
            ensure!(!self.runs()?, "it runs");
            Ok(())
        })
        .await
    }
}

fn prepare(folder: &Folder, configuration: &str) -> Result<()> {
    folder.write(CONFIGURATION, configuration)?;
    folder.write("logs/error.log", "")?;
    folder.write("temp/placeholder", "")?;
    Ok(())
}

fn command(folder: &Path) -> Result<Command> {
    let mut command = Command::new(nginx()?);
    // Where to find nginx is for us; nginx itself would take the variable for sockets to inherit.
    command.env_remove("NGINX");
    // The trailing slash is nginx's own way to write a prefix.
    command.arg("-p").arg(format!("{}/", folder.display())).args([
        "-c",
        CONFIGURATION,
        "-e",
        "logs/error.log",
    ]);
    Ok(command)
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}
