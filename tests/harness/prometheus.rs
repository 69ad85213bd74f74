//! A real Prometheus, which scrapes what a test has started.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;

use crate::process::Process;
use crate::{Folder, Result, SOON, ensure, eventually, free_port, get};

/// Between two scrapes of a target, and between two evaluations of the rules.
const INTERVAL: &str = "500ms";
/// Prometheus may take a scrape to be some milliseconds later than it began.
const ALIGNED: f64 = 0.01;

/// What is scraped.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its `job`.
    pub job: &'static str,
    /// `HOST:PORT`.
    pub address: String,
    /// The path, without a query.
    pub path: &'static str,
    /// Names and values of the query.
    pub query: &'static [(&'static str, &'static str)],
}

/// A series of samples, or one of them: what a query gives.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The labels, with the name as `__name__` where there is one.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970, and values, the oldest first.
    pub samples: Vec<(f64, f64)>,
}

impl Series {
    /// A label's value, empty where it has none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The newest value.
    pub fn value(&self) -> f64 {
        self.samples.last().map_or(f64::NAN, |sample| sample.1)
    }
}

/// A rule, as Prometheus has evaluated it.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    /// The name of the alert, or of the new series.
    pub name: String,
    /// `ok`, `err`, or `unknown` before the first evaluation.
    pub health: String,
    /// Why it could not be evaluated; empty if it could.
    #[serde(rename = "lastError", default)]
    pub error: String,
    /// Of an alert: `inactive`, `pending` or `firing`.
    #[serde(default)]
    pub state: String,
}

/// A Prometheus with a folder and a port of its own.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    folder: Folder,
    port: u16,
    targets: usize,
}

