//! Readers beside a writer see whole values that were current while they looked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use live_map::hosts::parse;
use live_map::{Kind, MapWriter, Name, SharedMap, TornRead};

fn zeroes(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

fn text(number: u64) -> String {
    format!("{number}.{}example.com", "sub.".repeat(number as usize % 8))
}

/// The value of a version: of a length of its own, so that a mixture would show.
fn value(number: u64, version: u64) -> Vec<u8> {
    let mut value = version.to_le_bytes().to_vec();
    let filling = (number ^ version) as u8;
    value.resize(8 + (number * 13 + version * 7) as usize % 150, filling);
    value
}

/// The version of a value, which is whole.
fn version(number: u64, found: &[u8]) -> u64 {
    let version = found.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).expect("8 bytes");
    assert_eq!(found, value(number, version), "{number}, version {version}");
    version
}

/// Runs readers beside a writer until all readers have looked so often.
fn side_by_side(looks: u64, read: impl Fn(u64) + Sync, mut write: impl FnMut(u64) + Send) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut round = 0;
            while !is_over.load(Ordering::Relaxed) {
                round += 1;
                write(round);
            }
        });
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(|| (0..looks).for_each(&read))).collect();
        let read = readers.into_iter().map(|reader| reader.join()).collect::<Vec<_>>();
        is_over.store(true, Ordering::Relaxed);
        writing.join().expect("the writer");
        read.into_iter().for_each(|read| read.expect("a reader"));
    });
}

fn values_are_whole_and_current(is_secret: bool) {
    const NAMES: u64 = 30;
    // Room for little more than all, so that memory is reused all the time.
    let words = zeroes(24 + 9 * 125);
    // What the reader must see at least, of each name.
    let least: Vec<AtomicU64> = zeroes(NAMES as usize);
    let mut writer = MapWriter::take_over(&words, is_secret);
    let map = SharedMap::new(&words);
    let names: Vec<String> = (0..NAMES).map(text).collect();
    for (number, text) in names.iter().enumerate() {
        let name = Name::exact(text.as_bytes()).expect("short");
        writer.put(&name, &value(number as u64, 0)).expect("room");
    }
    let seen = AtomicU64::new(0);
    side_by_side(
        60_000,
        |look| {
            let number = look % NAMES;
            let at_least = least[number as usize].load(Ordering::Acquire);
            let name = Name::exact(names[number as usize].as_bytes()).expect("short");
            let found = if look % 3 == 0 {
                map.get_host(name.text(), |found| found.to_vec())
            } else {
                map.get(&name, |found| found.to_vec())
            };
            // Too much was written: that is not wrong.
            let Ok(found) = found else { return };
            if let Some(found) = found {
                seen.fetch_add(1, Ordering::Relaxed);
                assert!(version(number, &found) >= at_least);
            }
        },
        |round| {
            let number = round * 7 % NAMES;
            let name = Name::exact(names[number as usize].as_bytes()).expect("short");
            if round % 5 == 0 {
                writer.delete(&name);
            } else if writer.put(&name, &value(number, round)).is_ok() {
                least[number as usize].store(round, Ordering::Release);
            }
        },
    );
    assert!(seen.load(Ordering::Relaxed) > 10_000);
    for entry in writer.entries() {
        let number = names.iter().position(|name| name.as_bytes() == entry.text).expect("a name");
        version(number as u64, &entry.value);
    }
}

#[test]
fn readers_see_whole_and_current_values() {
    values_are_whole_and_current(false);
}

#[test]
fn readers_see_whole_and_current_secrets() {
    values_are_whole_and_current(true);
}

/// There is a name or a mask for it at any time; that both are looked for one after the other does
/// not make the host one without.
#[test]
fn a_host_whose_name_and_mask_take_turns_is_never_without() {
    let words = zeroes(24 + 9 * 64);
    let mut writer = MapWriter::take_over(&words, false);
    let keys = ["www.example.com", "*.example.com", ".com", "www.*", ".www.example.com"];
    let names = keys.map(|key| parse(key.as_bytes()).expect("a name"));
    writer.put(&names[0], b"0").expect("room");
    let map = SharedMap::new(&words);
    let torn = AtomicU64::new(0);
    side_by_side(
        100_000,
        |_| match map.get_host(b"www.example.com", |_| ()) {
            Ok(found) => assert_eq!(found, Some(())),
            Err(TornRead) => {
                torn.fetch_add(1, Ordering::Relaxed);
            }
        },
        |round| {
            let [gone, next] = [round - 1, round].map(|round| names[round as usize % names.len()]);
            writer.put(&next, &round.to_le_bytes()).expect("room");
            writer.delete(&gone);
        },
    );
    // Nobody writes that fast for that long, but for a reader that is not let run now and then.
    assert!(torn.load(Ordering::Relaxed) < 30_000, "{torn:?}");
}

/// What was there all the time is in each list.
#[test]
fn lists_have_what_stays() {
    let words = zeroes(24 + 9 * 200);
    let mut writer = MapWriter::take_over(&words, false);
    for number in 0..20 {
        let text = text(number);
        let name = Name::new(Kind::Head, text.as_bytes()).expect("short");
        writer.put(&name, &value(number, 1)).expect("room");
    }
    let map = SharedMap::new(&words);
    side_by_side(
        1_000,
        |_| {
            let Ok(entries) = map.entries() else { return };
            let staying = entries.iter().filter(|entry| entry.kind == Kind::Head);
            assert_eq!(staying.count(), 20);
            for entry in entries {
                let number = entry.text.split(|&byte| byte == b'.').next().expect("a label");
                let number = str::from_utf8(number).expect("text").parse().expect("a number");
                version(number, &entry.value);
            }
        },
        |round| {
            let number = round % 25;
            let text = text(number);
            let name = Name::exact(text.as_bytes()).expect("short");
            if round % 3 == 0 {
                writer.delete(&name);
            } else {
                let _ = writer.put(&name, &value(number, round));
            }
        },
    );
}

/// A reader that never comes through says so, instead of reading for ever.
#[test]
fn a_reader_that_is_always_disturbed_gives_up() {
    let words = zeroes(24 + 9 * 64);
    let mut writer = MapWriter::take_over(&words, true);
    let name = Name::exact(b"a").expect("short");
    writer.put(&name, b"1").expect("room");
    let map = SharedMap::new(&words);
    let began = Instant::now();
    let mut round = 0_u64;
    let disturbed = map.get(&name, |_| {
        round += 1;
        writer.put(&name, &round.to_le_bytes()).expect("room");
    });
    assert_eq!((disturbed, round), (Err(TornRead), 100));
    let disturbed = map.get_host(b"a", |_| {
        round += 1;
        writer.put(&name, &round.to_le_bytes()).expect("room");
    });
    assert_eq!((disturbed, round), (Err(TornRead), 200));
    assert!(began.elapsed() < Duration::from_secs(20));
}
