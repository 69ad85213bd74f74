//! Hashes of keys and of addresses, and the peer whose share of the weights a hash falls into:
//! nginx's `hash` and `ip_hash`.

use std::sync::LazyLock;

use crc32fast::Hasher;

/// A new hasher. To make one is to ask which instructions the processor has, which takes longer
/// than to hash a short key.
static HASHER: LazyLock<Hasher> = LazyLock::new(Hasher::new);

/// Tries with a hash of its own each after which the next peer of round robin is taken instead:
/// nginx's `tries > 20` in `ngx_http_upstream_get_hash_peer`, `…_get_chash_peer` and
/// `…_get_ip_hash_peer`.
pub const KEYED_TRIES: u32 = 20;

/// The hash that [`ip_hash`] of a request begins with, as in nginx's
/// `ngx_http_upstream_init_ip_hash_peer`.
pub const IP_HASH_START: u32 = 89;

/// The hash of a key for `hash KEY consistent`: its CRC-32 (`ngx_http_upstream_init_chash_peer`),
/// to be found among the points of the servers with [`find`](crate::find).
pub fn key_hash(key: &[u8]) -> u32 {
    let mut hasher = HASHER.clone();
    hasher.update(key);
    hasher.finalize()
}

/// What one more try of `hash KEY` adds to the hash of the request:
/// `(crc32([REHASH] KEY) >> 16) & 0x7fff`, in which the round is written as a decimal number, and
/// is left out at round 0 (`ngx_http_upstream_get_hash_peer`, compatible with Cache::Memcached).
///
/// nginx adds the rounds up in 32 bits, and the sum's remainder by the total weight is what
/// [`in_range`] looks up.
pub fn rehash(round: u32, key: &[u8]) -> u32 {
    // 2³² has ten digits.
    let mut digits = [0; 10];
    let mut start = digits.len();
    let mut rest = round;
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut hasher = HASHER.clone();
    if round > 0 {
        hasher.update(&digits[start..]);
    }
    hasher.update(key);
    (hasher.finalize() >> 16) & 0x7fff
}

/// The next hash of an address for `ip_hash`: `(hash * 113 + byte) % 6271` for each byte
/// (`ngx_http_upstream_get_ip_hash_peer`).
///
/// `address` is what nginx takes of the client's: the first three bytes of an IPv4 address, all of
/// an IPv6 one. The first try begins with [`IP_HASH_START`], each further one with the hash before
/// it.
pub fn ip_hash(hash: u32, address: &[u8]) -> u32 {
    // In 64 bits as in nginx, so that it cannot overflow whatever the hash to begin with.
    let add = |hash, &byte: &u8| (hash * 113 + u64::from(byte)) % 6271;
    address.iter().fold(u64::from(hash), add) as u32
}

/// The index of the peer whose range of the weights holds `value`.
///
/// `cumulative` is what [`cumulative`](crate::cumulative) makes of the weights, and `value` is
/// below its last. A value beyond is given to the last peer; without any peer the index is 0. Takes
/// a binary search, where nginx walks the peers.
pub fn in_range(cumulative: &[u64], value: u64) -> usize {
    let index = cumulative.partition_point(|&end| end <= value);
    index.min(cumulative.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_of_keys() {
        // The check value of CRC-32, and others from zlib's `crc32`.
        assert_eq!(key_hash(b"123456789"), 0xcbf4_3926);
        assert_eq!(key_hash(b"/channel/1"), 0x0cf6_db31);
        assert_eq!(key_hash(b""), 0);
    }

    #[test]
    fn rounds_are_hashed_as_by_nginx() {
        // From zlib's `crc32`.
        let rounds = |key: &[u8]| [0, 1, 2, 20, u32::MAX].map(|round| rehash(round, key));
        assert_eq!(rounds(b"123456789"), [19444, 18758, 8817, 24207, 5667]);
        assert_eq!(rounds(b"/channel/1"), [3318, 27935, 29949, 17617, 28589]);
        assert_eq!(rounds(b""), [0, 988, 6869, 2672, 23499]);
    }

    #[test]
    fn hashes_of_addresses() {
        // Worked out by hand of nginx's expression, for 10.0.0.0/24 and its further tries.
        let next = |hash: &u32| Some(ip_hash(*hash, &[10, 0, 0]));
        let tries: Vec<u32> = std::iter::successors(Some(IP_HASH_START), next).take(5).collect();
        assert_eq!(tries, [89, 2565, 1753, 5403, 5523]);
        let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
        assert_eq!(ip_hash(IP_HASH_START, &address), 2600);
        assert_eq!(ip_hash(IP_HASH_START, &[127, 0, 0]), 4040);
        assert!(ip_hash(u32::MAX, &[255]) < 6271);
    }

    #[test]
    fn a_value_is_in_one_range() {
        let cumulative: Vec<u64> = crate::cumulative(&[0, 3, 0, 2, 0]).collect();
        assert_eq!([0, 2, 3, 4].map(|value| in_range(&cumulative, value)), [1, 1, 3, 3]);
        assert_eq!(in_range(&cumulative, u64::MAX), 4);
        assert_eq!(in_range(&[], 0), 0);
    }

    proptest! {
        #[test]
        fn rounds_are_decimal(
            round in any::<u32>(),
            key in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let text = [round.to_string().as_bytes(), &key].concat();
            let expected = (crc32fast::hash(&text) >> 16) & 0x7fff;
            prop_assume!(round > 0);
            prop_assert_eq!(rehash(round, &key), expected);
        }

        /// nginx's walk through the peers finds the same one.
        #[test]
        fn is_nginx_walk(weights in prop::collection::vec(1u32..100, 1..40), hash in any::<u32>()) {
            let cumulative: Vec<u64> = crate::cumulative(&weights).collect();
            let value = u64::from(hash) % cumulative[weights.len() - 1];
            let (mut rest, mut peer) = (value, 0);
            while rest >= u64::from(weights[peer]) {
                rest -= u64::from(weights[peer]);
                peer += 1;
            }
            prop_assert_eq!(in_range(&cumulative, value), peer);
        }
    }
}
