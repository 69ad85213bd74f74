//! What a peer is called in a client's cookie.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

/// What the code is made for, so that one made with the same secret for something else is never one
/// of these. The number is counted up when what follows it changes, since every cookie in the
/// clients' hands is void then.
const PURPOSE: &[u8] = b"etcd_sticky peer 1";

/// The bytes that HMAC's key fills (SHA-256's block); a longer secret is hashed first, as HMAC has
/// it.
const BLOCK: usize = 64;

/// The id by which a sticky session's cookie names a peer; never 0.
///
/// `prefix` and `key` are etcd's, the key without the prefix, and empty for a peer of a `server`
/// line; `address` is the peer's as it is shown. The id depends on nothing else, and so is the same
/// on every router of a fleet, after a restart, and with any parameters of the peer. Another peer
/// that takes the key over at another address is another one.
///
/// It does not reveal the address. Without a `secret`, though (an empty one), a client that guesses
/// prefix, key and address can see by the id that the guess is right, and addresses of a private
/// network are few: set a secret where clients must not find out.
///
/// These are the first eight bytes, the most significant one first, of HMAC-SHA-256 (RFC 2104)
/// under the secret. Two of 10 000 peers have the same id with a probability of 3 in 10¹².
pub fn sticky_id(prefix: &str, key: &str, address: &str, secret: &str) -> u64 {
    let mut code = keyed(secret.as_bytes());
    code.update(PURPOSE);
    for text in [prefix, key, address] {
        // With the length before it, no text can pass for a part of its neighbour.
        code.update(&(text.len() as u64).to_be_bytes());
        code.update(text.as_bytes());
    }
    let code = code.finalize().into_bytes();
    let id = code.iter().take(size_of::<u64>()).fold(0, |id, &byte| id << 8 | u64::from(byte));
    // 0 says "no peer" elsewhere; that one in 2⁶⁴ shares its neighbour's id costs nothing.
    id.max(1)
}

/// The id as a cookie's value: 16 hexadecimal digits.
pub fn sticky_cookie(id: u64) -> [u8; 16] {
    let mut rest = id;
    let mut digits = [0; 16];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
        rest >>= 4;
    }
    digits
}

/// The id that a cookie's value is, as [`sticky_cookie`] writes it; `None` for all else that a
/// client may send.
pub fn sticky_id_of(cookie: &[u8]) -> Option<u64> {
    let digits: &[u8; 16] = cookie.try_into().ok()?;
    let id = digits.iter().try_fold(0, |id: u64, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(id << 4 | u64::from(digit))
    })?;
    (id != 0).then_some(id)
}

/// Bytes of the name that nginx's `sticky` has for a peer without a `route`
/// (`NGX_HTTP_UPSTREAM_SID_LEN`).
pub const SID_LENGTH: usize = 32;

/// The name that nginx's `sticky` has for a peer without a `route`: the MD5 of its address as it is
/// shown, in hexadecimal digits (`ngx_http_upstream_init_round_robin_sid`). So a client's cookie
/// stays good where servers of the configuration move to etcd.
pub fn sid(address: &[u8]) -> [u8; SID_LENGTH] {
    let hash: [u8; SID_LENGTH / 2] = Md5::digest(address).into();
    core::array::from_fn(|digit| {
        let byte = hash[digit / 2];
        b"0123456789abcdef"[usize::from(if digit % 2 == 0 { byte >> 4 } else { byte & 0xf })]
    })
}

/// The id by which a peer is found that nginx's `sticky` names so, or by its `route`; never 0.
///
/// FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo). Clients may send any name: one that is made to have
/// another's id leads to that peer, as the other does.
pub fn sid_id(sid: &[u8]) -> u64 {
    let hash = sid.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    hash.max(1)
}

