//! Files that one process reads and replaces for others, who may not.
//!
//! nginx's master runs as root, its workers do not; and the master sleeps until it gets a signal.
//! What a worker needs of root's files while it runs, a third process does for it: [`serve`], in a
//! process that the master has forked, with a [`Table`] of the files that it may access. A worker
//! has a [`Client`] with the same table. It names a file by its index there, so that nothing a
//! worker says can make the server access another.
//!
//! Where there is no need for that process, because both are the same user, the [`Client`] does the
//! same itself.
//!
//! Symbolic links are resolved by `openat2` with `RESOLVE_NO_SYMLINKS`, one link after another.
//! Where the kernel is older than Linux 5.6, or a filter of system calls refuses it, names are
//! opened one by one instead, by the same rule.

#![forbid(unsafe_code)]

mod client;
mod files;
mod open;
mod request;
mod server;
mod table;
mod temporary_file;

pub use client::Client;
pub use files::{MAX_READ, MAX_REPLACE, open_to_read, read, replace};
pub use server::{channel, serve};
pub use table::{Access, Table};
