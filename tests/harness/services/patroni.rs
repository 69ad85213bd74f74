//! Members of a cluster of Patroni's, each with its PostgreSQL.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::postgres::Postgres;
use super::unprivileged::as_nobody;
use crate::process::Process;
use crate::{Etcd, Folder, Result, ensure, eventually, free_port};

/// Where Debian keeps PostgreSQL's programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Until all members run: each makes or copies a database, and starts it.
const STARTED: Duration = Duration::from_secs(60);
/// Until `patronictl` has switched over.
const SWITCHED: Duration = Duration::from_secs(40);
/// Lines of each log that an error shows.
const LOG_LINES: usize = 5;

/// PostgreSQL leaves the process group of those that start it, and Patroni would start it again. So
/// this shell ends both, once a pipe has closed whose only other end is in this process: `$0` is
/// Patroni's group, `$1` the directory of the data, in which PostgreSQL runs. SIGQUIT has it end at
/// once, with all that is its own in shared memory.
const END: &str = r#"
read -r line
kill -s KILL -- "-$0" 2>/dev/null
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) || exit 0
[ "$(readlink "/proc/$pid/cwd")" = "$1" ] || exit 0
kill -s QUIT "$pid"
count=0
while [ -e "/proc/$pid/exe" ] && [ "$count" -lt 100 ]; do
    sleep 0.05
    count=$((count + 1))
done
[ "$count" -lt 100 ] || kill -s KILL "$pid"
"#;

/// A cluster that trusts everybody, since it is on the loopback interface and keeps nothing.
#[derive(Debug)]
pub struct Patroni {
    members: Vec<Member>,
    scope: String,
    folder: Folder,
}

#[derive(Debug)]
struct Member {
    /// Ends both, before `process` is waited for.
    _end: End,
    process: Process,
    name: String,
    port: u16,
}

impl Patroni {
    /// Starts the members, and waits until the first of them is the primary and the others follow
    /// it, as etcd says.
    ///
    /// # Errors
    ///
    /// When there is no `patroni` in the path and no PostgreSQL, or they do not run in time.
    pub async fn start(etcd: &Etcd, scope: &str, names: &[&str]) -> Result<Self> {
        let folder = Folder::new("patroni")?;
        let mut cluster = Self { members: Vec::new(), scope: scope.to_owned(), folder };
        for (number, name) in names.iter().enumerate() {
            cluster.start_member(etcd, name)?;
            // Else any of them might be the first one.
            if number == 0 {
                cluster.wait_for_roles(etcd, &[(name, true)]).await?;
            }
        }
        let roles = names.iter().enumerate().map(|(number, name)| (*name, number == 0));
        cluster.wait_for_roles(etcd, &roles.collect::<Vec<_>>()).await?;
        cluster.wait_for_streaming().await?;
        Ok(cluster)
    }

    /// Waits until the replicas receive what the first member writes. One that does not yet is a
    /// replica for Patroni all the same, and lacks what was acknowledged if it is promoted.
    async fn wait_for_streaming(&self) -> Result<()> {
        let Some(first) = self.members.first() else { return Ok(()) };
        let mut session = Postgres::connect(&self.address(&first.name)?).await?;
        let wanted = (self.members.len() - 1).to_string();
        eventually(STARTED, "the replicas stream", async || {
            let count = "select count(*) from pg_stat_replication where state = 'streaming'";
            let rows = session.query(count).await?;
            ensure!(rows == [[wanted.as_str()]], "{rows:?} of {wanted}");
            Ok(())
        })
        .await
    }

