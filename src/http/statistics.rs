//! The figures of requests: what becomes of each attempt at a peer is counted once, as the request
//! gives the peer back.
//!
//! What nginx knows of an attempt is in its `ngx_http_upstream_state_t` and in the events of the
//! connection: `ngx_http_upstream_next`, which calls `free` for a failure, does not say of which
//! kind it is. `ngx_http_upstream_finalize_request` calls `free` with no failure, also if the
//! response ended early.

use core::mem::offset_of;

use ngx::ffi::{
    NGX_PEER_FAILED, NGX_PEER_NEXT, ngx_connection_t, ngx_http_upstream_state_t,
    ngx_http_upstream_t, ngx_msec_t, ngx_peer_connection_t, ngx_uint_t,
};
use peer_statistics::{Answer, Class, Failure, Recorder, Slot};

use super::{
    accessors::{has_left, lacks_end, reads_body},
    request::RequestPeer,
    upstream::Extras,
};
use crate::upstream::asker::Asker as _;

/// What nginx has in the place of a time that is not known (`ngx_http_upstream_connect`).
const NO_TIME: ngx_msec_t = ngx_msec_t::MAX;

/// The upstream of a request.
///
/// # Safety
///
/// nginx has called `free` with this connection.
#[inline(always)]
unsafe fn upstream_of<'r>(connection: *mut ngx_peer_connection_t) -> &'r ngx_http_upstream_t {
    // SAFETY: the caller's promise: the connection is a part of a request's upstream.
    unsafe {
        let upstream = connection.byte_sub(offset_of!(ngx_http_upstream_t, peer));
        &*upstream.cast()
    }
}

/// What nginx knows of the attempt at a peer.
///
/// # Safety
///
/// As for [`upstream_of`].
#[inline(always)]
unsafe fn attempt_of<'r>(connection: *mut ngx_peer_connection_t) -> &'r ngx_http_upstream_state_t {
    // SAFETY: the caller's promise: nginx makes a state before it asks for a peer.
    unsafe {
        let upstream = upstream_of(connection);
        &*upstream.state
    }
}

/// Whether the end of a response in chunks may be missing: nginx counts down what is to come, and
/// gives up one that is not valid without any other sign. Without buffers it counts in another
/// place, and so this is so of each such response that has a body.
///
/// # Safety
///
/// The upstream is that of a request. It makes the pipe with the request, if it does.
#[inline(always)]
unsafe fn may_lack_end(upstream: &ngx_http_upstream_t) -> bool {
    if upstream.headers_in.chunked() == 0 {
        return false;
    }
    // SAFETY: the caller's promise.
    let pipe = unsafe { upstream.pipe.as_ref() };
    pipe.map_or(upstream.length, |pipe| pipe.length) > 0
}

/// A response that is complete as far as can be seen at once.
pub(crate) struct Answered<'r> {
    recorder: &'r Recorder,
    connection: *mut ngx_peer_connection_t,
    slot: &'static Slot,
    class: Class,
}

impl<'r> Answered<'r> {
    /// That of a request that gives its peer back without a failure; `None` if it is for
    /// [`count_any`].
    ///
    /// It calls no function, and keeps nothing that [`count`](Self::count) can look up, so that its
    /// caller saves few registers.
    ///
    /// # Safety
    ///
    /// As for [`count_any`], until this is counted, and the request holds a peer of an upstream
    /// whose figures are counted.
    #[inline(always)]
    pub(super) unsafe fn of(
        peer: &'r RequestPeer,
        connection: *mut ngx_peer_connection_t,
    ) -> Option<Self> {
        // SAFETY: the caller's promise. A connection has its events.
        let (attempt, slot) = unsafe {
            if let Some(open) = (*connection).connection.as_ref() {
                let read = &*open.read;
                if read.eof() | read.error() | read.timedout() != 0 {
                    return None;
                }
            }
            if may_lack_end(upstream_of(connection)) {
                return None;
            }
            (attempt_of(connection), peer.figures())
        };
        if attempt.header_time == NO_TIME {
            return None;
        }
        let class = Class::of_final(attempt.status as u32)?;
        let recorder = peer.upstream.recorder();
        (!slot.may_carry(class)).then_some(Self { recorder, connection, slot, class })
    }

