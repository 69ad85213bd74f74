//! An etcd of the test's own.

mod leases;
mod users;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use etcd_client::{
    Certificate as Trusted, Client, ConnectOptions, DeleteOptions, GetOptions, Identity,
    TlsOptions, Txn, TxnOp,
};
use nix::sys::signal::Signal;

use crate::process::{Process, halted};
use crate::{
    Authority, Certificate, Folder, Node, PREFIX, Result, SOON, ensure, eventually, free_port, get,
    key,
};

/// Operations per transaction: etcd's own limit, `--max-txn-ops`.
const OPERATIONS: usize = 128;

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

    /// Saves what it holds to a file in its folder, as for a backup.
    ///
    /// # Errors
    ///
    /// When `etcdctl` fails: what it says.
    pub async fn save(&self) -> Result<()> {
        let file = self.folder.path().join("snapshot");
        etcdctl(&["--endpoints", &self.url(), "snapshot", "save"], &file).await
    }

    /// Has the store that was [saved](Self::save), as a cluster with another id. Not while it runs.
    ///
    /// # Errors
    ///
    /// When `etcdctl` fails: what it says.
    pub async fn restore(&self) -> Result<()> {
        self.wipe()?;
        let data = self.folder.path().join("data").display().to_string();
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let cluster = format!("test={peer}");
        let arguments = [
            "snapshot",
            "restore",
            "--name",
            "test",
            "--data-dir",
            &data,
            "--initial-cluster",
            &cluster,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster-token",
            "restored",
        ];
        etcdctl(&arguments, &self.folder.path().join("snapshot")).await
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("etcd.log")).unwrap_or_default()
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
    pub async fn pause(&self) -> Result<()> {
        let process = self.process.as_ref().ok_or("etcd does not run")?;
        process.signal(Signal::SIGSTOP)?;
        eventually(SOON, "etcd is halted", async || {
            ensure!(halted(process.pid())?, "it runs");
            Ok(())
        })
        .await
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

    /// Writes a key, and gives the revision of the write.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<i64> {
        let response = self.client()?.put(key.as_ref(), value.as_ref(), None).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// A key's value with its lease, if there is such a key.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn look_up(&self, key: &str) -> Result<Option<(String, i64)>> {
        let response = self.client()?.get(key, None).await?;
        let pair = response.kvs().first();
        pair.map(|pair| Ok((pair.value_str()?.to_owned(), pair.lease()))).transpose()
    }

    /// The revision at which a key came to be.
    ///
    /// # Errors
    ///
    /// Those of etcd, and no such key.
    pub async fn create_revision(&self, key: &str) -> Result<i64> {
        let response = self.client()?.get(key, None).await?;
        Ok(response.kvs().first().ok_or_else(|| format!("no key {key}"))?.create_revision())
    }

    /// Deletes a key, which must be there, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd, and no such key.
    pub async fn delete(&self, key: &str) -> Result<i64> {
        let response = self.client()?.delete(key, None).await?;
        ensure!(response.deleted() == 1, "no key {key}");
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Deletes all keys that begin with `prefix`, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn delete_all(&self, prefix: &str) -> Result<i64> {
        let response =
            self.client()?.delete(prefix, Some(DeleteOptions::new().with_prefix())).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Writes many keys, a hundred or so per revision, and gives the last revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put_all(&self, pairs: impl IntoIterator<Item = (String, String)>) -> Result<i64> {
        let operations: Vec<_> =
            pairs.into_iter().map(|(key, value)| TxnOp::put(key, value, None)).collect();
        self.transactions(operations).await
    }

    /// Deletes many keys, a hundred or so per revision, and gives the last revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn delete_each(&self, keys: impl IntoIterator<Item = String>) -> Result<i64> {
        let operations: Vec<_> = keys.into_iter().map(|key| TxnOp::delete(key, None)).collect();
        self.transactions(operations).await
    }

    /// Writes keys, or deletes those without a value, a hundred or so per revision, and gives the
    /// last revision. No key may come twice.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn change_all(
        &self,
        changes: impl IntoIterator<Item = (String, Option<String>)>,
    ) -> Result<i64> {
        let operation = |(key, value)| match value {
            Some(value) => TxnOp::put(key, value, None),
            None => TxnOp::delete(key, None),
        };
        self.transactions(changes.into_iter().map(operation).collect()).await
    }

    async fn transactions(&self, operations: Vec<TxnOp>) -> Result<i64> {
        let mut client = self.client()?;
        let mut revision = 0;
        for chunk in operations.chunks(OPERATIONS) {
            let response = client.txn(Txn::new().and_then(chunk)).await?;
            revision = response.header().ok_or("no header")?.revision();
        }
        Ok(revision)
    }

    /// Writes a key for each node, its name below [`PREFIX`], and gives the last revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn register(&self, nodes: &[Node]) -> Result<i64> {
        self.put_all(nodes.iter().map(|node| (key(node.name()), node.address().to_string()))).await
    }

    /// The names below [`PREFIX`] and their values, in the order of the keys' bytes.
    ///
    /// # Errors
    ///
    /// Those of etcd, and a key or value that is no text.
    pub async fn members(&self) -> Result<Vec<(String, String)>> {
        let response = self.client()?.get(PREFIX, Some(GetOptions::new().with_prefix())).await?;
        let pairs = response.kvs().iter();
        pairs
            .map(|pair| {
                Ok((pair.key_str()?[PREFIX.len()..].to_owned(), pair.value_str()?.to_owned()))
            })
            .collect()
    }

    /// All keys that begin with `prefix`, whole, and their values, in the order of the keys' bytes.
    ///
    /// # Errors
    ///
    /// Those of etcd, and a key or value that is no text.
    pub async fn all_below(&self, prefix: &str) -> Result<Vec<(String, String)>> {
        let response = self.client()?.get(prefix, Some(GetOptions::new().with_prefix())).await?;
        let pairs = response.kvs().iter();
        pairs.map(|pair| Ok((pair.key_str()?.to_owned(), pair.value_str()?.to_owned()))).collect()
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

async fn etcdctl(arguments: &[&str], file: &Path) -> Result<()> {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args(arguments).arg(file);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "etcdctl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
