//! Any sequence of changes and troubles ends in what etcd holds.

use etcd_client::{DeleteOptions, KvClient, Txn, TxnOp};
use fastrand::Rng;

use crate::etcd::Etcd;
use crate::followed::{Followed, PREFIX, cluster, key};
use crate::relay::{Mode, Relay};

/// Sets the seed of a run that is to be repeated.
const SEED: &str = "ETCD_WATCH_SEED";

fn any_key(random: &mut Rng) -> String {
    key(&random.u8(0..40).to_string())
}

async fn step(kv: &mut KvClient, random: &mut Rng) {
    match random.u8(0..20) {
        0..10 => {
            let value = vec![b'x'; random.usize(0..2_000)];
            kv.put(any_key(random), value, None).await.expect("a put");
        }
        10..15 => {
            kv.delete(any_key(random), None).await.expect("a deletion");
        }
        15 => {
            let options = DeleteOptions::new().with_range(key("2"));
            kv.delete(key("1"), Some(options)).await.expect("a deletion");
        }
        16..18 => {
            // A transaction may touch a key only once.
            let mut numbers: Vec<_> = (0..40).collect();
            random.shuffle(&mut numbers);
            let operations = numbers.iter().take(random.usize(1..20)).map(|number| {
                let key = key(&number.to_string());
                if random.bool() { TxnOp::put(key, "txn", None) } else { TxnOp::delete(key, None) }
            });
            let operations: Vec<_> = operations.collect();
            kv.txn(Txn::new().and_then(operations)).await.expect("a transaction");
        }
        18 => {
            kv.put("/elsewhere", "", None).await.expect("a put");
        }
        _ => {
            let revision =
                kv.get("x", None).await.expect("a read").header().expect("a header").revision();
            // What is compacted already cannot be compacted again.
            let _ = kv.compact(random.i64(1..=revision), None).await;
        }
    }
}

#[tokio::test]
async fn the_end_is_what_etcd_holds() {
    let seed = std::env::var(SEED)
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    eprintln!("{SEED}={seed}");
    let mut random = Rng::with_seed(seed);
    let mut etcd = Etcd::start().await;
    let relays = [Relay::start(etcd.port).await, Relay::start(etcd.port).await];
    let urls = relays.each_ref().map(Relay::url);
    let mut followed = Followed::start(&cluster(&urls), PREFIX);
    for round in 0..15 {
        let mut kv = etcd.kv().await;
        let relay = &relays[random.usize(0..relays.len())];
        let trouble_at = random.usize(0..100);
        for number in 0..100 {
            step(&mut kv, &mut random).await;
            if number == trouble_at {
                relay.set(Mode::Cut);
            } else if number == trouble_at + 20 {
                relay.set(Mode::Open);
            }
            // Some of the words are taken as they come, so that the channel is full at times and
            // empty at others.
            while random.bool() && followed.take_one() {}
        }
        relay.set(Mode::Open);
        if round % 5 == 4 {
            etcd.restart();
            etcd.answers().await;
        }
        followed.until_exact(&etcd).await;
    }
}
