//! `hash`, `hash … consistent` and `ip_hash`, beside nginx's own loops.

use std::collections::BTreeMap;

use peer_zone::{KeyProgress, Method, PeerSpec, PickContext, PickedPeer, RequestOutcome, Worker};

use crate::{
    fixture::{Fixture, address, at, collect, ids, peer, pick_by, publish, rows, with},
    nginx::Nginx,
    random::Random,
};

fn key_of(method: Method, number: u64) -> Vec<u8> {
    match method {
        // An IPv4 address's first three octets, or all of an IPv6 one.
        Method::IpHash if number.is_multiple_of(2) => number.to_be_bytes()[5..].to_vec(),
        Method::IpHash => [
            0x2001_0db8_u64.to_be_bytes(),
            number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes(),
        ]
        .concat(),
        _ => format!("/channel/{number}").into_bytes(),
    }
}

/// Ten servers of weights 1, 2 and 5, two with the same text, one down, and a backup.
fn ten() -> Vec<PeerSpec> {
    let mut peers: Vec<PeerSpec> = (0..10)
        .map(|index| {
            with(peer(&format!("node-{index}"), &format!("10.0.0.{index}:80")), |it| {
                it.weight = [1, 2, 5][index % 3];
                it.max_fails = 1;
                it.fail_timeout = 1_000;
            })
        })
        .collect();
    for peer in &mut peers {
        peer.server = String::from_utf8(peer.socket_address.to_vec()).expect("text").into();
    }
    let same = peers[3].server.clone();
    peers[4].server = same;
    peers[6].parameters.down = true;
    peers[8].server = "unix:/run/app.sock".into();
    peers[9].parameters.backup = true;
    peers
}

fn release(worker: &mut Worker, held: PickedPeer) {
    worker.release(held, RequestOutcome::Answered, None, at(1));
}

/// A failure of one of the ten, and a full one.
fn trouble(worker: &mut Worker, nginx: &mut Nginx) -> PickedPeer {
    let mut full = None;
    while full.is_none() || nginx.peers.iter().all(|peer| !peer.has_failed) {
        let held =
            pick_by(worker, &PickContext::default(), &mut KeyProgress::default(), at(1), &[])
                .expect("a peer");
        let address = address(worker, &held);
        let peer = nginx.peers.iter_mut().find(|peer| peer.address == address).expect("no backup");
        match address.as_str() {
            "10.0.0.1:80" => {
                peer.has_failed = true;
                worker.release(held, RequestOutcome::Failed, None, at(1));
            }
            "10.0.0.7:80" => {
                peer.is_full = true;
                full = Some(held);
            }
            _ => release(worker, held),
        }
    }
    full.expect("held")
}

fn is_nginx(method: Method) {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_of(method);
    let mut peers = ten();
    peers[7].parameters.max_conns = 1;
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    let ids = ids(&mut worker);
    let mut nginx = Nginx::new(&peers);
    nginx.update_chash();
    let mut full = None;
    for number in 0..10_000 {
        if number == 3_000 {
            full = Some(trouble(&mut worker, &mut nginx));
        }
        if number == 6_000 {
            drop(publisher);
            publisher = fixture.publisher_of(method);
            publish(&mut publisher, &peers).expect("room");
        }
        let key = key_of(method, number);
        let context = PickContext { method, key: &key, sticky: None, ..PickContext::default() };
        let (mut progress, mut request) = (KeyProgress::default(), nginx.request(method, &key));
        let mut tried = Vec::new();
        // As many as there are peers, and one more.
        for attempt in 0..=peers.len() {
            let expected = nginx.get(method, &mut request, &key);
            let Some(held) = pick_by(&mut worker, &context, &mut progress, at(2), &tried) else {
                assert_eq!(expected, [0; 0], "key {number}, attempt {attempt}");
                break;
            };
            let address = address(&worker, &held);
            tried.push(held.id());
            release(&mut worker, held);
            if nginx.is_backup(&address) {
                assert_eq!(expected, [0; 0], "key {number}, attempt {attempt}");
                continue;
            }
            let index =
                nginx.peers.iter().position(|peer| peer.address == address).expect("not a backup");
            assert!(nginx.may_serve(&request, index), "key {number}, attempt {attempt}: {address}");
            assert!(
                expected.is_empty() || expected.contains(&index),
                "{} key {number}, attempt {attempt}: {address} instead of {expected:?}",
                method.name()
            );
            request.tried.push(index);
        }
        assert!(tried.iter().all(|id| ids.values().any(|known| known == id)));
    }
    release(&mut worker, full.expect("held"));
}