    /// Counts it.
    #[inline(always)]
    pub(super) fn count(self) {
        let Self { recorder, connection, slot, class } = self;
        // SAFETY: see `of`.
        let attempt = unsafe { attempt_of(connection) };
        recorder.answered_at_once(
            slot,
            class,
            || attempt.header_time as u64,
            || attempt.response_time as u64,
            || attempt.bytes_sent.cast_unsigned(),
            || attempt.bytes_received.cast_unsigned(),
        );
    }
}

/// Counts the attempt of a request that gives its peer back, whatever has become of it, if the
/// figures of the upstream are counted; a failure is kept for the variable that shows it. `state`
/// is what nginx calls `free` with.
///
/// # Safety
///
/// nginx has called `free` for this request with this connection. No reference to nginx's data of
/// it is in use.
pub(super) unsafe fn count_any(
    peer: &RequestPeer,
    connection: *mut ngx_peer_connection_t,
    state: ngx_uint_t,
) {
    let extras = peer.upstream.extras.get();
    let Some((index, _)) = peer.open.place() else { return };
    // SAFETY: the caller's promise. The name is a copy in the pool of the request.
    unsafe {
        if extras.has(Extras::STATISTICS) {
            count(peer, connection, index, state);
        }
        if extras.has(Extras::FAILURES)
            && let Some(attempt) = (*peer.nginx()).state.as_ref()
            && let End::Failed(failure) = end_of(peer, connection, attempt, state)
            && let Some(shown) = peer.shown()
            && let Some(name) = peer.copies.key().or((*connection).name.as_ref().copied())
        {
            shown.add_failure(peer.pool(), name, failure);
        }
    }
}

fn answer(class: Class, attempt: &ngx_http_upstream_state_t) -> Answer {
    Answer {
        class,
        header_time: attempt.header_time as u64,
        response_time: attempt.response_time as u64,
        sent: attempt.bytes_sent.cast_unsigned(),
        received: attempt.bytes_received.cast_unsigned(),
    }
}

/// Counts an attempt, whatever has become of it.
///
/// # Safety
///
/// As for [`count_any`].
unsafe fn count(
    peer: &RequestPeer,
    connection: *mut ngx_peer_connection_t,
    index: usize,
    state: ngx_uint_t,
) {
    // SAFETY: the caller's promise: nginx makes a state for each attempt.
    let attempt = unsafe { (*peer.nginx()).state.as_ref() };
    let (recorder, Some(attempt)) = (peer.upstream.recorder(), attempt) else { return };
    // SAFETY: the caller's promise.
    let end = unsafe { end_of(peer, connection, attempt, state) };
    match end {
        End::Answered(class) if !class.is_informational() => {
            recorder.answered(index, &answer(class, attempt));
            return;
        }
        End::Answered(_) => recorder.upgraded(index, attempt.header_time as u64),
        End::Failed(failure) => recorder.failed(index, failure),
        End::GivenUp => {}
    }
    transferred(recorder, index, attempt);
}

fn transferred(recorder: &Recorder, index: usize, attempt: &ngx_http_upstream_state_t) {
    let [sent, received] =
        [attempt.bytes_sent, attempt.bytes_received].map(|bytes| bytes.cast_unsigned());
    recorder.transferred(index, sent, received);
}

/// What has become of an attempt.
enum End {
    /// The peer has given a response.
    Answered(Class),
    /// The peer has failed.
    Failed(Failure),
    /// It ended before there was a response, and not because of the peer: the client went away, or
    /// a drain closed the connection.
    GivenUp,
}

