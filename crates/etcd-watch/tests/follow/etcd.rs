//! An etcd of the test's own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, KvClient, TlsOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take that is expected to happen, on a machine that builds other things at
/// the same time.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that nothing announces.
pub const POLL: Duration = Duration::from_millis(10);

/// A port of loopback that nobody listens on. Below the range from which the kernel takes the ports
/// of outgoing connections, so that it stays free while its listener is away.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests of another process at the same time begin elsewhere.
    let start = (std::process::id() % 1_000) as u16 * 20;
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// One member, ended with the value.
pub struct Etcd {
    arguments: Vec<String>,
    data: TempDir,
    child: Child,
    pub port: u16,
    /// How the test itself connects, where etcd asks for TLS.
    tls: Option<TlsOptions>,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Etcd {
    /// Of the program.
    pub fn version() -> [u32; 3] {
        let output = Command::new("etcd").arg("--version").output().expect("etcd is installed");
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().next().unwrap_or_default();
        let numbers =
            line.split(|byte: char| !byte.is_ascii_digit()).filter_map(|n| n.parse().ok());
        let numbers: Vec<u32> = numbers.take(3).collect();
        numbers.try_into().unwrap_or_else(|_| panic!("no version: {said}"))
    }

    /// A cluster of one member, which answers when this returns.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(more: &[&str]) -> Self {
        Self::start_at(free_port(), more).await
    }

    pub async fn start_at(port: u16, more: &[&str]) -> Self {
        let etcd = Self::spawn_one(port, more, None);
        etcd.answers().await;
        etcd
    }

    /// A cluster of one member with TLS, to which the test itself connects with the options.
    pub async fn start_tls(tls: TlsOptions, more: &[&str]) -> Self {
        let etcd = Self::spawn_one(free_port(), more, Some(tls));
        etcd.answers().await;
        etcd
    }

    fn spawn_one(port: u16, more: &[&str], tls: Option<TlsOptions>) -> Self {
        let peer = format!("http://127.0.0.1:{}", free_port());
        Self::spawn(port, "one", &peer, &format!("one={peer}"), more, tls)
    }

    /// A cluster of three members.
    pub async fn start_three() -> [Self; 3] {
        let members =
            ["one", "two", "three"].map(|name| (name, format!("http://127.0.0.1:{}", free_port())));
        let cluster = members.each_ref().map(|(name, peer)| format!("{name}={peer}")).join(",");
        let etcds =
            members.map(|(name, peer)| Self::spawn(free_port(), name, &peer, &cluster, &[], None));
        for etcd in &etcds {
            etcd.answers().await;
        }
        etcds
    }

    fn spawn(
        port: u16,
        name: &str,
        peer: &str,
        cluster: &str,
        more: &[&str],
        tls: Option<TlsOptions>,
    ) -> Self {
        let client = url(port, tls.is_some());
        let arguments = [
            ("--name", name),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", peer),
            ("--initial-advertise-peer-urls", peer),
            ("--initial-cluster", cluster),
            ("--logger", "zap"),
            ("--log-level", "fatal"),
        ];
        let arguments =
            arguments.iter().flat_map(|(name, value)| [*name, *value]).chain(more.iter().copied());
        let arguments: Vec<_> = arguments.map(str::to_owned).collect();
        let data = TempDir::new().expect("a temporary folder");
        let child = run(&arguments, &data);
        Self { arguments, data, child, port, tls }
    }

    pub fn url(&self) -> String {
        url(self.port, self.tls.is_some())
    }

    pub async fn client(&self) -> Client {
        self.client_with(ConnectOptions::new()).await
    }

    pub async fn client_with(&self, mut options: ConnectOptions) -> Client {
        if let Some(tls) = &self.tls {
            options = options.with_tls(tls.clone());
        }
        Client::connect([self.url()], Some(options)).await.expect("a client")
    }

    pub async fn kv(&self) -> KvClient {
        self.client().await.kv_client().max_decoding_message_size(usize::MAX)
    }

    /// Waits until it answers a linearizable read, which needs a leader.
    pub async fn answers(&self) {
        let deadline = Instant::now() + DEADLINE;
        let mut kv = self.kv().await;
        while !matches!(timeout(Duration::from_secs(1), kv.get("x", None)).await, Ok(Ok(_))) {
            assert!(Instant::now() < deadline, "etcd does not answer");
            sleep(POLL).await;
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("a running etcd");
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again with the data that it had.
    pub fn restart(&mut self) {
        self.kill();
        self.child = run(&self.arguments, &self.data);
    }

    /// Starts it again without any data, as a cluster with another id.
    pub fn restart_empty(&mut self) {
        self.kill();
        self.data = TempDir::new().expect("a temporary folder");
        let mut arguments = self.arguments.clone();
        arguments.extend(["--initial-cluster-token".to_owned(), "another".to_owned()]);
        self.child = run(&arguments, &self.data);
    }

    /// The sum over the lines of its metrics that contain all of `words`.
    pub async fn metric(&self, words: &[&str]) -> f64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("etcd listens");
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.expect("etcd reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("etcd answers");
        let lines = text.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until that sum is what is wanted.
    pub async fn metric_becomes(&self, words: &[&str], wanted: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let value = self.metric(words).await;
            if wanted(value) {
                return;
            }
            assert!(Instant::now() < deadline, "{words:?} stays {value}");
            sleep(POLL).await;
        }
    }
}

fn url(port: u16, is_tls: bool) -> String {
    format!("http{}://127.0.0.1:{port}", if is_tls { "s" } else { "" })
}

fn run(arguments: &[String], data: &TempDir) -> Child {
    Command::new("etcd")
        .args(arguments)
        .arg("--data-dir")
        .arg(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("etcd is installed")
}
