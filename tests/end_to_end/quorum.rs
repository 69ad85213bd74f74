//! An etcd of three members that loses one of them, or its quorum: no request fails, and the list
//! is right again within seconds.

use std::time::{Duration, Instant};

use harness::*;

/// The promise: so long after the quorum agrees, the router has its list.
const PROMISE: Duration = Duration::from_secs(5);
/// What three members of etcd, nginx and a load may add to it, which share the processors.
const SLACK: Duration = Duration::from_secs(4);
/// How long the members may take to agree, and nginx to follow, on a machine that is busy.
const AGREED: Duration = Duration::from_secs(60);
/// How long the quorum is lost.
const LOST: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Killed,
    Paused,
    CutOff,
}

struct Setting {
    nginx: Nginx,
    nodes: Vec<Node>,
    etcd: EtcdCluster,
    changes: usize,
}

impl Setting {
    async fn start() -> Result<Self> {
        let etcd = EtcdCluster::start().await?;
        let nodes = start_nodes(3).await?;
        eventually(AGREED, "the members take the nodes", async || etcd.register(0, &nodes).await)
            .await?;
        let nginx = Nginx::start(
            Configuration::new()
                .workers(2)
                .http(&cluster("main", &etcd.urls().join(" ")))
                .http(&upstream("", "")),
        )
        .await?;
        let setting = Self { nginx, nodes, etcd, changes: 0 };
        setting.is_exact(0, SOON).await?;
        Ok(setting)
    }

    /// The member that nginx follows.
    async fn followed(&self) -> Result<usize> {
        let url = self.nginx.upstream().await?.endpoint.ok_or("no endpoint")?;
        self.etcd.member_of(&url).ok_or_else(|| format!("no member has {url}").into())
    }

    /// Waits until nginx has what the quorum has, as a member says it.
    async fn is_exact(&self, by: usize, deadline: Duration) -> Result<()> {
        eventually(deadline, "nginx has what etcd has", async || {
            let (members, upstream) = (self.etcd.members(by).await?, self.nginx.upstream().await?);
            let peers = upstream.peers.iter().filter(|peer| peer.state != "removed");
            let peers: Vec<_> =
                peers.filter_map(|peer| Some((peer.key.clone()?, peer.address.clone()))).collect();
            ensure!(peers == members, "{peers:?} of {members:?}, trouble: {:?}", upstream.trouble);
            Ok(())
        })
        .await
    }

    async fn strike(&mut self, fault: Fault, member: usize) -> Result<()> {
        match fault {
            Fault::Killed => self.etcd.kill(member).await,
            Fault::Paused => self.etcd.pause(member),
            Fault::CutOff => {
                self.etcd.cut_off(member);
                Ok(())
            }
        }
    }

    async fn mend(&mut self, fault: Fault, member: usize) -> Result<()> {
        match fault {
            Fault::Killed => self.etcd.restart(member)?,
            Fault::Paused => self.etcd.resume(member)?,
            Fault::CutOff => self.etcd.heal(member),
        }
        self.etcd.answers(member).await
    }

    /// Writes through whichever of these members accepts it, which is the moment at which the
    /// quorum agrees: what is measured begins there. No change is like one before.
    async fn change(&mut self, by: &[usize]) -> Result<Stopwatch> {
        self.changes += 1;
        let number = self.changes;
        eventually(AGREED, "the quorum accepts a change", async || {
            let mut last = None;
            for &member in by {
                let address = self.nodes[number % self.nodes.len()].address().to_string();
                let done = if number.is_multiple_of(3) {
                    self.etcd.delete(member, &key(&format!("change-{}", number - 1))).await
                } else {
                    self.etcd.put(member, &key(&format!("change-{number}")), &address).await
                };
                match done {
                    Ok(_) => return Ok(Stopwatch::start()),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| "no members".into()))
        })
        .await
    }

    /// Makes a change through one of these members, and waits until nginx has it, which must not
    /// take longer than promised. Returns how long it took.
    async fn is_followed(&mut self, by: &[usize]) -> Result<Duration> {
        let agreed = self.change(by).await?;
        self.is_exact(by[0], AGREED).await?;
        let took = agreed.elapsed();
        ensure!(took < PROMISE + SLACK, "{took:?} of {:?}", agreed.passed());
        Ok(took)
    }
}

/// Each member in turn is lost while nginx follows it; the first of them leads.
async fn each_in_turn(fault: Fault) -> Result<()> {
    let mut setting = Setting::start().await?;
    let load = Load::start(&setting.nginx.address(), "/", Clients::Fresh, 2);
    for round in 0..MEMBERS {
        let victim = setting.followed().await?;
        if round == 0 {
            eventually(AGREED, "the member leads", async || setting.etcd.make_leader(victim).await)
                .await?;
        }
        let others: Vec<_> = (0..MEMBERS).filter(|&member| member != victim).collect();
        setting.strike(fault, victim).await?;
        let took = setting.is_followed(&others).await?;
        println!("{fault:?}, round {round}: nginx has the list {took:?} after the quorum agrees");
        // What was under way may still have come through; the member is left all the same.
        let seen = Stopwatch::start();
        eventually(AGREED, "nginx follows another member", async || {
            let followed = setting.followed().await?;
            ensure!(followed != victim && setting.nginx.upstream().await?.connected, "{followed}");
            Ok(())
        })
        .await?;
        assert!(seen.elapsed() < PROMISE + SLACK, "{seen:?}: {:?}", seen.elapsed());
        setting.mend(fault, victim).await?;
        setting.is_followed(&[victim]).await?;
    }
    load.stop().await?.without_failure()?;
    setting.nginx.check_log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_members_cost_no_request_and_little_time() -> Result<()> {
    each_in_turn(Fault::Killed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_members_cost_no_request_and_little_time() -> Result<()> {
    each_in_turn(Fault::Paused).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_cut_off_cost_no_request_and_little_time() -> Result<()> {
    each_in_turn(Fault::CutOff).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_quorum_costs_no_request_and_the_list_is_right_after_it() -> Result<()> {
    let mut setting = Setting::start().await?;
    let load = Load::start(&setting.nginx.address(), "/", Clients::Fresh, 1);
    let before = setting.nginx.upstream().await?;
    let followed = setting.followed().await?;
    let lost: Vec<_> = (0..MEMBERS).filter(|&member| member != followed).collect();
    for &member in &lost {
        setting.strike(Fault::Paused, member).await?;
    }
    let began = Instant::now();
    let trouble = eventually(SOON, "the loss is noticed", async || {
        Ok(setting.nginx.upstream().await?.trouble.ok_or("no trouble yet")?)
    })
    .await?;
    println!("noticed after {:?}: {trouble}", began.elapsed());
    while began.elapsed() < LOST {
        let upstream = setting.nginx.upstream().await?;
        assert_eq!(upstream.keys(), before.keys());
        assert!(!upstream.connected);
        assert_eq!(setting.nginx.get("/").await?.status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Once when it began, and once for each other kind of trouble, however many attempts there
    // were.
    let lines = setting.nginx.log_lines("cannot watch");
    assert!(lines.len() <= 3, "{lines:?}");
    for &member in &lost {
        setting.mend(Fault::Paused, member).await?;
    }
    let took = setting.is_followed(&[0, 1, 2]).await?;
    println!("nginx has the list {took:?} after the quorum agrees again");
    load.stop().await?.without_failure()?;
    setting.nginx.check_log()
}
