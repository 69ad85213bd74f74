//! A writer that is killed at any moment leaves whole changes, and its successor goes on.
#![cfg(not(loom))]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use change_history::{Cause, Change, ChangedKeys, History, Record};

/// The environment's word for a process that is to write.
const WRITES: &str = "CHANGE_HISTORY_WRITES";

const BYTES: usize = History::WORDS * size_of::<u64>();

/// A history in memory that processes share.
fn map(descriptor: BorrowedFd<'_>) -> History<'static> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping is asked for, at whatever address is free.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            BYTES,
            protection,
            libc::MAP_SHARED,
            descriptor.as_raw_fd(),
            0,
        )
    };
    assert_ne!(address, libc::MAP_FAILED);
    // SAFETY: the memory has this length, is aligned to a page, begins as zeroes, and is never
    // unmapped. All processes use it as atomics.
    let words = unsafe { std::slice::from_raw_parts(address.cast::<AtomicU64>(), History::WORDS) };
    History::new(words).expect("room")
}

/// A file without a name for a history.
fn shared() -> File {
    // SAFETY: the name is a string that ends with a zero byte.
    let descriptor = unsafe { libc::memfd_create(c"history".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(descriptor >= 0);
    // SAFETY: the descriptor was just made, and is nobody else's.
    let file = unsafe { File::from_raw_fd(descriptor) };
    file.set_len(BYTES as u64).expect("room");
    file
}

/// A key of a change, of another length than those of others, so that a mixture would show.
fn key(number: u64) -> String {
    char::from(b'a' + (number % 26) as u8).to_string().repeat(1 + (number % 240) as usize)
}

fn write(history: History<'_>, number: u64) {
    let mut keys = ChangedKeys::default();
    keys.added.push(&Arc::from(key(number)));
    keys.removed.push(&Arc::from(key(number + 1)));
    let detail = number.to_string();
    let (cause, detail) = (Cause::List, Some(&*detail));
    let change = Change { time: number, revision: number, cause, keys: &keys, detail };
    assert_eq!(history.write(&change), number);
}

fn check_record(record: &Record) {
    let number = record.number;
    assert_eq!((record.time, record.revision, record.omitted), (number, number, 0));
    assert_eq!((&record.added, &record.removed), (&vec![key(number)], &vec![key(number + 1)]));
    assert_eq!(record.detail, Some(number.to_string()));
}

/// How many changes there are; all that can be read are whole.
fn check(history: History<'_>) -> u64 {
    history.newest().for_each(|record| check_record(&record));
    history.total()
}

/// Not a test of its own: the other one runs it as a process that writes to the memory at its
/// standard input until it is killed.
#[test]
fn process_that_only_writes() {
    if std::env::var_os(WRITES).is_none() {
        return;
    }
    let history = map(std::io::stdin().as_fd());
    // One may be there that the writer before this one could not say any more to be the last.
    let last = history.total();
    let mut number = last + u64::from(history.read(last + 1).is_some());
    loop {
        number += 1;
        write(history, number);
    }
}

#[test]
fn readers_find_whole_changes_while_writers_are_killed() {
    const ROUNDS: u32 = 200;
    let descriptor = shared();
    let history = map(descriptor.as_fd());
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().expect("this"))
            .args(["--exact", "process_that_only_writes"])
            .env(WRITES, "1")
            .stdin(descriptor.try_clone().expect("a descriptor"))
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        let began = Instant::now();
        while check(history) == last {
            assert!(began.elapsed() < Duration::from_secs(20), "it does not write");
        }
        let seen = Instant::now();
        while seen.elapsed() < Duration::from_micros(u64::from(round) * 5) {
            check(history);
        }
        writer.kill().expect("killed");
        writer.wait().expect("ended");
        let total = check(history);
        assert!(total > last);
        // Wherever the writer was, the last changes are all there.
        let numbers: Vec<u64> = history.newest().map(|record| record.number).collect();
        let first = total.saturating_sub(History::CAPACITY as u64) + 1;
        assert_eq!(numbers, (first..=total).rev().collect::<Vec<u64>>());
        last = total;
    }
    assert!(last > u64::from(ROUNDS));
}
