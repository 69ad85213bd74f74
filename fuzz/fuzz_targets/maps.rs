//! Keys and values of a map: any key as a name of hosts, which is the one that is found; any value
//! as a list with weights, of which a name with a weight is chosen. No panic, and a reason stays on
//! its line.
//!
//! The first byte of the input is the length of the key, the second one that of a host.

#![no_main]

use std::sync::atomic::AtomicU64;

use libfuzzer_sys::fuzz_target;
use live_map::{MapWriter, Name, hosts, split, words_for};

fuzz_target!(|input: &[u8]| {
    let [key, host, rest @ ..] = input else { return };
    let (key, rest) = rest.split_at(rest.len().min((*key).into()));
    let (host, value) = rest.split_at(rest.len().min((*host).into()));
    check_list(value, key);
    match hosts::parse(key) {
        Ok(name) => check_name(&name, key, host, value),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
});

fn check_list(value: &[u8], key: &[u8]) {
    let chosen = split::choose(value, key);
    match split::check(value) {
        Ok(()) => {
            // The same list, the other way round.
            let mut items: Vec<&[u8]> = value.split(|&byte| byte == b',').collect();
            items.reverse();
            assert_eq!(split::choose(&items.join(&b','), key), chosen);
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
    }
    if let Some(name) = chosen {
        assert!(value.windows(name.len()).any(|part| part == name) && !name.is_empty());
        assert!(!name.iter().any(|byte| matches!(byte, b' ' | b',') || byte.is_ascii_control()));
    }
}

fn check_name(name: &Name<'_>, key: &[u8], host: &[u8], value: &[u8]) {
    assert_eq!(name.to_key(), key);
    let words: Vec<AtomicU64> = (0..words_for(8_192)).map(|_| AtomicU64::new(0)).collect();
    let mut writer = MapWriter::take_over(&words, false);
    let Ok(is_new) = writer.put(name, value) else { return };
    assert!(is_new);
    let map = writer.map();
    let found = map.get(name, |found| found.to_vec()).expect("nobody writes");
    assert_eq!(found.as_deref(), Some(value));
    // As it reads: of the host's text and the mask's.
    let text = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
    let own = key.to_ascii_lowercase();
    let is_it = match &own[..] {
        [b'*', end @ ..] => text.ends_with(end),
        [b'.', name @ ..] => text == name || text.ends_with(&own),
        [start @ .., b'*'] => text.starts_with(start),
        name => text == name,
    };
    let found = map.get_host(host, |found| found.to_vec()).expect("nobody writes");
    assert_eq!(found.as_deref(), is_it.then_some(value), "{key:?} {host:?}");
    assert!(writer.delete(name) && writer.is_empty() && writer.bytes_used() == 0);
}
