//! An etcd of three members, each of which can be killed, halted, and cut off from everybody.

mod network;

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, DeleteOptions, GetOptions};
use nix::sys::signal::Signal;

use crate::process::Process;
use crate::{Folder, Node, PREFIX, Result, SOON, eventually, free_port, key};
use network::Network;

/// How long a member may take for what it is asked. etcd itself gives up after 7 s, too long for
/// whoever wants to know when the quorum agrees.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long three members may take until they have a leader, on a machine whose processors and disk
/// are busy with other things.
const ELECTED: Duration = Duration::from_secs(90);

/// How many members there are: the least of which one can be lost.
pub const MEMBERS: usize = 3;

/// The members and the network between them. They are known by their numbers, from 0.
pub struct EtcdCluster {
    folder: Folder,
    members: Vec<Member>,
    network: Network,
    /// Which cluster it is, of those with the same addresses.
    token: usize,
}

struct Member {
    /// Where it listens itself, behind the network.
    client_port: u16,
    peer_port: u16,
    process: Option<Process>,
}

impl EtcdCluster {
    /// Starts all members, and waits until they have a leader.
    ///
    /// # Errors
    ///
    /// When there is no `etcd` in the path, or no leader soon.
    pub async fn start() -> Result<Self> {
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            members.push(Member {
                client_port: free_port()?,
                peer_port: free_port()?,
                process: None,
            });
        }
        let ports: Vec<_> =
            members.iter().map(|member| (member.client_port, member.peer_port)).collect();
        let network = Network::between(&ports).await?;
        let mut cluster = Self { folder: Folder::new("etcd-cluster")?, members, network, token: 0 };
        for member in 0..MEMBERS {
            cluster.run(member)?;
        }
        for member in 0..MEMBERS {
            cluster.answers(member).await?;
        }
        Ok(cluster)
    }

    /// What the directive `endpoint` takes, in the order of the members.
    pub fn urls(&self) -> Vec<String> {
        (0..MEMBERS).map(|member| self.network.client_url(member)).collect()
    }

    /// Which member has this URL.
    pub fn member_of(&self, url: &str) -> Option<usize> {
        (0..MEMBERS).find(|&member| self.network.client_url(member) == url)
    }

    fn run(&mut self, number: usize) -> Result<()> {
        let name = |number: usize| format!("member-{number}");
        let peers: Vec<_> = (0..MEMBERS)
            .map(|other| format!("{}={}", name(other), self.network.peer_url(other)))
            .collect();
        let member = &mut self.members[number];
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{}.log", name(number))))?;
        let mut command = Command::new("etcd");
        command
            .args(["--name", &name(number), "--data-dir"])
            .arg(self.folder.path().join(name(number)))
            .args(["--listen-client-urls", &format!("http://127.0.0.1:{}", member.client_port)])
            .args(["--advertise-client-urls", &self.network.client_url(number)])
            .args(["--listen-peer-urls", &format!("http://127.0.0.1:{}", member.peer_port)])
            .args(["--initial-advertise-peer-urls", &self.network.peer_url(number)])
            .args(["--initial-cluster", &peers.join(",")])
            .args(["--initial-cluster-token", &format!("cluster-{}", self.token)])
            .args(["--logger", "zap", "--log-outputs", "stderr", "--log-level", "warn"])
            .stdout(Stdio::null())
            .stderr(log);
        let process = Process::spawn(&mut command)?;
        self.network.is_process(number, Some(process.pid()));
        member.process = Some(process);
        Ok(())
    }

    /// A connection to one member alone, whatever the network between it and others is like.
    async fn client(&self, member: usize) -> Result<Client> {
        let options = ConnectOptions::new().with_timeout(PATIENCE).with_connect_timeout(PATIENCE);
        let url = format!("http://127.0.0.1:{}", self.members[member].client_port);
        Ok(Client::connect([url], Some(options)).await?)
    }

    /// Waits until a member answers a read for which it needs its quorum.
    ///
    /// # Errors
    ///
    /// When it does not soon.
    pub async fn answers(&self, member: usize) -> Result<()> {
        eventually(ELECTED, &format!("member {member} answers"), async || {
            let options = ConnectOptions::new().with_timeout(SOON).with_connect_timeout(SOON);
            let url = format!("http://127.0.0.1:{}", self.members[member].client_port);
            let client = Client::connect([url], Some(options)).await?;
            client.kv_client().get("/", Some(GetOptions::new().with_count_only())).await?;
            Ok(())
        })
        .await
    }

    /// Which member leads, as another one knows it.
    ///
    /// # Errors
    ///
    /// When `by` does not know of a leader.
    pub async fn leader(&self, by: usize) -> Result<usize> {
        let leader = self.client(by).await?.maintenance_client().status().await?.leader();
        for member in 0..MEMBERS {
            if self.members[member].process.is_some() && self.id(member).await? == leader {
                return Ok(member);
            }
        }
        Err("no member leads".into())
    }

    async fn id(&self, member: usize) -> Result<u64> {
        let status = self.client(member).await?.maintenance_client().status().await?;
        Ok(status.header().ok_or("no header")?.member_id())
    }

    /// Has another member lead.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn make_leader(&self, member: usize) -> Result<()> {
        let leader = self.leader(member).await?;
        if leader != member {
            let id = self.id(member).await?;
            self.client(leader).await?.maintenance_client().move_leader(id).await?;
        }
        Ok(())
    }

    /// Kills a member with SIGKILL.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill(&mut self, member: usize) -> Result<()> {
        let mut process = self.members[member].process.take().ok_or("it does not run")?;
        process.signal(Signal::SIGKILL)?;
        process.wait(SOON).await?;
        self.network.is_process(member, None);
        Ok(())
    }

    /// Starts a killed member again, with what it had; see [`answers`](Self::answers).
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn restart(&mut self, member: usize) -> Result<()> {
        self.run(member)
    }

    /// Replaces all members by others with the same addresses, who are another cluster and have
    /// nothing. None may be halted.
    ///
    /// # Errors
    ///
    /// When they cannot be ended, or have no leader soon.
    pub async fn replace(&mut self) -> Result<()> {
        for member in 0..MEMBERS {
            if self.members[member].process.is_some() {
                self.kill(member).await?;
            }
            let data = self.folder.path().join(format!("member-{member}"));
            if data.exists() {
                std::fs::remove_dir_all(data)?;
            }
        }
        self.token += 1;
        for member in 0..MEMBERS {
            self.run(member)?;
        }
        for member in 0..MEMBERS {
            self.answers(member).await?;
        }
        Ok(())
    }

    /// Halts a member with SIGSTOP: its connections stay, and nothing answers.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn pause(&self, member: usize) -> Result<()> {
        let process = self.members[member].process.as_ref().ok_or("it does not run")?;
        process.signal(Signal::SIGSTOP)
    }

    /// Goes on after [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn resume(&self, member: usize) -> Result<()> {
        self.members[member].process.as_ref().ok_or("it does not run")?.signal(Signal::SIGCONT)
    }

    /// Drops every packet from and to a member, those of its clients and those of other members.
    pub fn cut_off(&self, member: usize) {
        self.network.cut_off(member, true);
    }

    /// The end of [`cut_off`](Self::cut_off).
    pub fn heal(&self, member: usize) {
        self.network.cut_off(member, false);
    }

    /// Writes a key by way of a member, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn put(&self, by: usize, key: &str, value: &str) -> Result<i64> {
        let response = self.client(by).await?.put(key, value, None).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Deletes a key by way of a member, and gives the revision.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn delete(&self, by: usize, key: &str) -> Result<i64> {
        let response = self.client(by).await?.delete(key, None).await?;
        Ok(response.header().ok_or("no header")?.revision())
    }

    /// Deletes all that is below [`PREFIX`] by way of a member.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn clear(&self, by: usize) -> Result<()> {
        self.client(by).await?.delete(PREFIX, Some(DeleteOptions::new().with_prefix())).await?;
        Ok(())
    }

    /// Writes a key for each node.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn register(&self, by: usize, nodes: &[Node]) -> Result<i64> {
        let mut revision = 0;
        for node in nodes {
            revision = self.put(by, &key(node.name()), &node.address().to_string()).await?;
        }
        Ok(revision)
    }

    /// The names below [`PREFIX`] and their values, as a member has them with its quorum.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn members(&self, by: usize) -> Result<Vec<(String, String)>> {
        let response =
            self.client(by).await?.get(PREFIX, Some(GetOptions::new().with_prefix())).await?;
        let pairs = response.kvs().iter();
        pairs
            .map(|pair| {
                Ok((pair.key_str()?[PREFIX.len()..].to_owned(), pair.value_str()?.to_owned()))
            })
            .collect()
    }

    /// Forgets all revisions before the present one.
    ///
    /// # Errors
    ///
    /// Those of etcd.
    pub async fn compact(&self, by: usize) -> Result<()> {
        let client = self.client(by).await?;
        let response =
            client.kv_client().get("/", Some(GetOptions::new().with_count_only())).await?;
        let revision = response.header().ok_or("no header")?.revision();
        client.kv_client().compact(revision, None).await?;
        Ok(())
    }
}
