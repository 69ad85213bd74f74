//! An etcd of the test's own.

mod keys;
mod leases;
mod snapshots;
mod users;
mod writes;

use std::fs::File;
use std::process::{Command, Stdio};

pub use writes::{Write, Writes};

use etcd_client::{
    Certificate as Trusted, Client, CompactionOptions, ConnectOptions, GetOptions, Identity,
    TlsOptions,
};
use nix::sys::signal::Signal;

use crate::process::Process;
use crate::{Authority, Certificate, Folder, Result, SOON, ensure, eventually, free_port, get};

/// One member, which is a cluster of its own.
pub struct Etcd {
    folder: Folder,
    port: u16,
    peer_port: u16,
    metrics_port: u16,
    process: Option<Process>,
    client: Option<Client>,
    arguments: Vec<String>,
    tls: Option<TlsOptions>,
    user: Option<(String, String)>,
}

impl Etcd {
    /// Starts one with an empty store.
    ///
    /// # Errors
    ///
    /// When there is no `etcd` in the path, or it does not become healthy.
    pub async fn start() -> Result<Self> {
        let mut etcd = Self::absent()?;
        etcd.restart().await?;
        Ok(etcd)
    }

    /// Ports and a folder, with no etcd yet: [`restart`](Self::restart) starts it.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn absent() -> Result<Self> {
        Ok(Self {
            folder: Folder::new("etcd")?,
            port: free_port()?,
            peer_port: free_port()?,
            metrics_port: free_port()?,
            process: None,
            client: None,
            arguments: Vec::new(),
            tls: None,
            user: None,
        })
    }

    /// The same with more arguments on its command line.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// The same, with TLS: it shows `server`, and asks its clients for a certificate that
    /// `authority` has signed. Its files lie in its folder, and are read for each connection: see
    /// [`show`](Self::show).
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn with_tls(mut self, authority: &Authority, server: &Certificate) -> Result<Self> {
        self.show(server)?;
        let authority_file = self.folder.write("tls/authority.pem", authority.pem())?;
        let file = |name: &str| self.folder.path().join("tls").join(name).display().to_string();
        let arguments = [
            ("--cert-file", file("server.pem")),
            ("--key-file", file("server.key")),
            ("--trusted-ca-file", authority_file.display().to_string()),
        ];
        for (argument, value) in arguments {
            self.arguments.extend([argument.to_owned(), value]);
        }
        self.arguments.push("--client-cert-auth".to_owned());
        let own = authority.certificate(&["harness"])?;
        self.tls = Some(
            TlsOptions::new()
                .ca_certificate(Trusted::from_pem(authority.pem()))
                .identity(Identity::from_pem(own.certificate, own.key)),
        );
        Ok(self)
    }

    /// Shows another certificate from the next connection on.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn show(&self, server: &Certificate) -> Result<()> {
        self.folder.write("tls/server.key", &server.key)?;
        self.folder.write("tls/server.pem", &server.certificate)?;
        Ok(())
    }

    /// What the directive `endpoint` takes.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Where it tells of its health, and of its metrics, whether it has TLS or not.
    fn metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.metrics_port)
    }

    /// Where it listens, for a [`Link`](crate::Link).
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it again, with the ports and the store that it had.
    ///
    /// # Errors
    ///
    /// As with [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<()> {
        let (client, peer) = (self.url(), format!("http://127.0.0.1:{}", self.peer_port));
        let log =
            File::options().create(true).append(true).open(self.folder.path().join("etcd.log"))?;
        let mut command = Command::new("etcd");
        command
            .args(["--name", "test", "--data-dir"])
            .arg(self.folder.path().join("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            // There is nobody to vote against: a shorter election is a quicker start.
            .args(["--heartbeat-interval", "20", "--election-timeout", "200"])
            .args(["--listen-metrics-urls", &format!("http://{}", self.metrics_address())])
            .args(["--logger", "zap", "--log-outputs", "stderr", "--log-level", "warn"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(log);
        let mut process = Process::spawn(&mut command)?;
        let address = self.metrics_address();
        let runs = eventually(SOON, "etcd is healthy", async || {
            if process.ended()?.is_some() {
                return Ok(false);
            }
            let answer = get(&address, "/health").await?;
            ensure!(answer.text().contains(r#""health":"true""#), "{}", answer.text());
            Ok(true)
        })
        .await?;
        ensure!(runs, "etcd has ended: {}", self.log());
        self.process = Some(process);
        self.connect().await
    }

    /// Has the harness's own connection made anew.
    ///
    /// # Errors
    ///
    /// When etcd cannot be reached.
    pub async fn reconnect(&mut self) -> Result<()> {
        self.connect().await
    }

    async fn connect(&mut self) -> Result<()> {
        let mut options = ConnectOptions::new().with_timeout(SOON).with_connect_timeout(SOON);
        if let Some(tls) = &self.tls {
            options = options.with_tls(tls.clone());
        }
        if let Some((user, password)) = &self.user {
            options = options.with_user(user, password).with_auto_token_refresh(true);
        }
        let client = Client::connect([self.url()], Some(options)).await?;
        // It connects only when it is used.
        client.kv_client().get("/", Some(GetOptions::new().with_count_only())).await?;
        self.client = Some(client);
        Ok(())
    }

    /// Loses its store, as a machine does whose disk is replaced. Not while it runs.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn wipe(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.folder.path().join("data"))?)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("etcd.log")).unwrap_or_default()
    }

    /// Its process.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pid(&self) -> Result<i32> {
        Ok(self.process.as_ref().ok_or("etcd does not run")?.pid())
    }

    /// Ends it in order, with SIGTERM.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not end.
    pub async fn stop(&mut self) -> Result<()> {
        self.end(Signal::SIGTERM).await
    }

    /// Kills it, with SIGKILL.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not end.
    pub async fn kill(&mut self) -> Result<()> {
        self.end(Signal::SIGKILL).await
    }

    async fn end(&mut self, signal: Signal) -> Result<()> {
        self.client = None;
        let mut process = self.process.take().ok_or("etcd does not run")?;
        process.signal(signal)?;
        process.wait(SOON).await?;
        Ok(())
    }

    /// Halts it with SIGSTOP, and waits until all of its threads are: its connections stay, and
    /// nothing answers.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        let process = self.process.as_ref().ok_or("etcd does not run")?;
        process.signal(Signal::SIGSTOP)
    }

    /// Goes on after [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.process.as_ref().ok_or("etcd does not run")?.signal(Signal::SIGCONT)
    }

    fn client(&self) -> Result<Client> {
        Ok(self.client.clone().ok_or("etcd does not run")?)
    }

    /// The store's revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn revision(&self) -> Result<i64> {
        let response = self.client()?.get("/", Some(GetOptions::new().with_count_only())).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Forgets all revisions before the present one.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn compact(&self) -> Result<()> {
        let revision = self.revision().await?;
        self.client()?.compact(revision, None).await?;
        Ok(())
    }

    /// Forgets all revisions before this one, which are gone when this returns.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn compact_to(&self, revision: i64) -> Result<()> {
        let options = CompactionOptions::new().with_physical();
        self.client()?.compact(revision, Some(options)).await?;
        Ok(())
    }

    /// The value of one of its metrics, 0 where it is not there yet.
    ///
    /// # Errors
    ///
    /// Those of HTTP.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = get(&self.metrics_address(), "/metrics").await?.text();
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(values.next().map(str::parse).transpose()?.unwrap_or_default())
    }

    /// Waits until a metric has this value.
    ///
    /// # Errors
    ///
    /// When it does not come to have it soon.
    pub async fn wait_for_metric(&self, name: &str, value: f64) -> Result<()> {
        eventually(SOON, &format!("{name} is {value}"), async || {
            let now = self.metric(name).await?;
            ensure!(now == value, "{name} is {now}");
            Ok(())
        })
        .await
    }
}
