//! `firehose-router serve`, with the nginx that it runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::process::{Group, children};
use crate::{
    Answer, Connection, Folder, Program, Result, SOON, Status, WebSocket, ensure, eventually,
    free_port, get,
};

/// How nginx calls a worker that is not shutting down.
const WORKER: &str = "nginx: worker process\0";

/// The module: what `ETCD_MODULE` names, or what `make` has built.
///
/// # Errors
///
/// Where there is none.
pub fn etcd_module() -> Result<String> {
    let path = std::env::var_os("ETCD_MODULE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/ngx_http_upstream_etcd_module.so"),
        PathBuf::from,
    );
    Ok(path
        .canonicalize()
        .map_err(|error| format!("no module at {}: {error}", path.display()))?
        .display()
        .to_string())
}

/// A router as operators start it.
#[derive(Debug)]
pub struct Served {
    /// The program.
    pub program: Program,
    folder: Folder,
    port: u16,
    _group: Group,
}

impl Served {
    /// Starts it with these endpoints of etcd's and further arguments, and waits until nginx
    /// answers.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub async fn start(endpoints: &str, arguments: &[&str]) -> Result<Self> {
        Self::start_in(Folder::new("serve")?, endpoints, arguments).await
    }

    /// The same in a folder that another one has left.
    ///
    /// # Errors
    ///
    /// Where nginx does not answer.
    pub async fn start_in(folder: Folder, endpoints: &str, arguments: &[&str]) -> Result<Self> {
        Self::start_by(&[], folder, endpoints, arguments).await
    }

    /// The same, started by another program, which must become this one: these words stand before
    /// its own.
    ///
    /// # Errors
    ///
    /// Where nginx does not answer.
    pub async fn start_by(
        by: &[&str],
        folder: Folder,
        endpoints: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        Self::start_on(free_port()?, by, folder, endpoints, arguments).await
    }

    /// Starts another one in its folder, at its port. This one must have ended; what it has left
    /// goes on until this is dropped.
    ///
    /// # Errors
    ///
    /// Where nginx does not answer.
    pub async fn successor(&mut self, endpoints: &str, arguments: &[&str]) -> Result<Self> {
        let folder = std::mem::replace(&mut self.folder, Folder::new("serve")?);
        Self::start_on(self.port, &[], folder, endpoints, arguments).await
    }

    async fn start_on(
        port: u16,
        by: &[&str],
        folder: Folder,
        endpoints: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let module = etcd_module()?;
        let in_folder = |name: &str| folder.path().join(name).display().to_string();
        let (run, state, listen) =
            (in_folder("run"), in_folder("state"), format!("127.0.0.1:{port}"));
        let mut all = vec![
            "serve",
            "--listen",
            &listen,
            "--run-dir",
            &run,
            "--state-dir",
            &state,
            "--module",
            &module,
        ];
        if let Some(nginx) = std::env::var_os("NGINX") {
            let nginx = nginx.into_string().map_err(|_| "NGINX is not UTF-8")?;
            all.extend(["--nginx".to_owned(), nginx].map(|word| &*word.leak()));
        }
        all.extend(arguments);
        let mut program = Program::start_by(by, &all, &[("ETCD_ENDPOINTS", endpoints)])?;
        let master = eventually(SOON, "nginx runs", async || {
            if !program.runs()? {
                return Ok(None);
            }
            let pid: i32 =
                std::fs::read_to_string(folder.path().join("run/nginx.pid"))?.trim().parse()?;
            ensure!(
                children(program.pid(), "nginx: master")?.contains(&pid),
                "{pid} is not its child"
            );
            Ok(Some(pid))
        })
        .await?;
        let master = master.ok_or_else(|| format!("serve has ended: {}", program.log()))?;
        let served = Self { program, folder, port, _group: Group::guard(master)? };
        eventually(SOON, "the router answers", async || {
            // Where the PROXY protocol is asked for nobody else is answered there.
            ensure!(!served.workers()?.is_empty(), "no worker");
            served.locally("/nginx-healthcheck")?;
            Ok(())
        })
        .await?;
        Ok(served)
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its folder: `run` and `state` are in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends it, and leaves its folder for another.
    ///
    /// # Errors
    ///
    /// Where it does not end.
    pub async fn leave(mut self) -> Result<Folder> {
        self.end(Signal::SIGTERM).await?;
        Ok(self.folder)
    }

    /// Sends it a signal that is to end it, and gives its exit code.
    ///
    /// # Errors
    ///
    /// Where it does not end.
    pub async fn end(&mut self, signal: Signal) -> Result<i32> {
        self.program.signal(signal)?;
        self.program.ended(SOON).await
    }

    /// nginx's master.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn master(&self) -> Result<i32> {
        Ok(std::fs::read_to_string(self.folder.path().join("run/nginx.pid"))?.trim().parse()?)
    }

    /// nginx's workers that are not shutting down.
    ///
    /// # Errors
    ///
    /// Those of `/proc`.
    pub fn workers(&self) -> Result<Vec<i32>> {
        let mut workers = children(self.master()?, "nginx: worker process")?;
        workers.retain(|pid| {
            let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("{}\0", title.trim_end_matches(['\0', ' '])) == WORKER
        });
        Ok(workers)
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

    /// Opens a session.
    ///
    /// # Errors
    ///
    /// Those of the handshake.
    pub async fn websocket(&self, path: &str) -> Result<WebSocket> {
        WebSocket::open(&self.address(), path).await
    }

    /// What its own socket answers.
    ///
    /// # Errors
    ///
    /// Where it does not answer with status 200.
    pub fn locally(&self, path: &str) -> Result<String> {
        use std::io::{Read, Write};
        use std::os::unix::net::UnixStream;
        let mut stream = UnixStream::connect(self.folder.path().join("run/status.sock"))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        Ok(body.to_owned())
    }

    /// The status.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn status(&self) -> Result<Status> {
        Ok(serde_json::from_str(&self.locally("/etcd")?)?)
    }

    /// Waits until exactly these keys are peers in service.
    ///
    /// # Errors
    ///
    /// Where they are not, soon.
    pub async fn wait_for_keys(&self, keys: &[&str]) -> Result<()> {
        eventually(SOON, &format!("the peers {keys:?}"), async || {
            let status = self.status()?;
            let upstream = status.upstreams.get("firehose").ok_or("no upstream")?;
            let shown = upstream.peers.iter().filter(|peer| peer.state != "removed");
            let shown: Vec<_> = shown.filter_map(|peer| peer.key.as_deref()).collect();
            ensure!(shown == keys, "{shown:?}");
            Ok(())
        })
        .await
    }

    /// The configuration that nginx runs with, as `nginx -T` prints it.
    ///
    /// # Errors
    ///
    /// Where nginx does not take it.
    pub fn configuration(&self) -> Result<String> {
        let nginx = std::env::var_os("NGINX").unwrap_or_else(|| "nginx".into());
        let path =
            format!("{}:/usr/local/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let output = Command::new(nginx)
            .env("PATH", path)
            .args(["-T", "-q", "-e", "stderr", "-c"])
            .arg(self.folder.path().join("run/nginx.conf"))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Waits until the configuration has this line.
    ///
    /// # Errors
    ///
    /// Where it has not, soon.
    pub async fn wait_for_line(&self, line: &str) -> Result<()> {
        eventually(SOON, &format!("{line:?} in the configuration"), async || {
            let configuration = self.configuration()?;
            ensure!(configuration.lines().any(|other| other.trim() == line), "{configuration}");
            Ok(())
        })
        .await
    }

    /// How often nginx was told to take another configuration.
    pub fn reloads(&self) -> usize {
        self.program.log_lines("signal 1 (SIGHUP) received").len()
    }
}
