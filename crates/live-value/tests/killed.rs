//! A writer that is killed at any moment leaves a whole value, and its successor goes on.
#![cfg(not(loom))]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use live_value::{Tag, ValueCell};

/// The environment's word for a process that is to write.
const WRITES: &str = "LIVE_VALUE_WRITES";

const WORDS: usize = 512;

/// A cell in memory that processes share.
fn map(descriptor: BorrowedFd<'_>) -> &'static ValueCell<WORDS> {
    let length = size_of::<ValueCell<WORDS>>();
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
    // SAFETY: the memory is as long as a cell, aligned to a page, begins as zeroes, and is never
    // unmapped. All that is in a cell are atomics.
    unsafe { &*address.cast::<ValueCell<WORDS>>() }
}

/// A file without a name that is as long as a cell.
fn shared() -> File {
    // SAFETY: the name is a string that ends with a zero byte.
    let descriptor = unsafe { libc::memfd_create(c"cell".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(descriptor >= 0);
    // SAFETY: the descriptor was just made, and is nobody else's.
    let file = unsafe { File::from_raw_fd(descriptor) };
    file.set_len(size_of::<ValueCell<WORDS>>() as u64).expect("room");
    file
}

fn value(revision: u64) -> Vec<u8> {
    // Of different lengths, so that a length of one value with the words of another would show.
    vec![b'a' + (revision % 26) as u8; 3_000 + (revision % 1_000) as usize]
}

/// The revision of the value, once that is known to be whole; `None` where the writer is too fast
/// for this reader.
fn check(cell: &ValueCell<WORDS>) -> Option<u64> {
    let mut into = [0; WORDS * 8];
    let reading = cell.read(&mut into).ok()?;
    let revision = reading.tag.revision;
    match reading.length {
        Some(length) => assert!(into[..length] == value(revision), "revision {revision}"),
        None => assert_eq!(revision, 0),
    }
    Some(revision)
}

/// Not a test of its own: the other one runs it as a process that writes to the memory at its
/// standard input until it is killed.
#[test]
fn process_that_only_writes() {
    if std::env::var_os(WRITES).is_none() {
        return;
    }
    let cell = map(std::io::stdin().as_fd());
    let mut revision = check(cell).expect("nobody else writes");
    loop {
        revision += 1;
        cell.write(Some(&value(revision)), Tag { source: 1, revision });
        // Where a write takes no longer than a read, writes without a pause would leave no reading
        // whole.
        if revision.is_multiple_of(4) {
            let written = Instant::now();
            while written.elapsed() < Duration::from_micros(20) {
                std::hint::spin_loop();
            }
        }
    }
}

#[test]
fn readers_find_whole_values_while_writers_are_killed() {
    const ROUNDS: u32 = 200;
    let descriptor = shared();
    let cell = map(descriptor.as_fd());
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
        while check(cell).is_none_or(|revision| revision == last) {
            assert!(began.elapsed() < Duration::from_secs(20), "it does not write");
        }
        let seen = Instant::now();
        while seen.elapsed() < Duration::from_micros(u64::from(round) * 5) {
            check(cell);
        }
        writer.kill().expect("killed");
        writer.wait().expect("ended");
        last = check(cell).expect("nobody writes any more");
    }
    assert!(last > u64::from(ROUNDS));
}
