//! What becomes of memory: it comes back, it is not left with secrets, and any can be read.

use std::sync::atomic::{AtomicU64, Ordering};

use live_map::{Full, Kind, MapWriter, Name, SharedMap, Tag, bytes_for, words_for};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

fn zeroes(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

fn name(text: &str) -> Name<'_> {
    Name::exact(text.as_bytes()).expect("short")
}

fn get(map: SharedMap<'_>, text: &str) -> Option<Vec<u8>> {
    map.get(&name(text), |found| found.to_vec()).expect("nobody writes")
}

fn bytes(words: &[AtomicU64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
}

/// Words from the first to the last one that is not 0, of the cells alone.
fn touched(words: &[AtomicU64]) -> usize {
    let cells = &words[..24 + (words.len() - 24) / 9 * 8];
    cells.iter().rposition(|word| word.load(Ordering::Relaxed) != 0).unwrap_or_default()
}

#[test]
fn a_hundred_rounds_of_everything_leave_no_trace() {
    const ENTRIES: usize = 2_000;
    let words = zeroes(1 << 17);
    let mut writer = MapWriter::take_over(&words, false);
    let mut figures = None;
    for round in 0..100_usize {
        for number in 0..ENTRIES {
            // Of other lengths in each round, and of the same in all of them together.
            let length = (number * 7 + round * 11) % 200;
            let text = format!("{}.example.com", (number + round * 40) % ENTRIES * 10);
            let value = vec![round as u8; length];
            assert!(writer.put(&name(&text), &value).is_ok(), "{round} {number}");
        }
        if round % 10 == 9 {
            writer = MapWriter::take_over(&words, false);
        }
        if round % 7 == 6 {
            for number in 0..ENTRIES {
                assert!(writer.delete(&name(&format!("{}.example.com", number * 10))));
            }
            assert_eq!((writer.len(), writer.bytes_used()), (0, 0));
            continue;
        }
        let lengths = (0..ENTRIES).map(|number| (number * 7 + round * 11) % 200);
        let texts = (0..ENTRIES)
            .map(|number| format!("{}.example.com", (number + round * 40) % ENTRIES * 10));
        let expected: usize =
            texts.zip(lengths).map(|(text, length)| bytes_for(&name(&text), length)).sum();
        assert_eq!((writer.len(), writer.bytes_used()), (ENTRIES, expected));
        let first = *figures.get_or_insert((expected, touched(&words)));
        // Memory that was never needed is not touched: those that wait to be reused are few.
        assert!(
            touched(&words) < first.1 * 5 / 4,
            "{} words, {} at first",
            touched(&words),
            first.1
        );
    }
}

/// Whatever the sizes of those before, what is left can be had by one.
#[test]
fn all_that_is_left_is_left_for_one() {
    let words = zeroes(1 << 15);
    let mut writer = MapWriter::take_over(&words, false);
    let texts: Vec<String> = (0..600).map(|number| format!("host-{number}")).collect();
    for round in 0..20_usize {
        for (number, text) in texts.iter().enumerate() {
            let _ = writer.put(&name(text), &vec![b'v'; (number * 31 + round * 17) % 300]);
            if (number + round) % 3 == 0 {
                writer.delete(&name(&texts[(number * 7) % texts.len()]));
            }
        }
        let left = writer.bytes_total() - writer.bytes_used();
        let one = name("one");
        let length = (0..left).rev().find(|&length| bytes_for(&one, length) <= left);
        let length = length.expect("some room");
        assert_eq!(writer.put(&one, &vec![1; length]), Ok(true));
        assert_eq!(writer.bytes_total() - writer.bytes_used(), left - bytes_for(&one, length));
        assert_eq!(get(writer.map(), "one"), Some(vec![1; length]));
        assert!(writer.delete(&one));
    }
}

#[test]
fn a_full_map_leaves_its_entries_whole_and_takes_changes() {
    let words = zeroes(24 + 9 * 320);
    let mut writer = MapWriter::take_over(&words, false);
    let texts: Vec<String> = (0..400).map(|number| format!("host-{number}.example.com")).collect();
    let mut there = 0;
    for text in &texts {
        match writer.put(&name(text), b"service-1") {
            Ok(is_new) => {
                assert!(is_new);
                there += 1;
            }
            Err(full) => assert_eq!(full, Full { needed: 64, left: 0 }),
        }
    }
    assert_eq!((there, writer.len()), (310, 310));
    assert_eq!(writer.bytes_used(), writer.bytes_total());
    for round in 2..9 {
        for text in &texts[..there] {
            let value = format!("service-{round}");
            assert_eq!(writer.put(&name(text), value.as_bytes()), Ok(true));
            assert_eq!(get(writer.map(), text), Some(value.into_bytes()));
        }
        let text = &texts[0];
        let error = writer.put(&name(text), &[b'v'; 100]).expect_err("full");
        assert_eq!(error, Full { needed: 128 + 64, left: 64 });
        assert_eq!(get(writer.map(), text), Some(format!("service-{round}").into_bytes()));
        assert!(writer.put(&name("another"), b"").is_err());
    }
    assert!(writer.delete(&name(&texts[7])));
    assert_eq!(writer.put(&name("another"), b""), Ok(true));
    let error = Full { needed: 128, left: 64 };
    assert_eq!(error.to_string(), "no space for the value: 128 bytes are needed, 64 are left");
}

#[test]
fn memory_of_a_size_has_room_for_as_much() {
    for entries in (0..200).chain([1_000, 100_000]) {
        let text = |number: usize| format!("host-{number:06}.acme.com");
        let each = bytes_for(&name(&text(0)), 10);
        assert_eq!(each, 64);
        for (words, expected) in [
            (words_for(entries * each), entries),
            (words_for(entries * each).saturating_sub(1), entries.saturating_sub(1)),
        ] {
            let words = zeroes(words);
            assert_eq!(SharedMap::new(&words).bytes_total(), expected * each, "{entries}");
        }
        if entries > 1_000 {
            continue;
        }
        let words = zeroes(words_for(entries * each));
        let mut writer = MapWriter::take_over(&words, false);
        for number in 0..entries {
            assert_eq!(writer.put(&name(&text(number)), b"service-42"), Ok(true));
        }
        assert!(writer.put(&name(&text(entries)), b"service-42").is_err());
    }
}

#[test]
fn too_little_memory_is_an_empty_map() {
    for count in 0..40 {
        let words = zeroes(count);
        let mut writer = MapWriter::take_over(&words, true);
        let has_room = writer.put(&name("a"), b"1").is_ok();
        assert_eq!(has_room, count >= 24 + 9);
        writer.publish(Tag { source: 1, revision: 2 });
        assert_eq!(SharedMap::new(&words).generation(), u64::from(has_room));
        assert_eq!(get(writer.map(), "a").is_some(), has_room);
        assert_eq!(writer.delete(&name("a")), has_room);
        writer.clear();
        assert_eq!((writer.len(), writer.entries().count()), (0, 0));
        assert_eq!(writer.map().get_host(b"a.b", |_| ()), Ok(None));
    }
}

#[test]
fn the_longest_name_and_value_are_taken_and_no_longer_ones() {
    let words = zeroes(words_for(3 << 20));
    let mut writer = MapWriter::take_over(&words, false);
    let text = "a".repeat(live_map::MAX_NAME);
    let value: Vec<u8> = (0..live_map::MAX_VALUE).map(|number| (number % 251) as u8).collect();
    assert_eq!(writer.put(&name(&text), &value), Ok(true));
    assert!(get(writer.map(), &text).is_some_and(|found| found == value));
    assert!(writer.put(&name(&text), &vec![1; live_map::MAX_VALUE + 1]).is_err());
    assert!(writer.entries().next().is_some_and(|entry| entry.value == value));
    assert!(Name::exact("a".repeat(live_map::MAX_NAME + 1).as_bytes()).is_none());
    // What is cut is whole up to there.
    let mut into = [0; 1_001];
    let copy = writer.map().get(&name(&text), |found| found.copy_to(&mut into));
    assert!(copy == Ok(Some(())) && into[..] == value[..1_001]);
}

fn has(words: &[AtomicU64], text: &[u8]) -> bool {
    bytes(words).windows(text.len()).any(|window| window == text)
}

#[test]
fn secrets_are_overwritten() {
    let secret = |number: usize| format!("-----SECRET-{number}-{}", "key ".repeat(number * 40));
    for is_secret in [true, false] {
        let words = zeroes(1 << 13);
        let mut writer = MapWriter::take_over(&words, is_secret);
        for round in 0..4 {
            writer.put(&name("example.com"), secret(round).as_bytes()).expect("room");
            writer.put(&name("example.org"), secret(9 - round).as_bytes()).expect("room");
            for other in 0..10 {
                let is_there = other == round || other == 9 - round;
                let begin = format!("-----SECRET-{other}-");
                // Others may be there only where they are no secrets.
                let is_left = has(&words, begin.as_bytes());
                assert!(is_left == is_there || (is_left && !is_secret), "{round} {other}");
            }
        }
        writer.delete(&name("example.com"));
        writer.clear();
        assert_eq!(has(&words, b"-----SECRET"), !is_secret);
        assert_eq!(has(&words, b"key key"), !is_secret);
        assert_eq!(has(&words, b"example"), !is_secret);
        // What another one left behind, who may have been killed in the middle, goes as well.
        let other = MapWriter::take_over(&words, true);
        assert!(other.is_empty() && !has(&words, b"-----SECRET") && !has(&words, b"example"));
    }
}

#[test]
fn entries_can_be_copied_to_memory_of_another_size() {
    let (small, large) = (zeroes(2_000), zeroes(1 << 15));
    let mut writer = MapWriter::take_over(&small, false);
    for (kind, text) in [(Kind::Exact, "a.b"), (Kind::Head, "a.b"), (Kind::Tail, "a")] {
        let name = Name::new(kind, text.as_bytes()).expect("short");
        writer.put(&name, text.repeat(30).as_bytes()).expect("room");
    }
    let mut other = MapWriter::take_over(&large, false);
    for entry in SharedMap::new(&small).entries().expect("nobody writes") {
        let name = entry.name().expect("short");
        assert_eq!(other.put(&name, &entry.value), Ok(true));
    }
    let mut copies = [writer, other].map(|writer| writer.entries().collect::<Vec<_>>());
    for copy in &mut copies {
        copy.sort_by(|one, other| (one.kind, &one.text).cmp(&(other.kind, &other.text)));
    }
    assert!(copies[0] == copies[1] && copies[0].len() == 3);
}

/// Whatever the words are: a lookup ends, and who takes over has a map that works.
fn check_any(words: &[AtomicU64], texts: &[String]) {
    let map = SharedMap::new(words);
    let look = || {
        for text in texts {
            let mut into = [0; 100];
            let _ = map.get(&name(text), |found| found.copy_to(&mut into));
            let _ = map.get_host(text.as_bytes(), |found| found.to_vec());
        }
        let _ = map.entries();
        let _ = (map.generation(), map.tag(), map.len(), map.bytes_used(), map.bytes_total());
    };
    look();
    let mut writer = MapWriter::take_over(words, false);
    look();
    let before: Vec<_> = writer.entries().collect();
    assert_eq!(before.len(), writer.len());
    let used: usize = before
        .iter()
        .map(|entry| bytes_for(&entry.name().expect("a name"), entry.value.len()))
        .sum();
    assert_eq!(writer.bytes_used(), used);
    for text in texts {
        let value = text.repeat(9).into_bytes();
        if writer.put(&name(text), &value).is_ok() {
            assert_eq!(get(map, text), Some(value));
        }
    }
    writer.clear();
    assert_eq!((writer.len(), writer.bytes_used()), (0, 0));
    for text in texts {
        assert_eq!(writer.put(&name(text), text.as_bytes()), Ok(true));
        assert_eq!(get(map, text).as_deref(), Some(text.as_bytes()));
    }
}

fn texts() -> Vec<String> {
    (0..12).map(|number| format!("{}.a.example.com", "x".repeat(number * 6))).collect()
}

proptest! {
    #[test]
    fn any_words_can_be_read_and_taken_over(values in vec(any::<u64>(), 0..2_000)) {
        let words: Vec<AtomicU64> = values.into_iter().map(AtomicU64::new).collect();
        if words.len() > 24 + 9 * 40 {
            check_any(&words, &texts());
        }
    }

    /// Links that lead in circles and to the middle of others, in what passes for a map.
    #[test]
    fn a_map_that_was_written_to_can_be_read_and_taken_over(
        changes in vec((any::<Index>(), any::<Index>(), 0..3_u8, any::<u64>()), 0..60),
    ) {
        let words = zeroes(24 + 9 * 120);
        let mut writer = MapWriter::take_over(&words, false);
        for text in texts() {
            writer.put(&name(&text), text.repeat(5).as_bytes()).expect("room");
            let mask = Name::new(Kind::Head, text.as_bytes()).expect("short");
            writer.put(&mask, b"1").expect("room");
        }
        for (at, other, how, any) in changes {
            // Not the first word, without which it would be no map.
            let at = 1 + at.index(words.len() - 1);
            let value = match how {
                0 => any,
                1 => other.get(&words).load(Ordering::Relaxed),
                _ => words[at].load(Ordering::Relaxed) ^ 1 << (any % 64),
            };
            words[at].store(value, Ordering::Relaxed);
        }
        check_any(&words, &texts());
    }
}
