//! Everything that can go wrong, at random, for as long as one likes: `SOAK_SECONDS`.

use std::collections::BTreeMap;
use std::fs::read_dir;
use std::time::{Duration, Instant};

use harness::*;
use nix::sys::signal::Signal;

use crate::random::Random;

/// How long it takes where nothing is said: long enough for each fault to have come.
const SECONDS: u64 = 40;
const WORKERS: usize = 2;
const CLIENTS: usize = 2;
const NODES: usize = 4;
/// Faults between two checkpoints, at which all of them are mended and everything is compared.
const STRETCH: usize = 6;
/// Keys of a flood.
const FLOOD: usize = 500;
/// By how much a worker's memory may be more than at the first checkpoint: what the allocator
/// keeps, and what a list of a flood takes.
const MEMORY: u64 = 8 << 20;
/// By how many descriptors a worker may have more: connections of the load, of checks, and to etcd.
const DESCRIPTORS: usize = 40;

struct World {
    random: Random,
    etcd: EtcdCluster,
    nginx: Nginx,
    nodes: Vec<Node>,
    model: BTreeMap<String, String>,
    /// Members that are halted, killed and cut off.
    paused: Option<usize>,
    killed: Option<usize>,
    cut_off: Option<usize>,
    /// Workers that were killed, each of which takes the requests under way with it.
    dead_workers: usize,
    done: BTreeMap<&'static str, usize>,
}

impl World {
    async fn start() -> Result<Self> {
        let random = Random::from_environment();
        let etcd = EtcdCluster::start().await?;
        let nodes = start_nodes(NODES).await?;
        etcd.register(0, &nodes).await?;
        let nginx = Nginx::start(
            Configuration::new()
                .workers(WORKERS)
                .http(&cluster("main", &etcd.urls().join(" ")))
                .http(&upstream("zone=2m", "etcd_check http uri=/ interval=300ms timeout=5s;")),
        )
        .await?;
        let model =
            nodes.iter().map(|node| (node.name().to_owned(), node.address().to_string())).collect();
        let (paused, killed, cut_off) = (None, None, None);
        let done = BTreeMap::new();
        Ok(Self {
            random,
            etcd,
            nginx,
            nodes,
            model,
            paused,
            killed,
            cut_off,
            dead_workers: 0,
            done,
        })
    }

    /// A member that nothing is wrong with.
    fn sound(&self) -> usize {
        let struck = [self.paused, self.killed, self.cut_off];
        (0..MEMBERS).find(|&member| !struck.contains(&Some(member))).unwrap_or_default()
    }

    fn is_struck(&self) -> bool {
        [self.paused, self.killed, self.cut_off].iter().any(Option::is_some)
    }

    async fn put(&mut self, name: &str, value: &str) -> Result<()> {
        let by = self.sound();
        eventually(SOON, "etcd takes a key", async || self.etcd.put(by, &key(name), value).await)
            .await?;
        Ok(())
    }

    async fn delete(&mut self, name: &str) -> Result<()> {
        let by = self.sound();
        eventually(SOON, "etcd deletes a key", async || self.etcd.delete(by, &key(name)).await)
            .await?;
        Ok(())
    }

