//! `mqtt.conf`: devices that stay with their broker, and reconnect when it is removed.

use std::collections::BTreeMap;

use harness::*;

const PORT: u16 = 1_883;
const TOPIC: &str = "lamp/1";

/// A device's address of the loopback interface, by which its broker is chosen.
fn address_of(device: usize) -> String {
    format!("127.0.0.{}", device + 2)
}

/// The brokers' keys, with the devices that are connected to each, as their logs say.
fn devices(brokers: &BTreeMap<&str, Broker>, count: usize) -> BTreeMap<usize, Vec<String>> {
    let of_device = |device: usize| {
        let id = format!(" as device-{device} ");
        let found = brokers.iter().filter(|(_, broker)| broker.log().contains(&id));
        found.map(|(key, _)| (*key).to_owned()).collect()
    };
    (0..count).map(|device| (device, of_device(device))).collect()
}

#[tokio::test]
async fn devices_stay_with_their_broker_and_move_when_it_is_removed() -> Result<()> {
    const DEVICES: usize = 12;
    let etcd = Etcd::start().await?;
    let mut brokers = BTreeMap::new();
    for key in ["a", "b", "c"] {
        let broker = Broker::start().await?;
        etcd.put(format!("/services/mqtt/{key}"), broker.address()).await?;
        brokers.insert(key, broker);
    }
    let router = ShippedStream::start("mqtt.conf", &etcd).await?;
    let address = router.address(PORT);
    router.wait_for_peers("brokers", &["a", "b", "c"]).await?;
    let mut subscribers = Vec::new();
    for device in 0..DEVICES {
        let id = format!("device-{device}");
        subscribers.push(Subscriber::start(&address, &address_of(device), &id, TOPIC)?);
    }
    let first = eventually(SOON, "each device is connected", async || {
        let devices = devices(&brokers, DEVICES);
        ensure!(devices.values().all(|keys| keys.len() == 1), "{devices:?}");
        Ok(devices)
    })
    .await?;
    let removed = first[&0][0].clone();
    assert!(first.values().any(|keys| keys[0] != removed), "all at {removed}");
    let kept: Vec<_> = brokers.keys().copied().filter(|key| *key != removed).collect();

    // Whoever publishes from a device's address is at its broker: the device has the message.
    for (device, subscriber) in subscribers.iter().enumerate() {
        let message = format!("to device {device}");
        eventually(SOON, "the message is there", async || {
            publish(&address, &address_of(device), TOPIC, &message).await?;
            ensure!(subscriber.messages().contains(&message), "{}", subscriber.messages());
            Ok(())
        })
        .await?;
    }

    // Devices of a removed broker connect elsewhere, and no others do.
    etcd.delete(&format!("/services/mqtt/{removed}")).await?;
    router.wait_for_peers("brokers", &kept).await?;
    let moved = eventually(SOON, "the devices have moved", async || {
        let devices = devices(&brokers, DEVICES);
        let is_moved = |(device, keys): (&usize, &Vec<String>)| {
            (keys.len() == 2) == (first[device][0] == removed)
        };
        ensure!(devices.iter().all(is_moved), "{devices:?}, first {first:?}");
        Ok(devices)
    })
    .await?;
    eventually(SOON, "each device has one session", async || {
        let upstream = router.wait_for_peers("brokers", &kept).await?;
        let open: u64 = upstream.peers.iter().map(|peer| peer.connections).sum();
        ensure!(open == DEVICES as u64, "{upstream:?}");
        Ok(())
    })
    .await?;
    for (device, subscriber) in subscribers.iter().enumerate() {
        let message = format!("again to device {device}");
        let own = moved[&device].iter().find(|key| **key != removed).ok_or("nowhere")?;
        eventually(SOON, "the message is there", async || {
            publish(&brokers[own.as_str()].address(), "127.0.0.1", TOPIC, &message).await?;
            ensure!(subscriber.messages().contains(&message), "{}", subscriber.messages());
            Ok(())
        })
        .await?;
    }
    for subscriber in subscribers {
        subscriber.stop().await?;
    }
    router.nginx.check_log()
}
