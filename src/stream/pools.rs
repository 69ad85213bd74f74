//! The pools of sessions.
//!
//! nginx gives the connection of a session a pool with blocks of 256 bytes, of which what is larger
//! than 176 is allocated apart: the contexts of all modules, the variables and nginx's own part of
//! the upstream, and so is what this module keeps. In blocks of [`SIZE`] bytes most of that has
//! room: fewer allocations, fewer instructions and no more memory for each session.

use core::slice;

use ngx::ffi::{ngx_cycle_t, ngx_listening_t};

use crate::nginx::stream::is_of_stream;

/// The size of a block of a session's pool, in bytes. Found by measuring (`make bench
/// PARTS=stream,stream-memory`): with 512, a session takes 150 instructions more; with 640 or 1024,
/// 500 bytes more.
const SIZE: usize = 768;

/// Gives sessions of this process larger pools than nginx does.
///
/// # Safety
///
/// The cycle is the process's own, and no reference to one of its listening sockets is in use.
pub(super) unsafe fn enlarge(cycle: &ngx_cycle_t) {
    let listening = &cycle.listening;
    let first = listening.elts.cast::<ngx_listening_t>();
    if first.is_null() {
        return;
    }
    // SAFETY: nginx's array of them has as many; the caller's promise.
    let sockets = unsafe { slice::from_raw_parts_mut(first, listening.nelts) };
    for socket in sockets.iter_mut().filter(|socket| is_of_stream(socket)) {
        socket.pool_size = socket.pool_size.max(SIZE);
    }
}
