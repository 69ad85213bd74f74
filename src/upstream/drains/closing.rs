//! What HTTP and stream each have to know of the connections of theirs that a drain closes.

use core::ptr::NonNull;

use crate::upstream::holder::Holder;

/// How the connection of a request or a session to its peer is closed.
///
/// For all functions: the request lives and holds a peer.
pub(crate) struct Closing<R> {
    /// Whether it carries messages, of which none is the last: it is not worth waiting for an end.
    pub(crate) has_messages: unsafe fn(&Holder<R>) -> bool,
    /// Whether nginx is to read more than it can: one of the sides is slower than the other.
    pub(crate) is_behind: unsafe fn(&Holder<R>) -> bool,
    /// Whether the kernel has nothing of the peer, and has got nothing for so long (ms).
    pub(crate) is_silent: unsafe fn(&Holder<R>, u32) -> bool,
    /// Closes it; `true`: although the peer is still sending.
    ///
    /// # Safety
    ///
    /// The request is in no list any more. No reference to it or its upstream is in use: nginx may
    /// call the module for it, and end it.
    pub(crate) close: unsafe fn(NonNull<Holder<R>>, bool),
}
