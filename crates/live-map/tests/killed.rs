//! A writer that is killed at any moment leaves whole entries, and its successor goes on without a
//! loss.
#![cfg(not(loom))]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::process::parent_id;
use std::process::{Command, Stdio};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use live_map::{Entry, Kind, MapWriter, Name, SharedMap, Tag, bytes_for};

/// The environment's word for a process that is to write, and whether secrets.
const WRITES: &str = "LIVE_MAP_WRITES";

/// For 300 cells, which the entries nearly fill.
const WORDS: usize = 24 + 9 * 300;

const NAMES: u64 = 60;

/// What values begin with.
const BEGIN: &[u8; 8] = b"SECRET: ";

/// Words in memory that processes share.
fn map(descriptor: BorrowedFd<'_>) -> &'static [AtomicU64] {
    let length = WORDS * size_of::<AtomicU64>();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping is asked for, at whatever address is free.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            protection,
            libc::MAP_SHARED,
            descriptor.as_raw_fd(),
            0,
        )
    };
    assert_ne!(address, libc::MAP_FAILED);
    // SAFETY: the memory has this length, is aligned to a page, begins as zeroes, and is never
    // unmapped. All processes use it as atomics.
    unsafe { slice::from_raw_parts(address.cast::<AtomicU64>(), WORDS) }
}

/// A file without a name for the words.
fn shared() -> File {
    // SAFETY: the name is a string that ends with a zero byte.
    let descriptor = unsafe { libc::memfd_create(c"map".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(descriptor >= 0);
    // SAFETY: the descriptor was just made, and is nobody else's.
    let file = unsafe { File::from_raw_fd(descriptor) };
    file.set_len((WORDS * size_of::<AtomicU64>()) as u64).expect("room");
    file
}

fn text(number: u64) -> String {
    format!("{number}.{}com", "example.".repeat(number as usize % 9))
}

fn name(number: u64, text: &str) -> Name<'_> {
    let kinds = [Kind::Exact, Kind::Head, Kind::Dot, Kind::Tail];
    Name::new(kinds[number as usize % 4], text.as_bytes()).expect("short")
}

/// Of a length that only this one has, so that a mixture would show.
fn value(number: u64, version: u64) -> Vec<u8> {
    let length = (number * 13 + version * 7) as usize % 250;
    let filling = b'a' + ((number + version) % 26) as u8;
    [&BEGIN[..], &version.to_le_bytes(), &vec![filling; length]].concat()
}

/// The version of an entry, which is whole.
fn check_entry(entry: &Entry) -> u64 {
    let label = entry.text.split(|&byte| byte == b'.').next().expect("a label");
    let number: u64 = str::from_utf8(label).expect("text").parse().expect("a number");
    let text = text(number);
    assert_eq!((entry.kind, &*entry.text), (name(number, &text).kind(), text.as_bytes()));
    let version = entry.value.get(8..).and_then(|rest| rest.first_chunk());
    let version = version.map(|bytes| u64::from_le_bytes(*bytes)).expect("a version");
    assert!(entry.value == value(number, version), "{number}, version {version}");
    version
}

/// The last version that is there, once all are known to be whole; `None` where the writer is too
/// fast for this reader.
fn check(map: SharedMap<'_>) -> Option<u64> {
    let entries = map.entries().ok()?;
    Some(entries.iter().map(check_entry).max().unwrap_or_default())
}

/// Changes of which some replace, some remove, and some find no room. It ends where the test has
/// failed that would have killed it.
fn write(words: &'static [AtomicU64], is_secret: bool) {
    let mut writer = MapWriter::take_over(words, is_secret);
    let mut version = check(writer.map()).expect("nobody else writes");
    let parent = parent_id();
    while !version.is_multiple_of(4_096) || parent_id() == parent {
        version += 1;
        let number = version.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let (number, text) = (number % NAMES, text(number % NAMES));
        match version % 16 {
            0 | 5 => _ = writer.delete(&name(number, &text)),
            7 => writer.publish(Tag { source: 1, revision: version }),
            9 if version % 4_096 == 9 => writer.clear(),
            _ => _ = writer.put(&name(number, &text), &value(number, version)),
        }
    }
}

/// Not a test of its own: the others run it as a process that writes to the memory at its standard
/// input until it is killed.
#[test]
fn process_that_only_writes() {
    let Some(what) = std::env::var_os(WRITES) else { return };
    write(map(std::io::stdin().as_fd()), what == "secrets");
}

/// What the next writer finds is all there is: nothing is lost, nothing is left.
fn check_successor(words: &'static [AtomicU64], is_secret: bool) -> u64 {
    let before: BTreeMap<_, _> = SharedMap::new(words)
        .entries()
        .expect("nobody writes")
        .into_iter()
        .map(|entry| ((entry.kind, entry.text), entry.value))
        .collect();
    let mut writer = MapWriter::take_over(words, is_secret);
    let entries: Vec<Entry> = writer.entries().collect();
    assert_eq!((entries.len(), writer.len()), (before.len(), before.len()));
    let mut used = 0;
    for entry in &entries {
        assert_eq!(before.get(&(entry.kind, entry.text.clone())), Some(&entry.value));
        used += bytes_for(&entry.name().expect("short"), entry.value.len());
    }
    assert_eq!(writer.bytes_used(), used);
    // All else can be had.
    let left = writer.bytes_total() - used;
    let one = Name::exact(b"one").expect("short");
    if let Some(length) = (0..left).rev().find(|&length| bytes_for(&one, length) <= left) {
        assert_eq!(writer.put(&one, &vec![0; length]), Ok(true));
        assert!(writer.delete(&one));
    }
    if is_secret {
        let begin = u64::from_le_bytes(*BEGIN);
        let found = words.iter().filter(|word| word.load(Ordering::Relaxed) == begin).count();
        assert_eq!(found, entries.len(), "secrets that no entry has");
    }
    entries.iter().map(check_entry).max().unwrap_or_default()
}

fn readers_find_whole_entries_while_writers_are_killed(is_secret: bool) {
    const ROUNDS: u32 = 150;
    let descriptor = shared();
    let words = map(descriptor.as_fd());
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().expect("this"))
            .args(["--exact", "process_that_only_writes"])
            .env(WRITES, if is_secret { "secrets" } else { "values" })
            .stdin(descriptor.try_clone().expect("a descriptor"))
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        let began = Instant::now();
        if round % 4 == 3 {
            // Perhaps while it takes over, perhaps before it does anything.
            let some = Duration::from_micros(500 + u64::from(round) * 20);
            while began.elapsed() < some {
                check(SharedMap::new(words));
            }
        } else {
            while check(SharedMap::new(words)).is_none_or(|version| version <= last) {
                assert!(began.elapsed() < Duration::from_secs(20), "it does not write");
            }
            let seen = Instant::now();
            while seen.elapsed() < Duration::from_micros(u64::from(round) * 5) {
                check(SharedMap::new(words));
            }
        }
        writer.kill().expect("killed");
        writer.wait().expect("ended");
        last = check_successor(words, is_secret);
    }
    assert!(SharedMap::new(words).generation() > 0);
}

#[test]
fn readers_find_whole_values_while_writers_are_killed() {
    readers_find_whole_entries_while_writers_are_killed(false);
}

#[test]
fn nothing_is_left_of_secrets_whose_writers_are_killed() {
    readers_find_whole_entries_while_writers_are_killed(true);
}