#[test]
fn hash_is_that_of_nginx() {
    is_nginx(Method::Hash);
}

#[test]
fn consistent_hash_is_that_of_nginx() {
    is_nginx(Method::HashConsistent);
}

#[test]
fn ip_hash_is_that_of_nginx() {
    is_nginx(Method::IpHash);
}

/// Where each of the first keys goes.
fn where_keys_go(worker: &mut Worker, method: Method, keys: u64) -> Vec<String> {
    (0..keys)
        .map(|number| {
            let key = key_of(method, number);
            let context = PickContext { method, key: &key, sticky: None, ..PickContext::default() };
            let held =
                pick_by(worker, &context, &mut KeyProgress::default(), at(1), &[]).expect("a peer");
            let address = address(worker, &held);
            release(worker, held);
            address
        })
        .collect()
}

fn hundred() -> Vec<PeerSpec> {
    let name = |index: u32| format!("10.0.{}.{}:80", index / 10, index % 10);
    (0..100).map(|index| peer(&format!("node-{index:03}"), &name(index))).collect()
}

#[test]
fn of_a_hundred_peers_one_that_goes_moves_its_own_keys_alone() {
    const KEYS: u64 = 10_000;
    let fixture = Fixture::new(1 << 22);
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let mut worker = fixture.worker();
    let all = hundred();
    publish(&mut publisher, &all).expect("room");
    let before = where_keys_go(&mut worker, Method::HashConsistent, KEYS);
    for gone in [0, 17, 50, 99] {
        let gone_address = String::from_utf8(all[gone].socket_address.to_vec()).expect("text");
        let mut fewer = all.clone();
        fewer.remove(gone);
        publish(&mut publisher, &fewer).expect("room");
        let without = where_keys_go(&mut worker, Method::HashConsistent, KEYS);
        let moved: Vec<_> =
            before.iter().zip(&without).filter(|(before, after)| before != after).collect();
        assert!(
            moved.iter().all(|(before, _)| **before == gone_address),
            "others have moved: {moved:?}"
        );
        // A hundredth, and a tenth of that for each standard deviation of a share made of 160
        // points.
        assert!(
            (1..=KEYS as usize * 13 / 1_000).contains(&moved.len()),
            "{} have moved",
            moved.len()
        );
        // It comes back, and so do its keys.
        publish(&mut publisher, &all).expect("room");
        assert_eq!(where_keys_go(&mut worker, Method::HashConsistent, KEYS), before);
        collect(&mut publisher);
    }
}

#[test]
fn a_ring_carried_over_many_changes_is_one_made_afresh() {
    let mut random = Random::new(7);
    let fixture = Fixture::new(1 << 22);
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let mut worker = fixture.worker();
    let mut listed: BTreeMap<u64, PeerSpec> = BTreeMap::new();
    for round in 0..60 {
        for _ in 0..1 + random.below(3) {
            let index = random.below(40);
            let new = with(
                peer(&format!("node-{index:02}"), &format!("10.0.0.{}:80", random.below(40))),
                |it| {
                    it.weight = 1 + random.below(3) as u32;
                    it.backup = random.one_in(8);
                    it.down = random.one_in(8);
                },
            );
            // Now and then two peers are of the same server.
            let is_gone = random.one_in(3);
            if is_gone {
                listed.remove(&index);
            } else {
                listed.insert(index, new);
            }
        }
        let peers: Vec<PeerSpec> = listed.values().cloned().collect();
        publish(&mut publisher, &peers).expect("room");
        match round % 3 {
            0 => collect(&mut publisher),
            1 => publisher = fixture.publisher_of(Method::HashConsistent),
            _ => {}
        }
        let servers: std::collections::BTreeSet<_> =
            peers.iter().map(|peer| &peer.server).collect();
        let primaries =
            peers.iter().filter(|peer| !peer.parameters.backup && !peer.parameters.down).count();
        if primaries < 2 {
            continue;
        }
        let afresh = Fixture::new(1 << 22);
        publish(&mut afresh.publisher_of(Method::HashConsistent), &peers).expect("room");
        let carried = where_keys_go(&mut worker, Method::HashConsistent, 200);
        let made = where_keys_go(&mut afresh.worker(), Method::HashConsistent, 200);
        if servers.len() == peers.len() {
            assert_eq!(carried, made, "round {round}");
            continue;
        }
        // Which of several peers of a server it is depends on whose turn it is.
        let server_of = |address: &String| {
            let of = |peer: &&PeerSpec| *peer.socket_address == *address.as_bytes();
            peers.iter().find(of).map(|peer| peer.server.clone())
        };
        let servers_of = |addresses: &[String]| addresses.iter().map(server_of).collect::<Vec<_>>();
        assert_eq!(servers_of(&carried), servers_of(&made), "round {round}");
    }
}