/// What has become of an attempt.
///
/// # Safety
///
/// As for [`count_any`]; `attempt` is nginx's of it.
unsafe fn end_of(
    peer: &RequestPeer,
    connection: *mut ngx_peer_connection_t,
    attempt: &ngx_http_upstream_state_t,
    state: ngx_uint_t,
) -> End {
    let has_header = attempt.header_time != NO_TIME;
    let is_passed_on = state & (NGX_PEER_FAILED | NGX_PEER_NEXT) as ngx_uint_t == 0;
    let class = has_header.then(|| class_of(attempt.status));
    let is_drained = peer.open.is_drained();
    // SAFETY: the caller's promise. The request is one of an upstream.
    unsafe {
        match class {
            Some(class) if is_drained => End::Answered(class),
            Some(_) if !is_passed_on => End::Failed(Failure::Status),
            Some(_) if (*peer.nginx()).headers_in.status_n == 0 => {
                End::Failed(Failure::InvalidHeader)
            }
            Some(class) => match ended_early(peer, connection) {
                Some(failure) if !class.is_informational() => End::Failed(failure),
                _ => End::Answered(class),
            },
            None if is_drained => End::GivenUp,
            // nginx notices while it waits for the peer that the client has gone; it ends a request
            // whose body does not come, or is not valid, as it passes that on.
            None if is_passed_on
                && (has_left(peer.open.request) || reads_body(peer.open.request)) =>
            {
                End::GivenUp
            }
            None if is_passed_on => End::Failed(Failure::Other),
            None => End::Failed(failure_before_header(peer, connection, attempt)),
        }
    }
}

/// The class that a response with this status counts as. What is no status of HTTP stands for one
/// of 5xx, as RFC 9110, section 15, has it.
fn class_of(status: ngx_uint_t) -> Class {
    u32::try_from(status).ok().and_then(Class::of).unwrap_or(Class::SERVER_ERROR)
}

/// Why a response that has a header has no end; `None` if it has one, or if the client did not wait
/// for it.
///
/// # Safety
///
/// As for [`count_any`].
unsafe fn ended_early(
    peer: &RequestPeer,
    connection: *mut ngx_peer_connection_t,
) -> Option<Failure> {
    // SAFETY: the caller's promise. nginx makes the pipe with the request.
    unsafe {
        let open = (*connection).connection.as_ref()?;
        let read = &*open.read;
        if read.timedout() != 0 {
            return Some(Failure::Timeout);
        }
        if read.error() != 0 {
            return Some(Failure::Reset);
        }
        let request = peer.open.request;
        if !lacks_end(request) {
            return None;
        }
        if read.eof() != 0 {
            return Some(Failure::Reset);
        }
        // `close`: the worker stops, and does not wait for it (`worker_shutdown_timeout`).
        (!has_left(request) && open.close() == 0).then_some(Failure::Other)
    }
}

/// Why nginx has turned away from a peer that has sent no header.
///
/// # Safety
///
/// As for [`count_any`]; `attempt` is nginx's of it.
unsafe fn failure_before_header(
    peer: &RequestPeer,
    connection: *mut ngx_peer_connection_t,
    attempt: &ngx_http_upstream_state_t,
) -> Failure {
    // SAFETY: the caller's promise.
    unsafe {
        let is_sent = (*peer.nginx()).request_sent() != 0;
        let Some(open) = (*connection).connection.as_ref() else { return Failure::Connect };
        // A kept connection was there before: the peer has closed it meanwhile.
        let is_kept = (*connection).cached() != 0;
        if !is_kept && (attempt.connect_time == NO_TIME || !is_sent) {
            return Failure::Connect;
        }
        let has = |is_so: fn(&ngx_connection_t) -> bool| is_so(open);
        if has(|open| (*open.read).timedout() != 0 || (*open.write).timedout() != 0) {
            return Failure::Timeout;
        }
        if has(|open| (*open.read).eof() != 0 || (*open.read).error() != 0)
            || has(|open| (*open.write).error() != 0)
            || is_kept && !is_sent
        {
            return Failure::Reset;
        }
        if attempt.bytes_received > 0 { Failure::InvalidHeader } else { Failure::Other }
    }
}
