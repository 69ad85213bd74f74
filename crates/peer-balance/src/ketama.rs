//! Consistent hashing: the points of the servers on the circle of 32-bit hashes, as nginx's
//! `hash KEY consistent` lays them.

use std::iter;

/// Points of a server for each unit of its weight, as in nginx's `ngx_http_upstream_update_chash`,
/// which is compatible with Cache::Memcached::Fast and its `ketama_points => 160`.
pub const POINTS_PER_WEIGHT: u32 = 160;

/// The hashes of one server's points, [`POINTS_PER_WEIGHT`] for each unit of its weight, in the
/// order in which nginx makes them (`ngx_http_upstream_update_chash` in
/// `src/http/modules/ngx_http_upstream_hash_module.c`): they are not sorted, and may repeat.
///
/// `server` is the address as it was written after `server`, which is what nginx hashes. Each hash
/// is `crc32(HOST \0 PORT PREV_HASH)`, with the hash before it as four bytes, the lowest first, and
/// 0 before the first. The port is what follows the last colon if that is nothing but digits, so
/// that `::1` is the host `:` and the port `1`. Of a server that begins with `unix:`, in upper or
/// lower case, the rest is the host.
pub fn points(server: &str, weight: u32) -> impl Iterator<Item = u32> + use<> {
    let (host, port) = host_and_port(server.as_bytes());
    let mut base = crc32fast::Hasher::new();
    base.update(host);
    base.update(b"\0");
    base.update(port);
    let next = move |previous: u32| {
        let mut hasher = base.clone();
        hasher.update(&previous.to_le_bytes());
        hasher.finalize()
    };
    let number = u64::from(weight) * u64::from(POINTS_PER_WEIGHT);
    let hashes = iter::successors(Some(next(0)), move |&previous| Some(next(previous)));
    (0..number).zip(hashes).map(|(_, hash)| hash)
}

/// Where the point is that a key of this hash belongs to: the index of the first point whose hash
/// is not below it.
///
/// `hashes` gives the hash of the point at an index below `number`, in ascending order. The result
/// is `number` where all are below: the circle goes on at 0. It is
/// `ngx_http_upstream_find_chash_point`, which however has removed all but one of the points of
/// equal hashes, and meets any of them; here it is the first.
pub fn find(hashes: impl Fn(usize) -> u32, number: usize, hash: u32) -> usize {
    let (mut first, mut size) = (0, number);
    while size > 0 {
        let half = size / 2;
        if hashes(first + half) < hash {
            first += half + 1;
            size -= half + 1;
        } else {
            size = half;
        }
    }
    first
}

