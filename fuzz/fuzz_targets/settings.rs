//! Any value as settings of a group: no panic, what is accepted is accepted again, a reason stays
//! on its line.
//!
//! The first byte of the input says what the upstream has.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use upstream_settings::{GroupSettings, UpstreamSettings};

/// Bytes of a reason at most: a line of nginx's log (NGX_MAX_ERROR_STR).
const LONGEST: usize = 2_048;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fuzz_target!(|input: &[u8]| {
    let Some((&has, value)) = input.split_first() else { return };
    let upstream = UpstreamSettings {
        is_stream: has & 1 != 0,
        check: (has & 2 != 0).then(|| words("http uri=/up status=200 mandatory")),
        drain: (has & 4 != 0).then(|| words("timeout=$time spread=7s on=remove")),
        has_sticky: has & 8 != 0,
        is_variable: Arc::new(|name| name.starts_with("arg_")),
    };
    match GroupSettings::parse(value, &upstream) {
        Ok(settings) => assert_eq!(GroupSettings::parse(value, &upstream), Ok(settings)),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains(char::is_control) && text.len() < LONGEST, "{text:?}");
        }
    }
});