impl Prometheus {
    /// Starts one that scrapes these targets twice a second and evaluates the rules of these files,
    /// and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When there is no `prometheus` in the path, or it does not take the configuration.
    pub async fn start(targets: &[Target], rules: &[&Path]) -> Result<Self> {
        let (folder, port) = (Folder::new("prometheus")?, free_port()?);
        let file = folder.write("prometheus.yml", &configuration(targets, rules)?)?;
        let log = File::create(folder.path().join("prometheus.log"))?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::spawn(&mut command)?;
        let mut prometheus = Self { process, folder, port, targets: targets.len() };
        let runs = eventually(SOON, "Prometheus is ready", async || {
            if prometheus.process.ended()?.is_some() {
                return Ok(false);
            }
            let answer = get(&prometheus.address(), "/-/ready").await?;
            ensure!(answer.status == 200, "{}", answer.text());
            Ok(true)
        })
        .await?;
        ensure!(runs, "Prometheus has ended: {}", prometheus.log());
        Ok(prometheus)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("prometheus.log")).unwrap_or_default()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until each target was scraped without a fault by a scrape that began after this call.
    ///
    /// # Errors
    ///
    /// When that is not so soon: what it has against the targets.
    pub async fn scraped(&self) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() + ALIGNED;
        eventually(SOON, "a scrape of each target", async || {
            // Of anything else than a plain selector, `timestamp` gives the time of the query.
            let scraped = self.query("timestamp(up) and up == 1").await?;
            let new = scraped.iter().filter(|series| series.value() > since).count();
            if new < self.targets {
                return Err(self.faults().await?.into());
            }
            Ok(())
        })
        .await
    }

    /// The last scrapes that have failed, in words.
    async fn faults(&self) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Active {
            active_targets: Vec<Scrape>,
        }
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Scrape {
            scrape_url: String,
            health: String,
            last_error: String,
        }
        let active: Active = self.api("targets?state=active").await?;
        let text = active.active_targets.iter().map(|Scrape { scrape_url, health, last_error }| {
            format!("{scrape_url}: {health} {last_error}")
        });
        Ok(text.collect::<Vec<_>>().join("; "))
    }

    /// What an expression gives now: samples of one moment, or for a range all raw ones in it.
    ///
    /// # Errors
    ///
    /// What Prometheus has against the expression.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        #[derive(Deserialize)]
        struct Data {
            result: Value,
        }
        #[derive(Deserialize)]
        struct Found {
            metric: BTreeMap<String, String>,
            value: Option<(f64, String)>,
            values: Option<Vec<(f64, String)>>,
        }
        let path = format!("query?query={}", escaped(expression));
        let data: Data = self.api(&path).await.map_err(|error| format!("{expression}: {error}"))?;
        let found: Vec<Found> = serde_json::from_value(data.result)
            .map_err(|error| format!("{expression} gives no series: {error}"))?;
        let series = found.into_iter().map(|Found { metric, value, values }| {
            let samples = values.unwrap_or_default().into_iter().chain(value);
            let samples = samples.map(|(time, value)| Ok((time, value.parse()?)));
            Ok(Series { labels: metric, samples: samples.collect::<Result<_>>()? })
        });
        series.collect()
    }

    /// The value of an expression that gives one series.
    ///
    /// # Errors
    ///
    /// As with [`query`](Self::query), and when it gives another number of them.
    pub async fn value(&self, expression: &str) -> Result<f64> {
        let found = self.query(expression).await?;
        ensure!(found.len() == 1, "{expression} gives {found:?}");
        Ok(found[0].value())
    }

    /// The names of all series whose names begin so.
    ///
    /// # Errors
    ///
    /// Those of HTTP.
    pub async fn names(&self, begin: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.api("label/__name__/values").await?;
        names.retain(|name| name.starts_with(begin));
        Ok(names)
    }

    /// Its rules.
    ///
    /// # Errors
    ///
    /// Those of HTTP.
    pub async fn rules(&self) -> Result<Vec<Rule>> {
        #[derive(Deserialize)]
        struct Groups {
            groups: Vec<Group>,
        }
        #[derive(Deserialize)]
        struct Group {
            rules: Vec<Rule>,
        }
        let groups: Groups = self.api("rules").await?;
        Ok(groups.groups.into_iter().flat_map(|group| group.rules).collect())
    }

    async fn api<T: for<'a> Deserialize<'a>>(&self, path: &str) -> Result<T> {
        #[derive(Deserialize)]
        struct Body {
            data: Option<Value>,
            error: Option<String>,
        }
        let answer = get(&self.address(), &format!("/api/v1/{path}")).await?;
        let body: Body = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{error}: {}", answer.text()))?;
        match body {
            Body { error: Some(error), .. } => Err(error.into()),
            Body { data, .. } => Ok(serde_json::from_value(data.ok_or("no data")?)?),
        }
    }
}

/// What `promtool check metrics` has against a text in the format of Prometheus: nothing, if it is
/// clean.
///
/// # Errors
///
/// When there is no `promtool` in the path.
pub fn promtool_check(text: &[u8]) -> Result<String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start promtool: {error}"))?;
    let mut input = child.stdin.take().ok_or("no standard input")?;
    let text = text.to_vec();
    // What it says may fill its pipes before it has read all.
    let writer = std::thread::spawn(move || input.write_all(&text));
    let output = child.wait_with_output()?;
    let written = writer.join().map_err(|_| "the writer has panicked")?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said += &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        writeln!(said, "{}", output.status)?;
    } else {
        written?;
    }
    Ok(said)
}

/// JSON is YAML, too.
fn configuration(targets: &[Target], rules: &[&Path]) -> Result<String> {
    let jobs: Vec<_> = targets
        .iter()
        .map(|Target { job, address, path, query }| {
            let query: BTreeMap<_, _> =
                query.iter().map(|&(name, value)| (name, [value])).collect();
            serde_json::json!({
                "job_name": job,
                "metrics_path": path,
                "params": query,
                "static_configs": [{ "targets": [address] }],
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({
        "global": {
            "scrape_interval": INTERVAL,
            "scrape_timeout": INTERVAL,
            "evaluation_interval": INTERVAL,
        },
        "rule_files": rules,
        "scrape_configs": jobs,
    }))?)
}

/// As a value in a query.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() {
            escaped.push(byte.into());
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
