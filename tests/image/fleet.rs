//! `compose.yaml`: the fleet starts, and a client that turns to the other router sees nothing of
//! what is killed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::*;

use crate::CONTAINER;

/// How long the fleet may take to start on a machine that does other things as well.
const FLEET: Duration = Duration::from_secs(120);

/// A client with two routers: what one does not answer, the other has to.
async fn ask(routers: &[String; 2], first: usize) -> Result<(u16, String)> {
    let mut last = String::new();
    for turn in 0..2 {
        match get(&routers[(first + turn) % 2], "/").await {
            Ok(answer) if answer.status == 200 => {
                return Ok((answer.status, answer.node().to_owned()));
            }
            Ok(answer) => last = format!("status {}", answer.status),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last.into())
}

/// Waits until exactly so many nodes answer.
async fn answered_by(routers: &[String; 2], count: usize) -> Result<()> {
    for router in routers {
        eventually(FLEET, &format!("{count} nodes answer through {router}"), async || {
            let mut nodes = BTreeSet::new();
            for _ in 0..4 * count {
                let answer = get(router, "/").await?;
                ensure!(answer.status == 200, "{}", answer.status);
                nodes.insert(answer.node().to_owned());
            }
            ensure!(nodes.len() == count, "{nodes:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_each_is_killed_and_no_client_sees_it() -> Result<()> {
    let ports = [free_port()?.to_string(), free_port()?.to_string()];
    let compose = Compose::new(&[
        ("ETCD_IMAGE", &image("TEST_ETCD_IMAGE")?),
        ("ROUTER_IMAGE", &image("TEST_IMAGE")?),
        ("NODE_IMAGE", &image("TEST_NODE_IMAGE")?),
        ("ROUTER_0_PORT", &ports[0]),
        ("ROUTER_1_PORT", &ports[1]),
    ]);
    compose.run(&["up", "-d", "--scale", "node=3"])?;
    let routers = ports.map(|port| format!("127.0.0.1:{port}"));
    answered_by(&routers, 3).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|first| {
            let (stop, routers) = (Arc::clone(&stop), routers.clone());
            tokio::spawn(async move {
                let (mut asked, mut failures) = (0_u64, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    asked += 1;
                    if let Err(error) = ask(&routers, first).await {
                        failures.push(error.to_string());
                    }
                    // Some hundred a second are enough: the machine has to run the fleet as well.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                (asked, failures)
            })
        })
        .collect();

    // A member of etcd's.
    docker(&["kill", &compose.containers("etcd-1")?[0]])?;
    answered_by(&routers, 3).await?;
    // A node is added, which both routers hear of from the two members that are left.
    compose.run(&["up", "-d", "--no-recreate", "--scale", "node=4"])?;
    answered_by(&routers, 4).await?;
    // A node ends in order: nobody is sent there any more before it is gone.
    let nodes = compose.containers("node")?;
    docker(&["stop", &nodes[0]])?;
    answered_by(&routers, 3).await?;
    // A router.
    let router = compose.containers("router-0")?;
    docker(&["kill", &router[0]])?;
    eventually(CONTAINER, "one router is gone", async || {
        ensure!(get(&routers[0], "/").await.is_err(), "it answers");
        Ok(())
    })
    .await?;
    docker(&["start", &router[0]])?;
    answered_by(&routers, 3).await?;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let (asked, failures) = client.await?;
        println!("{asked} requests, {} failed", failures.len());
        assert!(
            failures.is_empty() && asked > 100,
            "{} of {asked} failed: {:?}",
            failures.len(),
            failures.first()
        );
    }

    // A node is killed with its announcer: what was with it fails, and nobody is sent there once
    // its time is over.
    let nodes = compose.containers("node")?;
    docker(&["kill", &nodes[0]])?;
    answered_by(&routers, 2).await?;
    // And comes back by itself where Docker starts it again.
    docker(&["start", &nodes[0]])?;
    answered_by(&routers, 3).await
}