    fn start_member(&mut self, etcd: &Etcd, name: &str) -> Result<()> {
        let (port, api) = (free_port()?, free_port()?);
        let home = self.folder.path().join(name);
        std::fs::create_dir(&home)?;
        let log = File::create(home.join("patroni.log"))?;
        let mut command = Command::new("patroni");
        as_nobody(&mut command, &home)?;
        command.arg(self.configure(etcd, name, port, api)?).stdout(log.try_clone()?).stderr(log);
        // It takes settings from there as well.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PATRONI_") {
                command.env_remove(variable);
            }
        }
        let process = Process::spawn(&mut command)?;
        let end = End::guard(process.pid(), &home.join("data"))?;
        self.members.push(Member { _end: end, process, name: name.to_owned(), port });
        Ok(())
    }

    /// Writes a member's configuration: JSON is YAML.
    fn configure(&self, etcd: &Etcd, name: &str, port: u16, api: u16) -> Result<PathBuf> {
        let home = self.folder.path().join(name);
        let trusted = [
            "local all all trust",
            "host all all 127.0.0.1/32 trust",
            "host replication all 127.0.0.1/32 trust",
        ];
        let configuration = json!({
            "scope": self.scope,
            "name": name,
            "restapi": {
                "listen": format!("127.0.0.1:{api}"),
                "connect_address": format!("127.0.0.1:{api}"),
            },
            "etcd3": { "host": etcd.address() },
            "bootstrap": {
                "dcs": {
                    // The shortest that it takes, so that nobody waits for it.
                    "ttl": 20, "loop_wait": 1, "retry_timeout": 3,
                    "postgresql": { "use_pg_rewind": true },
                },
                "initdb": [
                    { "encoding": "UTF8" }, { "locale": "C" }, { "auth": "trust" }, "no-sync",
                ],
                "pg_hba": trusted,
            },
            "postgresql": {
                "listen": format!("127.0.0.1:{port}"),
                "connect_address": format!("127.0.0.1:{port}"),
                "data_dir": home.join("data"),
                "pgpass": home.join("pgpass"),
                "bin_dir": programs()?,
                "basebackup": [{ "checkpoint": "fast" }, "no-sync"],
                "parameters": {
                    "unix_socket_directories": "", "shared_buffers": "16MB", "fsync": "off",
                },
                "pg_hba": trusted,
                "authentication": {
                    "superuser": { "username": "postgres" },
                    "replication": { "username": "postgres" },
                },
            },
        });
        self.folder.write(&file_of(name), &configuration.to_string())
    }

    /// Waits until each member runs, and those with `true` are primaries.
    async fn wait_for_roles(&mut self, etcd: &Etcd, wanted: &[(&str, bool)]) -> Result<()> {
        let prefix = self.prefix();
        let members = &mut self.members;
        let waited = eventually(STARTED, "the members of Patroni run", async || {
            for member in members.iter_mut() {
                if member.process.ended()?.is_some() {
                    return Ok(false);
                }
            }
            for (name, is_primary) in wanted {
                let key = etcd.look_up(&format!("{prefix}{name}")).await?;
                let (value, _) = key.ok_or_else(|| format!("{name} is not in etcd"))?;
                let wanted = if *is_primary { "primary" } else { "replica" };
                ensure!(running_role(&value)?.as_deref() == Some(wanted), "{name}: {value}");
            }
            Ok(true)
        })
        .await;
        match waited {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("a member has ended: {}", self.logs()).into()),
            Err(error) => Err(format!("{error}: {}", self.logs()).into()),
        }
    }

    /// Below which its members are.
    pub fn prefix(&self) -> String {
        format!("/service/{}/members/", self.scope)
    }

    /// `HOST:PORT` of a member's PostgreSQL.
    ///
    /// # Errors
    ///
    /// When there is no such member.
    pub fn address(&self, name: &str) -> Result<String> {
        Ok(format!("127.0.0.1:{}", self.member(name)?.port))
    }

    fn member(&self, name: &str) -> Result<&Member> {
        let member = self.members.iter().find(|member| member.name == name);
        Ok(member.ok_or_else(|| format!("no member {name}"))?)
    }

    /// Sends a signal to a member's Patroni, and not to its PostgreSQL.
    ///
    /// # Errors
    ///
    /// When there is no such member, or it has ended.
    pub fn signal(&self, name: &str, what: Signal) -> Result<()> {
        self.member(name)?.process.signal(what)
    }

    /// Makes another member the primary by `patronictl`, and gives what that says.
    ///
    /// # Errors
    ///
    /// When it does not succeed.
    pub async fn switch_over(&self, from: &str, to: &str) -> Result<String> {
        let said = self.folder.path().join("switchover.log");
        let log = File::create(&said)?;
        let mut command = Command::new("patronictl");
        command
            .arg("-c")
            .arg(self.folder.path().join(file_of(from)))
            .args(["switchover", "--leader", from, "--candidate", to, "--force"])
            .stdout(log.try_clone()?)
            .stderr(log);
        let status = Process::spawn(&mut command)?.wait(SWITCHED).await;
        let said = std::fs::read_to_string(said)?;
        match status {
            Ok(status) if status.success() && said.contains("Successfully switched over") => {
                Ok(said)
            }
            status => Err(format!("patronictl: {status:?}: {said}; {}", self.logs()).into()),
        }
    }

    /// The ends of the members' logs.
    pub fn logs(&self) -> String {
        let logs = self.members.iter().map(|member| {
            let path = self.folder.path().join(&member.name).join("patroni.log");
            let log = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
            format!("{} has logged:\n{last}\n", member.name)
        });
        logs.collect()
    }
}

/// The role in a member's value, if that says that it runs: "primary", also where a Patroni before
/// 4.0 says "master", or another one.
///
/// # Errors
///
/// When it is no JSON.
pub fn running_role(value: &str) -> Result<Option<String>> {
    let value: Value = serde_json::from_str(value)?;
    let role = value["role"].as_str().unwrap_or_default();
    let role = if role == "master" { "primary" } else { role };
    Ok((value["state"] == "running").then(|| role.to_owned()))
}

fn file_of(name: &str) -> String {
    format!("{name}.yml")
}

/// The directory of the newest PostgreSQL's programs.
fn programs() -> Result<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS)
        .map_err(|error| format!("{PROGRAMS}: {error}: Debian's package is postgresql"))?;
    let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let newest: u32 = versions.max().ok_or_else(|| format!("nothing in {PROGRAMS}"))?;
    Ok(Path::new(PROGRAMS).join(newest.to_string()).join("bin"))
}

/// Ends a member when it is dropped, and also when this whole process is killed.
#[derive(Debug)]
struct End {
    shell: Child,
}

impl End {
    fn guard(group: i32, data: &Path) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", END, &group.to_string()])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
