//! Requests while the membership changes all the time.

use std::time::{Duration, Instant};

use harness::*;

const TIME: Duration = Duration::from_secs(20);
/// When so many changes take longer, something is wrong with more than the machine.
const LONGEST: Duration = Duration::from_secs(90);
const CHANGES_PER_SECOND: u32 = 100;
const NODES: usize = 20;

/// Nodes that stay in the list: somebody has to be there.
const RESIDENTS: usize = 4;
/// Those who make the changes, each at its nodes: so that the rate holds where a write to the disk
/// takes long.
const CHANGERS: usize = 4;

/// Which change is made to a node that comes and goes; after four of them it is as it was.
async fn change(router: &Router, changer: usize, step: usize) -> Result<()> {
    let (etcd, nodes) = (&router.etcd, &router.nodes);
    let visitors: Vec<_> =
        (RESIDENTS..NODES).filter(|number| number % CHANGERS == changer).collect();
    let number = visitors[step / 4 % visitors.len()];
    let (name, address) = (key(nodes[number].name()), nodes[number].address());
    match step % 4 {
        0 => etcd.delete(&name).await?,
        1 => etcd.put(name, address.to_string()).await?,
        2 => etcd.put(name, format!("{} weight=3", nodes[(number + 1) % NODES].address())).await?,
        _ => etcd.put(name, address.to_string()).await?,
    };
    Ok(())
}

/// Makes this changer's share of the changes, evenly over the time, or for as long as a busy
/// machine needs for them; gives how many there were.
async fn changes(router: &Router, changer: usize) -> Result<usize> {
    let share = TIME.as_secs() as usize * CHANGES_PER_SECOND as usize / CHANGERS;
    let (start, mut step) = (Instant::now(), 0);
    let every = Duration::from_secs(CHANGERS as u64) / CHANGES_PER_SECOND;
    // They take turns.
    let first = tokio::time::Instant::now() + every * changer as u32 / CHANGERS as u32;
    let mut tick = tokio::time::interval_at(first, every);
    while start.elapsed() < TIME || step < share || step % 4 != 0 {
        ensure!(start.elapsed() < LONGEST, "{step} changes in {:?}", start.elapsed());
        tick.tick().await;
        change(router, changer, step).await?;
        step += 1;
    }
    Ok(step)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_members_change_a_hundred_times_a_second() -> Result<()> {
    let router = Router::with(NODES, |etcd| {
        Configuration::firehose(etcd)
            .http(&format!("upstream kept {{ etcd main {PREFIX}; keepalive 32; }}"))
            .server(
                "location /kept { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header \
                 Connection ''; }",
            )
    })
    .await?;
    let nginx = &router.nginx;
    let before = nginx.upstream().await?;
    eventually(SOON, "the other upstream has them, too", async || {
        let kept = nginx.status().await?.upstreams.remove("kept").ok_or("not in the status")?;
        ensure!(kept.peers.len() == NODES, "{} peers", kept.peers.len());
        Ok(())
    })
    .await?;
    let mut loads = Vec::new();
    for path in ["/", "/kept"] {
        for clients in [Clients::Fresh, Clients::KeepAlive] {
            loads.push((path, clients, Load::start(&nginx.address(), path, clients, 2)));
        }
    }

    let (a, b, c, d) = tokio::try_join!(
        changes(&router, 0),
        changes(&router, 1),
        changes(&router, 2),
        changes(&router, 3)
    )?;
    let made = a + b + c + d;
    let wanted = (TIME.as_secs() * u64::from(CHANGES_PER_SECOND)) as usize;
    assert!(made >= wanted, "{made} changes, of {wanted}");

    for (path, clients, load) in loads {
        let report = load.stop().await?;
        println!("{path}, {clients:?}: {} answered, nodes {:?}", report.answered, report.nodes);
        report.without_failure().map_err(|error| format!("{path}, {clients:?}: {error}"))?;
        assert_eq!(report.nodes.len(), NODES, "{path}, {clients:?}: every node served");
        // A client that keeps its connection keeps its worker.
        assert!(
            report.workers.len() == 2 || clients == Clients::KeepAlive,
            "{path}: every worker served new connections, {:?}",
            report.workers
        );
    }
    let after = router.settled().await?;
    let generations = after.generation - before.generation;
    assert!(generations as usize >= made / 4, "{generations} generations for {made} changes");
    nginx.check_log()
}
