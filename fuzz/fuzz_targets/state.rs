//! Any file in the place of a state: no panic, what is accepted is read again from what is written
//! of it, a reason stays on its line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use peer_state::SavedState;

fuzz_target!(|input: &[u8]| {
    check(input);
    // No input is likely to come with the checksum that leads further.
    let rest = match input.iter().position(|&byte| byte == b'\n') {
        Some(end) if input.starts_with(b"etcd-upstream-peers ") => &input[end + 1..],
        _ => input,
    };
    let crc32 = crc32fast::hash(&[b"2", rest].concat());
    let first_line = format!("etcd-upstream-peers 2 crc32={crc32:08x} bytes={}\n", rest.len());
    check(&[first_line.as_bytes(), rest].concat());
});

fn check(bytes: &[u8]) {
    match SavedState::parse(bytes) {
        Ok(state) => {
            let written = state.encode().expect("an input is far below the greatest length");
            assert_eq!(SavedState::parse(&written), Ok(state));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
}
