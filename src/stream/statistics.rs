//! The figures of sessions: what becomes of each attempt at a peer is counted once, as the session
//! gives the peer back.
//!
//! A session that was connected to its peer counts as a response of class 2xx, as nginx's `$status`
//! of it is 200; its time to the header is that to the first byte, and the session's length is the
//! time of the response.

use core::mem::offset_of;

use ngx::ffi::{ngx_connection_t, ngx_peer_connection_t};
use peer_statistics::{Answer, Class, Failure, Recorder, Slot};

use super::session::{NO_TIME, SessionPeer, known};
use crate::nginx::stream::{ngx_stream_upstream_state_t, ngx_stream_upstream_t};

/// What nginx knows of the attempt at a peer.
///
/// # Safety
///
/// nginx has called `free` with this connection.
#[inline(always)]
unsafe fn attempt_of<'s>(
    connection: *mut ngx_peer_connection_t,
) -> &'s ngx_stream_upstream_state_t {
    // SAFETY: the caller's promise: the connection is a part of a session's upstream, for which
    // nginx makes a state before it asks for a peer.
    unsafe {
        let upstream = connection.byte_sub(offset_of!(ngx_stream_upstream_t, peer));
        &*(*upstream.cast::<ngx_stream_upstream_t>()).state
    }
}

/// A session that had its peer's answer, and in which nothing failed as far as can be seen at once.
pub(crate) struct Answered<'s> {
    recorder: &'s Recorder,
    connection: *mut ngx_peer_connection_t,
    slot: &'static Slot,
}

impl<'s> Answered<'s> {
    /// That of a session that gives its peer back without a failure; `None` if it is for
    /// [`count`].
    ///
    /// It calls no function, and keeps nothing that [`count`](Self::count) can look up, so that its
    /// caller saves few registers.
    ///
    /// # Safety
    ///
    /// As for the function [`count`], until this is counted, and the session holds a peer of an
    /// upstream whose figures are counted.
    #[inline(always)]
    pub(super) unsafe fn of(
        peer: &'s SessionPeer,
        connection: *mut ngx_peer_connection_t,
    ) -> Option<Self> {
        // SAFETY: the caller's promise. A connection has its events.
        let (attempt, slot) = unsafe {
            let open = (*connection).connection.as_ref()?;
            if (*open.read).error() | (*open.write).error() != 0 {
                return None;
            }
            (attempt_of(connection), peer.figures())
        };
        if attempt.first_byte_time == NO_TIME || attempt.response_time == NO_TIME {
            return None;
        }
        (!slot.may_carry(Class::SUCCESS)).then_some(Self {
            recorder: peer.upstream.recorder(),
            connection,
            slot,
        })
    }

    /// Counts it.
    #[inline(always)]
    pub(super) fn count(self) {
        let Self { recorder, connection, slot } = self;
        // SAFETY: see `of`.
        let attempt = unsafe { attempt_of(connection) };
        recorder.answered_at_once(
            slot,
            Class::SUCCESS,
            || attempt.first_byte_time as u64,
            || attempt.response_time as u64,
            || attempt.bytes_sent.cast_unsigned(),
            || attempt.bytes_received.cast_unsigned(),
        );
    }
}

/// Counts the attempt of a session that gives its peer back; `failed` says whether nginx takes it
/// for a failure of the peer's.
///
/// # Safety
///
/// nginx has called `free` for this session. No reference to nginx's data of it is in use.
pub(super) unsafe fn count(peer: &SessionPeer, failed: bool) {
    if !peer.upstream.counts() {
        return;
    }
    let (Some((index, _)), Some(attempt)) = (peer.open.place(), peer.attempt()) else { return };
    let recorder = peer.upstream.recorder();
    // SAFETY: the caller's promise. A session that asks for a peer has both connections' places.
    let (client, connection) = unsafe {
        ((*peer.open.request).connection.as_ref(), (*peer.nginx()).peer.connection.as_ref())
    };
    let [sent, received] =
        [attempt.bytes_sent, attempt.bytes_received].map(|bytes| bytes.cast_unsigned());
    if let Some(failure) = failure(peer, failed, client, connection) {
        recorder.failed(index, failure);
        recorder.transferred(index, sent, received);
        return;
    }
    let Some(first) = known(attempt.first_byte_time) else {
        recorder.transferred(index, sent, received);
        return;
    };
    let response_time = known(attempt.response_time).unwrap_or(first);
    recorder.answered(
        index,
        &Answer {
            class: Class::SUCCESS,
            header_time: first.into(),
            response_time: response_time.into(),
            sent,
            received,
        },
    );
}

/// Of which kind a failure is; `None` if there is none.
fn failure(
    peer: &SessionPeer,
    failed: bool,
    client: Option<&ngx_connection_t>,
    connection: Option<&ngx_connection_t>,
) -> Option<Failure> {
    if peer.open.is_drained() {
        return None;
    }
    // SAFETY: a connection has its events.
    let events = connection.map(|connection| unsafe { (&*connection.read, &*connection.write) });
    // SAFETY: nginx has made it for the session.
    let is_connected = unsafe { (*peer.nginx()).connected() } != 0;
    if failed {
        let has_timed_out = if is_connected {
            // UDP: an answer is missing when the timer of the session, which is the client's, has
            // run out; a port that nobody listens at is said by the kernel before that.
            // SAFETY: a connection has its events.
            client.is_some_and(|client| unsafe { (*client.write).timer_set() } == 0)
        } else {
            // nginx sets the timer of `proxy_connect_timeout` on the event of writing; a drain sets
            // the other one.
            events.is_some_and(|(read, write)| read.timedout() | write.timedout() != 0)
        };
        return Some(if has_timed_out { Failure::Timeout } else { Failure::Connect });
    }
    let is_broken = events.is_some_and(|(read, write)| read.error() | write.error() != 0);
    (is_connected && is_broken).then_some(Failure::Reset)
}
