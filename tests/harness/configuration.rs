//! nginx.conf files for tests.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::stream::load_stream;
use crate::{Etcd, Result, StreamModule, ensure};

/// The upstream that the tests' `location /` passes to.
pub const UPSTREAM: &str = "firehose";
/// Its prefix.
pub const PREFIX: &str = "/firehose/upstream/";

/// Connections of a worker where a test does not ask for more.
const CONNECTIONS: usize = 4096;

/// Where nginx keeps what it has no memory for: in the test's folder.
const TEMPORARY: &str = "\
    client_body_temp_path temp/client_body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
";

/// The whole key of a name below [`PREFIX`].
pub fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// How nginx runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A master in the foreground, and workers.
    Foreground,
    /// A master in the background, and workers.
    Daemon,
    /// One process, which is master and worker (`master_process off`).
    Single,
}

/// What differs between the tests' configurations; the rest is the same in all.
#[derive(Clone, Debug)]
pub struct Configuration {
    mode: Mode,
    module: bool,
    /// Whether the module is the one with faults that can be called for.
    faults: bool,
    workers: usize,
    connections: usize,
    main: String,
    http: String,
    server: String,
    location: String,
    end: String,
    stream: String,
    /// When nginx's own stream module is loaded, if a test says so.
    stream_module: Option<StreamModule>,
    http_block: bool,
    /// A whole nginx.conf, instead of all of the above.
    shipped: Option<String>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self::new()
    }
}

impl Configuration {
    /// Two workers and no upstream.
    pub fn new() -> Self {
        Self {
            mode: Mode::Foreground,
            module: true,
            faults: false,
            workers: 2,
            connections: CONNECTIONS,
            main: String::new(),
            http: String::new(),
            server: String::new(),
            location: String::new(),
            end: String::new(),
            stream: String::new(),
            stream_module: None,
            http_block: true,
            shipped: None,
        }
    }

    /// The usual: two workers, and [`UPSTREAM`] with its peers from [`PREFIX`] of `etcd`.
    pub fn firehose(etcd: &Etcd) -> Self {
        Self::new().http(&cluster("main", &etcd.url())).http(&upstream("zone=1m", ""))
    }

    /// A stock nginx, without the module.
    pub fn stock() -> Self {
        Self { module: false, ..Self::new() }
    }

    /// A file of `nginx-conf/`, with other ports and paths and nothing else changed.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or lacks what is to be replaced.
    pub fn shipped(name: &str, etcd: &Etcd) -> Result<Self> {
        let mut text = Self::shipped_text(name)?;
        for (from, to) in [
            ("http://127.0.0.1:2379", etcd.url().as_str()),
            ("modules/ngx_http_upstream_etcd_module.so", &module()?.display().to_string()),
            ("/run/nginx.pid", "logs/nginx.pid"),
            ("/var/log/nginx/", "logs/"),
            ("http {", &format!("http {{\n{TEMPORARY}")),
        ] {
            ensure!(text.contains(from), "no {from} in {name}");
            text = text.replace(from, to);
        }
        ensure!(text.matches("listen 8080;").count() == 1, "no single listen 8080 in {name}");
        let count = text.split("worker_processes ").nth(1).and_then(|rest| rest.split(';').next());
        let workers = count.ok_or("no worker_processes")?.parse()?;
        Ok(Self { workers, shipped: Some(format!("daemon off;\n{text}")), ..Self::new() })
    }

    /// Has a shipped file that listens on this port with TLS listen on another one.
    ///
    /// # Errors
    ///
    /// When it does not listen there.
    pub fn tls_port(mut self, from: u16, to: u16) -> Result<Self> {
        let text = self.shipped.take().ok_or("no shipped file")?;
        let listen = format!("listen {from} ssl;");
        ensure!(text.matches(&listen).count() == 1, "no single {listen}");
        self.shipped = Some(text.replace(&listen, &format!("listen 127.0.0.1:{to} ssl;")));
        Ok(self)
    }

    /// A file of `nginx-conf/` as it stands.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn shipped_text(name: &str) -> Result<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nginx-conf").join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// A whole nginx.conf, in which `listen 8080;` is another port.
    pub fn whole(text: &str) -> Self {
        let text = text.replacen("http {", &format!("http {{\n{TEMPORARY}"), 1);
        Self { shipped: Some(text), ..Self::new() }
    }

    /// How nginx runs.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Takes the module that was built with the feature `injected-faults`.
    #[must_use]
    pub fn with_faults(self) -> Self {
        Self { faults: true, ..self }
    }

