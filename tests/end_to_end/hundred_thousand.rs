//! A hundred thousand keys below one prefix, and ten thousand changes a second: the last state
//! wins, and no event loop stops for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::*;
use tokio_util::sync::CancellationToken;

const KEYS: usize = 100_000;
/// More than twice what the peers take.
const ZONE: &str = "zone=64m";
const CHANGES_PER_SECOND: usize = 10_000;
const SECONDS: usize = 10;
/// Each second's changes are written by so many at once, as etcd answers one transaction at a time
/// to each.
const WRITERS: usize = 4;
/// What a list, a table and a status of this size may take on a busy machine.
const LONG: Duration = Duration::from_secs(120);
/// The longest that an event loop may be busy with anything but requests.
const PAUSE: Duration = Duration::from_millis(5);

fn name(number: usize) -> String {
    format!("peer-{number:06}")
}

/// The longest times of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    /// Until an answer.
    answer: Duration,
    /// That the event loop was busy from one answer to the next.
    busy: Duration,
    answers: usize,
}

/// Asks without pause on a connection to one worker; gives the longest times of each second.
async fn ask(
    mut connection: Connection,
    worker: i32,
    stop: CancellationToken,
) -> Result<Vec<Longest>> {
    let mut seconds = vec![Longest::default()];
    let mut began = Instant::now();
    let mut busy = processor_time(worker)?;
    while !stop.is_cancelled() {
        if began.elapsed() >= Duration::from_secs(1) {
            began = Instant::now();
            seconds.push(Longest::default());
        }
        let asked = Instant::now();
        let answer = connection.get("/still-there").await?;
        ensure!(answer.status == 204, "status {}", answer.status);
        let now = processor_time(worker)?;
        let longest = seconds.last_mut().ok_or("no second")?;
        longest.answer = longest.answer.max(asked.elapsed());
        longest.busy = longest.busy.max(now.saturating_sub(busy));
        longest.answers += 1;
        busy = now;
    }
    Ok(seconds)
}

/// Waits until a worker balances by this revision. The status of so many peers would itself be a
/// pause.
async fn applied(nginx: &Nginx, revision: i64) -> Result<()> {
    let mut connection = nginx.connect().await?;
    eventually(LONG, &format!("revision {revision} is applied"), async || {
        let now = connection.get("/").await?.revision();
        ensure!(now >= revision, "{now}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_thousand_peers_are_followed_through_a_flood_of_changes() -> Result<()> {
    let etcd = Etcd::start().await?;
    let nodes = start_nodes(2).await?;
    let addresses: Vec<_> = nodes.iter().map(|node| node.address().to_string()).collect();
    let mut model: BTreeMap<String, String> =
        (0..KEYS).map(|number| (name(number), addresses[0].clone())).collect();
    let written = Instant::now();
    let revision =
        etcd.put_all(model.iter().map(|(name, value)| (key(name), value.clone()))).await?;
    println!("{KEYS} keys written in {:?}", written.elapsed());

    let started = Instant::now();
    let nginx = Nginx::start(
        Configuration::new()
            .workers(2)
            .http(&cluster("main", &etcd.url()))
            .http(&upstream(ZONE, ""))
            .server("location = /still-there { return 204; }"),
    )
    .await?;
    applied(&nginx, revision).await?;
    println!("listed and published {:?} after nginx's start", started.elapsed());

    // Before anything is measured.
    let before =
        eventually(LONG, "the status of all peers", async || nginx.upstream().await).await?;
    let stop = CancellationToken::new();
    let mut askers = Vec::new();
    for worker in nginx.workers()? {
        askers.push((
            worker,
            tokio::spawn(ask(nginx.connect_to(worker).await?, worker, stop.clone())),
        ));
    }
    let flood = Instant::now();
    let mut last = 0;
    for second in 0..SECONDS {
        // A tenth of the keys, others in each second; each third one goes, or comes back, the
        // others alternate between the nodes.
        let numbers = (0..CHANGES_PER_SECOND).map(|number| (number * SECONDS + second) % KEYS);
        let changes: Vec<_> = numbers
            .map(|number| {
                let name = name(number);
                let value = match (number / SECONDS) % 3 {
                    0 if model.contains_key(&name) => None,
                    0 => Some(addresses[0].clone()),
                    _ => Some(addresses[(second + number + 1) % 2].clone()),
                };
                (name, value)
            })
            .collect();
        for (name, value) in &changes {
            match value {
                Some(value) => model.insert(name.clone(), value.clone()),
                None => model.remove(name),
            };
        }
        let share = CHANGES_PER_SECOND.div_ceil(WRITERS);
        let writes = changes.chunks(share).map(|changes| {
            etcd.change_all(changes.iter().map(|(name, value)| (key(name), value.clone())))
        });
        for revision in futures_util::future::try_join_all(writes).await? {
            last = last.max(revision);
        }
        // No faster than that: what is written in bursts is published in fewer tables.
        tokio::time::sleep_until((flood + Duration::from_secs(second as u64 + 1)).into()).await;
    }
    let took = flood.elapsed();
    println!(
        "{} changes in {took:?}: {:.0} a second",
        SECONDS * CHANGES_PER_SECOND,
        (SECONDS * CHANGES_PER_SECOND) as f64 / took.as_secs_f64()
    );
    let written = Instant::now();
    applied(&nginx, last).await?;
    println!("the last one is applied {:?} after it was written", written.elapsed());
    stop.cancel();

    for (worker, asker) in askers {
        let seconds = asker.await??;
        for longest in &seconds {
            println!("worker {worker}: {longest:?}");
        }
        // The time that a loop is busy knows of no others who have the processor; but what the
        // machine itself stops for counts to whoever runs. What the module does, it does in each
        // second.
        let mut longest: Vec<_> = seconds.iter().map(|longest| longest.busy).collect();
        longest.sort_unstable();
        let median = longest[longest.len() / 2];
        println!(
            "worker {worker}: busy for {:?} at a time at most, {median:?} in half of the seconds",
            longest.last()
        );
        assert!(median < PAUSE, "an event loop was busy for {longest:?} at a time");
    }

    let upstream =
        eventually(LONG, "the status of all peers", async || nginx.upstream().await).await?;
    println!(
        "{} tables for {} changes",
        upstream.generation - before.generation,
        SECONDS * CHANGES_PER_SECOND
    );
    println!("{} bytes of the zone for a peer", upstream.zone.used / model.len() as u64);
    let peers = upstream.peers.iter().filter(|peer| peer.state != "removed");
    let peers: BTreeMap<_, _> =
        peers.filter_map(|peer| Some((peer.key.clone()?, peer.address.clone()))).collect();
    assert!(peers == model, "{} peers, {} in the model", peers.len(), model.len());
    assert!(!upstream.zone.full);
    nginx.check_log()
}