fn host_and_port(server: &[u8]) -> (&[u8], &[u8]) {
    if let Some((scheme, path)) = server.split_at_checked(5)
        && scheme.eq_ignore_ascii_case(b"unix:")
    {
        return (path, b"");
    }
    match server.iter().rposition(|byte| !byte.is_ascii_digit()) {
        Some(colon) if server[colon] == b':' => (&server[..colon], &server[colon + 1..]),
        _ => (server, b""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// nginx's loops as they stand in its source, with the CRC of a library.
    fn nginx(server: &[u8], weight: u32) -> Vec<u32> {
        let (mut host, mut port): (&[u8], &[u8]) = (server, b"");
        if server.len() >= 5 && server[..5].eq_ignore_ascii_case(b"unix:") {
            host = &server[5..];
        } else {
            for j in 0..server.len() {
                let c = server[server.len() - j - 1];
                if c == b':' {
                    (host, port) = (&server[..server.len() - j - 1], &server[server.len() - j..]);
                    break;
                }
                if !c.is_ascii_digit() {
                    break;
                }
            }
        }
        let mut previous = 0u32;
        let mut hashes = Vec::new();
        for _ in 0..weight * 160 {
            previous = crc32fast::hash(&[host, b"\0", port, &previous.to_le_bytes()].concat());
            hashes.push(previous);
        }
        hashes
    }

    /// The first four hashes, the 160th and the 480th of a server of weight 3, worked out with
    /// zlib's `crc32`.
    const VECTORS: [(&str, [u32; 6]); 8] = [
        (
            "10.0.0.7:80",
            [0x64c2_54d1, 0x228c_1ccc, 0x0f33_c9d8, 0x7d88_10c9, 0x5c91_08b6, 0x57a5_7195],
        ),
        (
            "[2001:db8::1]:8080",
            [0x65e4_862c, 0x6d72_52a7, 0xf46a_5bdf, 0x5ef8_5b9a, 0xa792_7a2d, 0xf6a7_06fc],
        ),
        (
            "unix:/run/app.sock",
            [0xad39_754f, 0x9a97_c570, 0x7fb8_e7ff, 0x3337_fd86, 0xf76c_af29, 0x87f4_46c2],
        ),
        (
            "UNIX:/run/app.sock",
            [0xad39_754f, 0x9a97_c570, 0x7fb8_e7ff, 0x3337_fd86, 0xf76c_af29, 0x87f4_46c2],
        ),
        (
            "node-1.example",
            [0xa354_2f43, 0x88ec_b34f, 0xb693_9093, 0x89dc_1699, 0x4e5c_9e85, 0x0c29_755a],
        ),
        ("8080", [0x69db_c981, 0xf4e2_7038, 0xde2d_d6f4, 0xa89a_a4cf, 0x872c_f335, 0x2184_1691]),
        ("::1", [0x0d3e_b454, 0xb472_1dad, 0x77c4_294e, 0x209e_10e0, 0x31bf_78af, 0x427d_eadd]),
        ("", [0xc622_f71d, 0x016f_3caf, 0x6b39_a544, 0xd903_9296, 0xc44e_3a20, 0x63e2_397b]),
    ];

    #[test]
    fn points_are_those_of_known_vectors() {
        for (server, expected) in VECTORS {
            let hashes: Vec<u32> = points(server, 3).collect();
            assert_eq!(hashes.len(), 480, "{server}");
            assert_eq!([0, 1, 2, 3, 159, 479].map(|index| hashes[index]), expected, "{server}");
        }
    }

    #[test]
    fn the_number_of_points_grows_with_the_weight() {
        assert_eq!(points("a:1", 0).count(), 0);
        let heavier: Vec<u32> = points("a:1", 5).collect();
        let lighter: Vec<u32> = points("a:1", 2).collect();
        assert_eq!(heavier[..320], lighter);
        // No overflow, however great the weight.
        let number = u64::from(u32::MAX) * u64::from(POINTS_PER_WEIGHT);
        assert_eq!(points("a:1", u32::MAX).size_hint().1, usize::try_from(number).ok());
    }

    #[test]
    fn finds_the_first_of_equal_hashes() {
        let hashes = [3, 5, 5, 5, 9, 9];
        let find = |hash| find(|index| hashes[index], hashes.len(), hash);
        assert_eq!([0, 3, 4, 5, 6, 9, 10, u32::MAX].map(find), [0, 0, 1, 1, 4, 4, 6, 6]);
        assert_eq!(super::find(|_| unreachable!("there is none"), 0, 7), 0);
    }

    proptest! {
        #[test]
        fn points_are_those_of_nginx(
            server in "(?i:unix:)?[a-c.:\\[\\]é]{0,6}:?[0-9]{0,5}",
            weight in 0u32..4,
        ) {
            prop_assert_eq!(
                points(&server, weight).collect::<Vec<_>>(),
                nginx(server.as_bytes(), weight)
            );
        }

        #[test]
        fn finds_the_lower_bound(
            mut hashes in prop::collection::vec(0u32..50, 0..60),
            hash in 0u32..52,
        ) {
            hashes.sort_unstable();
            let found = find(|index| hashes[index], hashes.len(), hash);
            prop_assert_eq!(found, hashes.partition_point(|&other| other < hash));
        }
    }
}
