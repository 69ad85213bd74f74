//! Any file in the place of a state: no panic, what is accepted is read again from what is written
//! of it, a reason stays on its line.

#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use saved_state::{SavedMap, SavedState, StateError};

fuzz_target!(|input: &[u8]| {
    check(input, SavedState::parse, SavedState::encode);
    check(input, SavedMap::parse, SavedMap::encode);
    // No input is likely to come with the checksum that leads further.
    let rest = match input.iter().position(|&byte| byte == b'\n') {
        Some(end) if input.starts_with(b"etcd-") => &input[end + 1..],
        _ => input,
    };
    check(&signed("etcd-upstream-peers", 2, rest), SavedState::parse, SavedState::encode);
    check(&signed("etcd-map", 1, rest), SavedMap::parse, SavedMap::encode);
});

/// What follows, behind a first line that fits it.
fn signed(magic: &str, version: u32, rest: &[u8]) -> Vec<u8> {
    let crc32 = crc32fast::hash(&[version.to_string().as_bytes(), rest].concat());
    let first_line = format!("{magic} {version} crc32={crc32:08x} bytes={}\n", rest.len());
    [first_line.as_bytes(), rest].concat()
}

fn check<T: Debug + PartialEq>(
    bytes: &[u8],
    parse: fn(&[u8]) -> Result<T, StateError>,
    encode: fn(&T) -> Result<Vec<u8>, StateError>,
) {
    match parse(bytes) {
        Ok(state) => {
            let written = encode(&state).expect("an input is far below the greatest length");
            assert_eq!(parse(&written), Ok(state));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
}
