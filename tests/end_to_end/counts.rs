//! Open connections as they are counted, beside what the nodes themselves have: through everything
//! that can happen, in any order.

use std::collections::BTreeMap;

use harness::*;
use nix::sys::signal::Signal;
use tokio::task::JoinHandle;

use crate::random::Random;

const WORKERS: usize = 2;
const NODES: usize = 5;
const STEPS: usize = 600;
/// Steps between two comparisons.
const STRETCH: usize = 8;
/// Sessions and polls that are held at the same time, at most.
const MOST: usize = 60;
/// Old generations of workers that there may be; more of them than have columns of their own would
/// leave behind what a killed one had.
const RELOADS: usize = 5;
/// Longer than the test takes.
const POLL: &str = "/poll?ms=120000";

/// Connections to one node: all, and those that are upgraded.
type Open = (u64, u64);

/// A fleet, and what is held open to it.
struct World {
    random: Random,
    router: Router,
    /// Which nodes are in service, and which are listed at all.
    serving: [bool; NODES],
    listed: [bool; NODES],
    sessions: Vec<Session>,
    polls: Vec<JoinHandle<Result<Answer>>>,
    reloads: usize,
    done: BTreeMap<&'static str, usize>,
}

impl World {
    async fn start(directives: &str) -> Result<Self> {
        let random = Random::from_environment();
        let router = Router::with(NODES, |etcd| {
            Configuration::new()
                .workers(WORKERS)
                .http(&cluster("main", &etcd.url()))
                .http(&upstream("zone=1m", directives))
        })
        .await?;
        Ok(Self {
            random,
            router,
            serving: [true; NODES],
            listed: [true; NODES],
            sessions: Vec::new(),
            polls: Vec::new(),
            reloads: 0,
            done: BTreeMap::new(),
        })
    }

    /// What the nodes say.
    fn truth(&self) -> BTreeMap<String, Open> {
        let counts = self.router.nodes.iter().map(|node| (node.name().to_owned(), node.counts()));
        counts.map(|(name, it)| (name, (it.websockets + it.plain_open, it.websockets))).collect()
    }

    /// What the status says.
    async fn counted(&self) -> Result<BTreeMap<String, Open>> {
        let mut counted: BTreeMap<String, Open> =
            self.router.nodes.iter().map(|node| (node.name().to_owned(), (0, 0))).collect();
        for peer in self.router.nginx.upstream().await?.peers {
            let (all, upgraded) =
                counted.entry(peer.key.ok_or("a peer without a key")?).or_default();
            *all += peer.connections;
            *upgraded += peer.upgraded;
        }
        Ok(counted)
    }

    /// Both say the same, and it is what is held here.
    async fn compare(&mut self) -> Result<()> {
        eventually(SOON * 2, "the status and the nodes agree", async || {
            self.sessions.retain(Session::is_open);
            self.polls.retain(|poll| !poll.is_finished());
            let (truth, counted) = (self.truth(), self.counted().await?);
            ensure!(truth == counted, "the nodes have {truth:?}, counted are {counted:?}");
            let upgraded: u64 = truth.values().map(|open| open.1).sum();
            let all: u64 = truth.values().map(|open| open.0).sum();
            let held = (self.sessions.len() + self.polls.len(), self.sessions.len());
            ensure!(
                (all, upgraded) == (held.0 as u64, held.1 as u64),
                "{all} and {upgraded}, held {held:?}"
            );
            Ok(())
        })
        .await
    }

    async fn step(&mut self) -> Result<()> {
        let held = self.sessions.len() + self.polls.len();
        let what = match self.random.below(100) {
            0..30 if held < MOST => self.open().await?,
            30..50 if held < MOST => {
                let address = self.router.nginx.address();
                self.polls.push(tokio::spawn(async move { get(&address, POLL).await }));
                "poll"
            }
            50..65 if !self.sessions.is_empty() => {
                let index = self.random.below(self.sessions.len() as u64) as usize;
                let session = self.sessions.swap_remove(index);
                if self.random.one_in(2) && session.is_open() {
                    // What a drain or a worker's death ends just now cannot be closed in order.
                    let _ = session.close().await;
                    "close"
                } else {
                    drop(session);
                    "drop"
                }
            }
            65..75 if !self.polls.is_empty() => {
                let index = self.random.below(self.polls.len() as u64) as usize;
                self.polls.swap_remove(index).abort();
                "abort"
            }
            75..93 => self.change().await?,
            93..96 if self.reloads < RELOADS => {
                self.reloads += 1;
                self.router.nginx.reload().await?;
                "reload"
            }
            96..100 => self.kill().await?,
            _ => "nothing",
        };
        *self.done.entry(what).or_default() += 1;
        Ok(())
    }

    async fn open(&mut self) -> Result<&'static str> {
        // A worker that is killed meanwhile, or a node that has just left, is a reason to try
        // again.
        let session = eventually(SOON, "a session", async || {
            Session::open(&self.router.nginx.address(), "/ws").await
        })
        .await?;
        self.sessions.push(session);
        Ok("session")
    }

    /// A node's key is removed, or its value is another one.
    async fn change(&mut self) -> Result<&'static str> {
        let index = self.random.below(NODES as u64) as usize;
        let node = &self.router.nodes[index];
        let others = (0..NODES).filter(|&other| other != index && self.serving[other]).count();
        let (name, address) = (key(node.name()), node.address().to_string());
        let (serves, what) = match self.random.below(4) {
            0 if others > 0 && self.listed[index] => {
                self.router.etcd.delete(&name).await?;
                (false, "remove")
            }
            1 if others > 0 => {
                self.router.etcd.put(name, format!("{address} drain")).await?;
                (false, "drain")
            }
            2 => {
                let weight = 1 + self.random.below(3);
                self.router.etcd.put(name, format!("{address} weight={weight}")).await?;
                (true, "weight")
            }
            _ => {
                self.router.etcd.put(name, address).await?;
                (true, "put")
            }
        };
        self.serving[index] = serves;
        self.listed[index] = what != "remove";
        Ok(what)
    }

    /// A worker, new or old, is killed with all that it holds.
    async fn kill(&mut self) -> Result<&'static str> {
        let nginx = &self.router.nginx;
        let mut workers = nginx.workers()?;
        let all: Vec<i32> = workers.iter().copied().chain(nginx.old_workers()?).collect();
        let victim = all[self.random.below(all.len() as u64) as usize];
        if let Err(error) = signal(victim, Signal::SIGKILL) {
            // An old worker may have ended by itself meanwhile.
            ensure!(!running(victim), "{error}");
        }
        eventually(SOON, "another worker in its place", async || {
            workers = nginx.workers()?;
            ensure!(!workers.contains(&victim) && workers.len() == WORKERS, "{workers:?}");
            Ok(())
        })
        .await?;
        Ok("kill")
    }
}

async fn run(directives: &str) -> Result<()> {
    let mut world = World::start(directives).await?;
    for step in 0..STEPS {
        world.step().await?;
        if step % STRETCH == STRETCH - 1 {
            world
                .compare()
                .await
                .map_err(|error| format!("after step {step} ({:?}): {error}", world.done))?;
        }
    }
    println!("{:?}", world.done);
    world.sessions.clear();
    world.polls.drain(..).for_each(|poll| poll.abort());
    world.compare().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_what_the_nodes_have_whatever_happens() -> Result<()> {
    run("").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_what_the_nodes_have_with_drains() -> Result<()> {
    run("etcd_drain timeout=0 spread=200ms;").await
}