    /// The number of workers.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// The connections of each worker (`worker_connections`).
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Adds to what stands outside of all blocks.
    #[must_use]
    pub fn main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self.main.push('\n');
        self
    }

    /// Adds to `http {}`.
    #[must_use]
    pub fn http(mut self, text: &str) -> Self {
        self.http.push_str(text);
        self.http.push('\n');
        self
    }

    /// Adds to `server {}`.
    #[must_use]
    pub fn server(mut self, text: &str) -> Self {
        self.server.push_str(text);
        self.server.push('\n');
        self
    }

    /// Adds to `location / {}`.
    #[must_use]
    pub fn location(mut self, text: &str) -> Self {
        self.location.push_str(text);
        self.location.push('\n');
        self
    }

    /// Adds behind `http {}`.
    #[must_use]
    pub fn end(mut self, text: &str) -> Self {
        self.end.push_str(text);
        self.end.push('\n');
        self
    }

    /// Adds to `stream {}`, which is there then, beside `http {}`.
    #[must_use]
    pub fn stream(mut self, text: &str) -> Self {
        self.stream.push_str(text);
        self.stream.push('\n');
        self
    }

    /// When nginx's own stream module is loaded, where it is a dynamic one. It is loaded first for
    /// a test that says nothing and has a `stream {}`.
    #[must_use]
    pub fn stream_module(self, when: StreamModule) -> Self {
        Self { stream_module: Some(when), ..self }
    }

    /// Leaves `http {}` out. A `listen 8080` in `stream {}` is nginx's address then.
    #[must_use]
    pub fn without_http(self) -> Self {
        Self { http_block: false, ..self }
    }

    pub(crate) fn how(&self) -> Mode {
        self.mode
    }

    /// How many workers there are to be.
    pub(crate) fn worker_count(&self) -> usize {
        self.workers
    }

    pub(crate) fn render(&self, port: u16) -> Result<String> {
        if let Some(text) = &self.shipped {
            return Ok(text.replace("listen 8080;", &format!("listen 127.0.0.1:{port};")));
        }
        let mut text = self.modules()?;
        if geteuid().is_root() {
            text.push_str("user www-data;\n");
        }
        let daemon = if self.mode == Mode::Daemon { "on" } else { "off" };
        let master = if self.mode == Mode::Single { "off" } else { "on" };
        let Self { connections, main, end, .. } = self;
        // A socket for each worker that is configured would leave some without anyone who accepts.
        let workers = if self.mode == Mode::Single { 1 } else { self.workers };
        let http = if self.http_block { self.render_http(port) } else { String::new() };
        let stream = if self.stream.is_empty() {
            String::new()
        } else {
            let text = self.stream.replace("listen 8080", &format!("listen 127.0.0.1:{port}"));
            format!("stream {{\n{text}}}\n")
        };
        write!(
            text,
            "\
daemon {daemon};
master_process {master};
worker_processes {workers};
error_log logs/error.log notice;
pid logs/nginx.pid;
{main}events {{ worker_connections {connections}; }}
{http}{stream}{end}"
        )?;
        Ok(text)
    }

    /// The lines that load modules.
    fn modules(&self) -> Result<String> {
        let ours = match (self.module, self.faults) {
            (false, _) => String::new(),
            (true, false) => format!("load_module {};\n", module()?.display()),
            (true, true) => format!("load_module {};\n", module_with_faults()?.display()),
        };
        let when = if self.stream.is_empty() { StreamModule::Absent } else { StreamModule::First };
        Ok(match self.stream_module.unwrap_or(when) {
            StreamModule::First => format!("{}{ours}", load_stream()?),
            StreamModule::Last => format!("{ours}{}", load_stream()?),
            StreamModule::Absent => ours,
        })
    }

    fn render_http(&self, port: u16) -> String {
        let variables = if self.module {
            "add_header X-Peer $etcd_peer always; add_header X-Revision $etcd_revision always;"
        } else {
            ""
        };
        let status = if self.module { "location = /etcd { etcd_status; }" } else { "" };
        let Self { http, server, location, .. } = self;
        // Each connection to a socket with `reuseport` goes to a worker by chance; without it an
        // idle machine gives nearly all of them to one, and a test would hardly get to see the
        // others.
        format!(
            "\
http {{
    access_log off;
{TEMPORARY}    keepalive_requests 1000000;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
{http}
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        add_header X-Worker $pid always;
        location = /worker {{ return 204; }}
        {variables}
        {status}
{server}
        location / {{
            proxy_pass http://{UPSTREAM};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_connect_timeout 5s;
{location}
        }}
    }}
}}
"
        )
    }
}

/// An `etcd_cluster` block.
pub fn cluster(name: &str, url: &str) -> String {
    format!("etcd_cluster {name} {{ endpoint {url}; }}")
}

/// The usual upstream, with the given parameters of `etcd` and further directives.
pub fn upstream(parameters: &str, directives: &str) -> String {
    format!("upstream {UPSTREAM} {{ etcd main {PREFIX} {parameters}; {directives} }}")
}

/// The module under test.
pub(crate) fn module() -> Result<PathBuf> {
    let path = match std::env::var_os("ETCD_MODULE") {
        Some(path) => PathBuf::from(path),
        None => {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/ngx_http_upstream_etcd_module.so")
        }
    };
    path.canonicalize().map_err(|error| {
        format!(
            "no module at {} ({error}): run make first, or set ETCD_MODULE to it",
            path.display()
        )
        .into()
    })
}

/// The same with faults that can be called for.
fn module_with_faults() -> Result<PathBuf> {
    let path = match std::env::var_os("ETCD_MODULE_WITH_FAULTS") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../build/injected-faults/ngx_http_upstream_etcd_module.so"),
    };
    path.canonicalize().map_err(|error| {
        let how = "scripts/build-with-faults.sh makes it; or set ETCD_MODULE_WITH_FAULTS to it";
        format!("no module with injected faults at {} ({error}): {how}", path.display()).into()
    })
}

/// The nginx under test.
pub(crate) fn nginx() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("NGINX") {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from("/usr/sbin")].into_iter().chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join("nginx")).find(|file| file.is_file());
    found.ok_or_else(|| "no nginx in /usr/sbin or in PATH: install it, or set NGINX to it".into())
}
