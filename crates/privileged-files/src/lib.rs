//! Files that one process reads and replaces for others, who may not.
//!
//! nginx's master runs as root, its workers do not; and the master sleeps until it gets a signal.
//! What a worker needs of root's files while it runs, a third process does for it: [`serve`], in a
//! process that the master has forked, with a [`Table`] of the files that it may touch. A worker
//! has a [`Client`] with the same table. It names a file by its place there, so that nothing a
//! worker says can make the server touch another.
//!
//! Where there is no need for that process, because both are the same user, the [`Client`] does the
//! same itself.

#![forbid(unsafe_code)]

mod client;
mod request;
mod server;
mod table;
mod temporary;
mod touch;
mod walk;

pub use client::Client;
pub use server::{channel, serve};
pub use table::{Access, Table};
pub use touch::{MAX_READ, MAX_REPLACE, read, replace};
