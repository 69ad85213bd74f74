//! Every answer is a value that was current while the request was there, whatever happens to the
//! keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use harness::*;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{ROUTES, route, said, with_map};

const KEYS: usize = 50;
const CHANGES_PER_SECOND: usize = 1_000;
const TIME: Duration = Duration::from_secs(5);
const CLIENTS: usize = 8;

/// A value that says which key it is of and which change it is, and is long enough to be torn.
fn value(key: usize, number: u64) -> String {
    let word = format!("{key}.{number} ");
    word.repeat(1 + (number % 40) as usize * 10).trim_end().to_owned()
}

/// The number of a value, if it is whole and of this key.
fn number(key: usize, found: &str) -> Result<u64> {
    let word = found.split(' ').next().unwrap_or_default();
    let number = word.split_once('.').and_then(|(_, number)| number.parse().ok());
    let number = number.ok_or_else(|| format!("{found:?} is no value"))?;
    ensure!(found == value(key, number), "{found:?} is not whole, or of another key than {key}");
    Ok(number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_a_value_that_was_current() -> Result<()> {
    let etcd = Arc::new(Etcd::start().await?);
    let configuration = with_map(
        &etcd,
        &format!("etcd_map $http_x_name $service main {ROUTES} default=none zone=512k;"),
    )
    .workers(4)
    .server("location = /map { return 200 '<$service>'; }");
    let pairs = (0..KEYS).map(|key| (route(&format!("key-{key}")), value(key, 1)));
    etcd.put_all(pairs).await?;
    let nginx = Nginx::start(configuration).await?;
    nginx.wait_for_log(&format!("{KEYS} entries")).await?;

    // The last number of each key that etcd may have, and the one that it has for certain.
    let begun: Arc<Vec<AtomicU64>> = Arc::new((0..KEYS).map(|_| AtomicU64::new(1)).collect());
    let stop = CancellationToken::new();
    let mut clients = JoinSet::new();
    let connections = nginx.connect_to_each().await?.len();
    assert_eq!(connections, 4);
    for client in 0..CLIENTS {
        let (begun, stop) = (Arc::clone(&begun), stop.clone());
        let mut connection = nginx.connect_to(nginx.workers()?[client % 4]).await?;
        clients.spawn(async move {
            let mut newest = vec![0; KEYS];
            let mut answers = 0_usize;
            while !stop.is_cancelled() {
                let key = (answers * 13 + client) % KEYS;
                let found = said(&mut connection, &format!("key-{key}")).await?;
                let number = number(key, &found)?;
                let most = begun[key].load(Ordering::SeqCst);
                // In one worker, as in all, time does not go back.
                ensure!(number >= newest[key], "key {key}: {number} after {}", newest[key]);
                ensure!(number <= most, "key {key}: {number} is not written yet, {most} is");
                newest[key] = number;
                answers += 1;
            }
            Ok::<_, Error>((answers, newest))
        });
    }
    let began = Instant::now();
    let mut changes = 0;
    while began.elapsed() < TIME {
        // Ten at a time, each in a change of its own.
        let round = (0..10).map(|step| {
            let key = (changes + step * 5) % KEYS;
            let number = begun[key].fetch_add(1, Ordering::SeqCst) + 1;
            let etcd = Arc::clone(&etcd);
            async move { etcd.put(route(&format!("key-{key}")), value(key, number)).await }
        });
        for result in futures_util::future::join_all(round).await {
            result?;
        }
        changes += 10;
        let due = TIME.mul_f64(changes as f64 / (CHANGES_PER_SECOND as f64 * TIME.as_secs_f64()));
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    let took = began.elapsed().as_secs_f64();
    // All see the last ones in the end.
    for mut connection in nginx.connect_to_each().await? {
        for (key, last) in begun.iter().enumerate() {
            eventually(SOON, "the last value is there", async || {
                let found = said(&mut connection, &format!("key-{key}")).await?;
                let (number, last) = (number(key, &found)?, last.load(Ordering::SeqCst));
                ensure!(number == last, "key {key}: {number}, and not {last}");
                Ok(())
            })
            .await?;
        }
    }
    stop.cancel();
    let mut answers = 0;
    while let Some(client) = clients.join_next().await {
        answers += client??.0;
    }
    println!("{answers} answers, {:.0} changes a second", f64::from(changes as u32) / took);
    nginx.check_log()
}
