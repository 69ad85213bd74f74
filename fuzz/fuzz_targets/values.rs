//! Any key with any value: no panic, a value that is accepted reads back from what is printed of
//! it, a reason stays on its line.
//!
//! The first byte of the input is the length of the key.

#![no_main]

use libfuzzer_sys::fuzz_target;
use upstream_peers::{Labels, Overrides, Reading, Value, parse_server, parse_value};

fuzz_target!(|input: &[u8]| {
    let Some((&length, rest)) = input.split_first() else { return };
    let (key, value) = rest.split_at(rest.len().min(length.into()));
    let Ok(key) = str::from_utf8(key) else { return };
    match parse_value(key, value, &Reading::default()) {
        Ok(content) => content.into_values().into_iter().for_each(check),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});

fn check(value: Value) {
    // A name that is known to be one needs no port, and priorities are for the prefix.
    let value = Value { server: value.target.to_string(), priority: 0, ..value };
    let again = parse_value("key", value.to_json().as_bytes(), &Reading::default());
    assert_eq!(again.map(|content| content.into_values()), Ok(vec![value.clone()]));
    // nginx's syntax has no word for a flag that is off.
    let on = |flag: Option<bool>| flag.filter(|&flag| flag);
    let Overrides { backup, down, drain, .. } = value.overrides;
    let overrides = Overrides {
        backup: on(backup),
        down: on(down),
        drain: on(drain),
        ..value.overrides.clone()
    };
    let printed = value.to_string();
    let labels = Labels::default();
    let expected = Value { overrides, labels, ..value };
    assert_eq!(parse_server("key", printed.as_bytes()), Ok(expected));
}
