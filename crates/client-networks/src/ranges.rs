//! Addresses as sorted ranges, in which one is found by a binary search.

use std::net::IpAddr;

use ipnet::IpNet;

/// Ranges of addresses, sorted and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    /// The addresses of these networks. What is no network counts for nothing.
    pub fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in words.filter_map(network) {
            match network {
                IpNet::V4(network) => {
                    v4.push((network.network().to_bits(), network.broadcast().to_bits()))
                }
                IpNet::V6(network) => {
                    v6.push((network.network().to_bits(), network.broadcast().to_bits()))
                }
            }
        }
        Self {
            v4: joined(v4, |last| last.checked_add(1)),
            v6: joined(v6, |last| last.checked_add(1)),
        }
    }

    /// Whether an address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => is_inside(&self.v4, address.to_bits()),
            IpAddr::V6(address) => is_inside(&self.v6, address.to_bits()),
        }
    }

    /// Whether there is no address.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub(crate) fn v4(&self) -> &[(u32, u32)] {
        &self.v4
    }

    pub(crate) fn v6(&self) -> &[(u128, u128)] {
        &self.v6
    }
}

/// A network, as it is written: `10.0.0.0/8`, `2001:db8::/32`, or an address alone. An IPv4 network
/// that is written as an IPv6 one is IPv4.
pub(crate) fn network(word: &str) -> Option<IpNet> {
    /// Bits before the IPv4 address in `::ffff:0:0/96`.
    const MAPPED: u8 = 96;
    let network = match word.parse::<IpNet>() {
        Ok(network) => network.trunc(),
        Err(_) => word.parse::<IpAddr>().ok()?.into(),
    };
    let IpNet::V6(mapped) = network else { return Some(network) };
    match (mapped.network().to_ipv4_mapped(), mapped.prefix_len().checked_sub(MAPPED)) {
        (Some(address), Some(length)) => IpNet::new(address.into(), length).ok(),
        _ => Some(network),
    }
}

/// Sorts ranges and joins those that overlap or touch.
fn joined<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut all: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match all.last_mut() {
            // Behind the last address of all there is none.
            Some((_, end)) if next(*end).is_none_or(|behind| first <= behind) => {
                *end = last.max(*end)
            }
            _ => all.push((first, last)),
        }
    }
    all
}

fn is_inside<T: Ord>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|(first, _)| *first <= address);
    behind.checked_sub(1).is_some_and(|index| address <= ranges[index].1)
}