    async fn step(&mut self) -> Result<()> {
        let victim = self.random.below(MEMBERS as u64) as usize;
        let what = match self.random.below(14) {
            // One member at a time, so that there is a quorum.
            0 if !self.is_struck() => {
                self.etcd.kill(victim).await?;
                self.killed = Some(victim);
                "member killed"
            }
            1 if !self.is_struck() => {
                self.etcd.pause(victim)?;
                self.paused = Some(victim);
                "member paused"
            }
            2 if !self.is_struck() => {
                self.etcd.cut_off(victim);
                self.cut_off = Some(victim);
                "member cut off"
            }
            3 => {
                self.mend().await?;
                "members mended"
            }
            4 => {
                let by = self.sound();
                let _ = self.etcd.compact(by).await;
                "compaction"
            }
            5 if self.random.one_in(2) => {
                self.mend().await?;
                self.etcd.replace().await?;
                // Nobody is there any more, and everybody stays until somebody is.
                assert_eq!(self.nginx.get("/").await?.status, 200);
                let model = std::mem::take(&mut self.model);
                for (name, value) in model {
                    self.put(&name, &value).await?;
                    self.model.insert(name, value);
                }
                "etcd replaced"
            }
            6 => {
                let watcher = self.nginx.watcher().await?;
                signal(watcher, Signal::SIGKILL)?;
                self.dead_workers += 1;
                self.workers_are_back().await?;
                "watcher killed"
            }
            7 => {
                let workers = self.nginx.workers()?;
                signal(workers[self.random.below(workers.len() as u64) as usize], Signal::SIGKILL)?;
                self.dead_workers += 1;
                self.workers_are_back().await?;
                "worker killed"
            }
            8 => {
                self.nginx.reload().await?;
                "reload"
            }
            9 => {
                // Another node in the place of the old one, which dies first: requests go to others
                // meanwhile.
                let number = 1 + self.random.below(NODES as u64 - 1) as usize;
                let name = self.nodes[number].name().to_owned();
                drop(self.nodes.remove(number));
                let node = Node::start(&name).await?;
                self.nodes.insert(number, node);
                let address = self.nodes[number].address().to_string();
                self.put(&name, &address).await?;
                self.model.insert(name, address);
                "node replaced"
            }
            10 => {
                let (first, second) =
                    (self.nodes[0].address().to_string(), self.nodes[1].address().to_string());
                for number in 0..FLOOD / 10 {
                    let value = if number % 2 == 0 { &first } else { &second };
                    let name = format!("flood-{}", number % 20);
                    self.put(&name, value).await?;
                    self.model.insert(name, value.clone());
                }
                "flood"
            }
            11 => {
                let names: Vec<_> =
                    self.model.keys().filter(|name| name.starts_with("flood-")).cloned().collect();
                for name in names {
                    self.delete(&name).await?;
                    self.model.remove(&name);
                }
                "flood deleted"
            }
            12 => {
                // A key that was good keeps its last good peer.
                self.put("n0", "\u{1b}[31m nonsense\n").await?;
                self.put("nonsense", "{\"addr\":").await?;
                "nonsense"
            }
            _ => {
                let address = self.nodes[0].address().to_string();
                self.put("n0", &address).await?;
                "the same again"
            }
        };
        *self.done.entry(what).or_default() += 1;
        Ok(())
    }

    async fn workers_are_back(&self) -> Result<()> {
        eventually(SOON, "all workers are there", async || {
            let workers = self.nginx.workers()?;
            ensure!(workers.len() == WORKERS, "{workers:?}");
            Ok(())
        })
        .await
    }

    async fn mend(&mut self) -> Result<()> {
        if let Some(member) = self.killed.take() {
            self.etcd.restart(member)?;
        }
        if let Some(member) = self.paused.take() {
            self.etcd.resume(member)?;
        }
        if let Some(member) = self.cut_off.take() {
            self.etcd.heal(member);
        }
        for member in 0..MEMBERS {
            self.etcd.answers(member).await?;
        }
        Ok(())
    }

    /// Mends everything, and compares.
    async fn check(&mut self) -> Result<()> {
        self.mend().await?;
        let address = self.nodes[0].address().to_string();
        self.put("n0", &address).await?;
        eventually(SOON, "nginx has what the model has", async || {
            let upstream = self.nginx.upstream().await?;
            let peers = upstream.peers.iter().filter(|peer| peer.state != "removed");
            let peers: BTreeMap<_, _> =
                peers.filter_map(|peer| Some((peer.key.clone()?, peer.address.clone()))).collect();
            ensure!(
                upstream.connected && peers == self.model,
                "{peers:?} of {:?}, trouble {:?}",
                self.model,
                upstream.trouble
            );
            Ok(())
        })
        .await
    }

    /// The largest of the workers' memory and descriptors.
    async fn taken(&self) -> Result<(u64, usize)> {
        let mut most = (0, 0);
        for worker in self.nginx.workers()? {
            let descriptors = read_dir(format!("/proc/{worker}/fd"))?.count();
            most = (most.0.max(memory(worker)?), most.1.max(descriptors));
        }
        Ok(most)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_fail_no_request_and_the_list_is_right() -> Result<()> {
    let seconds =
        std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let mut world = World::start().await?;
    world.check().await?;
    let first = world.taken().await?;
    let load = Load::start(&world.nginx.address(), "/", Clients::Fresh, CLIENTS);
    let began = Instant::now();
    let mut checkpoints = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        for _ in 0..STRETCH {
            world.step().await?;
        }
        world.check().await.map_err(|error| format!("{error}; done: {:?}", world.done))?;
        checkpoints += 1;
    }
    let report = load.stop().await?;
    let last = world.taken().await?;
    println!("{checkpoints} checkpoints, {} requests; done: {:?}", report.answered, world.done);
    println!(
        "{} requests failed with {} workers killed",
        report.failures.len(),
        world.dead_workers
    );
    println!("a worker's memory and descriptors: {first:?} at first, {last:?} at last");
    // A killed worker takes the one request with it that each client had under way there.
    assert!(
        report.failures.len() <= CLIENTS * world.dead_workers,
        "{} dead workers, failures: {:?}",
        world.dead_workers,
        report.failures
    );
    assert!(last.0 <= first.0 + MEMORY, "memory: {first:?}, {last:?}");
    assert!(last.1 <= first.1 + DESCRIPTORS, "descriptors: {first:?}, {last:?}");
    Ok(())
}