#[test]
fn addresses_of_one_name_share_its_keys() {
    let fixture = Fixture::new(1 << 20);
    let mut publisher = fixture.publisher_of(Method::HashConsistent);
    let mut peers: Vec<PeerSpec> =
        (0..6).map(|index| peer(&format!("node-{index}"), &index.to_string())).collect();
    for peer in &mut peers[2..5] {
        peer.server = "nodes.example:80".into();
    }
    publish(&mut publisher, &peers).expect("room");
    let mut worker = fixture.worker();
    let mut served: BTreeMap<u64, BTreeMap<String, u32>> = BTreeMap::new();
    for _ in 0..30 {
        for (key, address) in (0..).zip(where_keys_go(&mut worker, Method::HashConsistent, 50)) {
            *served.entry(key).or_default().entry(address).or_default() += 1;
        }
    }
    let of_name = ["2", "3", "4"];
    let mut shared = 0;
    for addresses in served.values() {
        let is_shared = addresses.keys().any(|address| of_name.contains(&address.as_str()));
        if is_shared {
            shared += 1;
            assert!(
                addresses.keys().all(|address| of_name.contains(&address.as_str())),
                "{addresses:?}"
            );
        } else {
            assert_eq!(addresses.len(), 1, "{addresses:?}");
        }
    }
    assert!(shared > 5);
    let mut of_each: BTreeMap<&str, u32> = BTreeMap::new();
    for (address, count) in served.values().flatten() {
        *of_each.entry(address).or_default() += count;
    }
    let each = of_name.map(|address| of_each[address]);
    let (least, most) = (each.iter().min().expect("three"), each.iter().max().expect("three"));
    assert!(most - least <= most / 5, "they take turns: {each:?}");
    assert_eq!(rows(&mut worker).len(), 6);
}

#[test]
fn without_a_key_it_is_round_robin() {
    for method in [Method::Hash, Method::HashConsistent, Method::IpHash] {
        let fixture = Fixture::new(1 << 20);
        publish(&mut fixture.publisher_of(method), &[peer("a", "1"), peer("b", "2")])
            .expect("room");
        let mut worker = fixture.worker();
        let context = PickContext { method, key: b"", sticky: None, ..PickContext::default() };
        let picked: Vec<String> = (0..4)
            .map(|_| {
                let held = pick_by(&mut worker, &context, &mut KeyProgress::default(), at(1), &[])
                    .expect("a peer");
                address(&worker, &held)
            })
            .collect();
        assert_eq!(picked, ["1", "2", "1", "2"], "{}", method.name());
    }
}

#[test]
fn peers_without_a_weight_get_no_request_by_any_method() {
    let resting = |name: &str| {
        with(peer(name, name), |it| {
            it.weight = 0;
            it.drain = true;
        })
    };
    for method in [
        Method::RoundRobin,
        Method::LeastConn,
        Method::Random,
        Method::Hash,
        Method::HashConsistent,
        Method::IpHash,
    ] {
        let fixture = Fixture::new(1 << 20);
        let mut publisher = fixture.publisher_of(method);
        publish(&mut publisher, &[resting("a"), peer("b", "b"), resting("c"), peer("d", "d")])
            .expect("room");
        let mut worker = fixture.worker();
        let mut picked = std::collections::BTreeSet::new();
        for number in 0..200 {
            let key = key_of(method, number);
            let context = PickContext { method, key: &key, sticky: None, ..PickContext::default() };
            let held = pick_by(&mut worker, &context, &mut KeyProgress::default(), at(1), &[])
                .expect("a peer");
            picked.insert(address(&worker, &held));
            release(&mut worker, held);
        }
        assert_eq!(Vec::from_iter(picked), ["b", "d"], "{}", method.name());

        // Where none has a weight there is nothing to pick, and what is the same is no new table.
        let all = [resting("a"), resting("b")];
        publish(&mut publisher, &all).expect("room");
        let context = PickContext { method, key: b"key", sticky: None, ..PickContext::default() };
        assert!(pick_by(&mut worker, &context, &mut KeyProgress::default(), at(1), &[]).is_none());
        collect(&mut publisher);
        let (used, generation) = (fixture.used(), publisher.generation());
        publish(&mut publisher, &all).expect("room");
        assert_eq!(
            (fixture.used(), publisher.generation()),
            (used, generation),
            "{}",
            method.name()
        );
    }
}
