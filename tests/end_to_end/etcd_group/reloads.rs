//! Reloads: with the same groups, with others, and without.

use std::fs;

use harness::*;

use super::{SERVICES, configuration, names, served, start};

/// How many mappings of shared memory a process has.
fn mappings(process: i32) -> Result<usize> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    Ok(maps.lines().filter(|line| line.contains("/dev/zero")).count())
}

fn plain(etcd: &Etcd) -> Configuration {
    Configuration::new()
        .workers(2)
        .http(&cluster("main", &etcd.url()))
        .http(&format!("upstream {UPSTREAM} {{ etcd main {SERVICES} zone=1m; }}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_come_change_and_go_with_reloads() -> Result<()> {
    let etcd_of = |etcd: &Etcd| configuration(etcd, "", "");
    let (mut nginx, nodes, mut etcd) = start(&["web-1", "web-2", "api-1"], etcd_of).await?;
    let value = format!(r#"{{"addr":"{}","labels":{{"version":"v2"}}}}"#, nodes[2].address());
    nginx.applied(etcd.put(super::node_key("api", "api-1"), value).await?).await?;
    // Each configuration goes on from the peers of the one before, also without etcd.
    etcd.stop().await?;
    let mut counts = Vec::new();
    for round in 0..3 {
        nginx.configure(plain(&etcd))?;
        nginx.reload().await?;
        assert_eq!(names(&served(&nginx, "", 6).await?), ["api-1", "web-1", "web-2"]);
        nginx.configure(configuration(&etcd, "by=label:version", ""))?;
        nginx.reload().await?;
        assert_eq!(names(&served(&nginx, "v2", 2).await?), ["api-1"]);
        nginx.configure(configuration(&etcd, "", ""))?;
        // Twice: what was asked for anew is found by the next configuration.
        for _ in 0..2 {
            nginx.reload().await?;
            assert_eq!(names(&served(&nginx, "web", 4).await?), ["web-1", "web-2"]);
            assert_eq!(names(&served(&nginx, "api", 2).await?), ["api-1"]);
        }
        eventually(SOON, "old workers are gone", async || {
            ensure!(nginx.old_workers()?.is_empty(), "round {round}");
            Ok(())
        })
        .await?;
        counts.push(mappings(nginx.master())?);
    }
    assert_eq!(counts, [counts[0]; 3], "mappings of the master");
    etcd.restart().await?;
    nginx.applied(etcd.revision().await?).await?;
    Ok(())
}
