//! A long history of an upstream, with merges in small steps and publishers that die.

use crate::model::{Publisher, Server};

/// Marsaglia's xorshift: the same numbers in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

fn server(number: usize, weight: u32) -> Server {
    let name = format!("10.0.{}.{}:80", number / 256, number % 256);
    Server { order: number as u32, hashes: peer_balance::points(&name, weight).collect() }
}

#[test]
fn a_long_history_maps_as_nginx_does() {
    let mut numbers = Numbers(0x0DDB_1A5E_5BAD_5EED);
    let mut publisher = Publisher::new();
    let (mut merges, mut takeovers, mut most_slots) = (0, 0, 0);
    let mut next = 0;
    for round in 0..3_000 {
        let target = if round / 500 % 2 == 0 { 120 } else { 15 };
        let grows = numbers.below(2 * target) >= publisher.servers.len();
        if grows {
            next += 1;
            publisher.add(server(next, 1 + u32::from(numbers.below(8) == 0)));
        } else if !publisher.servers.is_empty() {
            let index = numbers.below(publisher.servers.len());
            let slot = *publisher.servers.keys().nth(index).expect("an index below the length");
            publisher.remove(slot);
        }
        most_slots = most_slots.max(publisher.servers.keys().last().copied().unwrap_or(0));
        match numbers.below(100) {
            0 => {
                publisher.restore();
                takeovers += 1;
            }
            1 => {
                publisher.ring.cancel_merge();
                publisher.merge = None;
            }
            _ => {}
        }
        if publisher.merge.is_some() {
            if publisher.step(200 + numbers.below(4_000)) {
                publisher.finish_merge().expect("it is complete");
                merges += 1;
            }
        } else if publisher.ring.should_merge() {
            publisher.begin_merge();
        }
        let published = publisher.publish();
        if round % 20 == 0 {
            published.assert_maps_as_nginx(22, 97);
        }
    }
    assert!(merges > 50 && takeovers > 10, "{merges} merges, {takeovers} takeovers");
    // Slots are used again: there are not many more than servers at one time.
    assert!(most_slots < 400, "{most_slots}");
}