/// HMAC under a secret of any length: what its own constructor does, but by a type that shows that
/// it cannot fail.
fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    let mut key = [0; BLOCK];
    if secret.len() <= BLOCK {
        key[..secret.len()].copy_from_slice(secret);
    } else {
        let hash = Sha256::digest(secret);
        key[..hash.len()].copy_from_slice(&hash);
    }
    Hmac::new(&key.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const PREFIX: &str = "/firehose/upstream/";

    /// Made with Python's hmac and hashlib: a change of any of these voids the cookies of every
    /// client.
    #[test]
    fn nginx_has_the_same_names() {
        // As nginx 1.30.4 sets them in the cookie of `sticky cookie`.
        assert_eq!(&sid(b"127.0.0.1:8081"), b"df2b80dc43705d28db9be6f29fe58da3");
        assert_ne!(sid_id(&sid(b"127.0.0.1:8081")), sid_id(&sid(b"127.0.0.1:8082")));
        assert_eq!(sid_id(b"a"), 0xAF63_DC4C_8601_EC8C, "as FNV's authors have it");
    }

    #[test]
    fn ids_are_those_of_known_vectors() {
        let long = "s".repeat(BLOCK + 1);
        for (prefix, key, address, secret, id) in [
            (PREFIX, "node-1", "10.0.0.7:80", "", 0xfb7e_4560_3fbf_f9a1),
            (PREFIX, "node-1", "10.0.0.7:80", "pepper", 0x981f_12eb_d61c_5b75),
            (PREFIX, "", "127.0.0.1:9000", "", 0x96f5_36f3_9653_1791),
            (PREFIX, "node-2", "[2001:db8::1]:80", &long[..BLOCK], 0x72a0_777a_aa3f_cc6c),
            (PREFIX, "node-2", "[2001:db8::1]:80", &long, 0x7a2b_354c_2cbd_19d8),
            ("", "", "", "", 0x0340_7308_32e6_f8be),
        ] {
            assert_eq!(
                sticky_id(prefix, key, address, secret),
                id,
                "{prefix} {key} {address} {secret}"
            );
        }
    }

    #[test]
    fn many_peers_have_many_ids() {
        let ids: HashSet<_> = (0..10_000)
            .map(|index| sticky_id(PREFIX, &format!("node-{index}"), "10.0.0.7:80", "pepper"))
            .collect();
        assert_eq!(ids.len(), 10_000);
        assert!(!ids.contains(&0));
    }

    #[test]
    fn the_key_is_that_of_the_librarys_own_constructor() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 1000] {
            let secret = vec![b's'; length];
            let library = Hmac::<Sha256>::new_from_slice(&secret).expect("any length");
            assert_eq!(
                keyed(&secret).chain_update("text").finalize().into_bytes(),
                library.chain_update("text").finalize().into_bytes()
            );
        }
    }

    #[test]
    fn what_a_client_may_send() {
        assert_eq!(&sticky_cookie(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        assert_eq!(&sticky_cookie(1), b"0000000000000001");
        assert_eq!(sticky_id_of(b"0123456789abcdef"), Some(0x0123_4567_89ab_cdef));
        assert_eq!(sticky_id_of(b"ffffffffffffffff"), Some(u64::MAX));
        for junk in [
            "",
            "1",
            "0000000000000000",
            "0123456789ABCDEF",
            "0123456789abcde",
            "0123456789abcdef0",
            "+123456789abcdef",
            " 123456789abcdef",
            "0x23456789abcdef",
            "01234567-9abcdef",
            "éééééééé",
        ] {
            assert_eq!(sticky_id_of(junk.as_bytes()), None, "{junk}");
        }
    }

    proptest! {
        #[test]
        fn a_cookie_is_read_as_it_was_written(id in 1..=u64::MAX) {
            prop_assert_eq!(sticky_id_of(&sticky_cookie(id)), Some(id));
        }

        #[test]
        fn anything_else_is_junk(cookie in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(id) = sticky_id_of(&cookie) {
                prop_assert_eq!(sticky_cookie(id).to_vec(), cookie);
            }
        }

        #[test]
        fn every_word_counts_and_no_text_passes_for_its_neighbours(
            one in prop::array::uniform4("[a-c/]{0,3}"),
            other in prop::array::uniform4("[a-c/]{0,3}"),
        ) {
            let id = |words: &[String; 4]| sticky_id(&words[0], &words[1], &words[2], &words[3]);
            prop_assert_eq!(one == other, id(&one) == id(&other));
        }
    }
}
