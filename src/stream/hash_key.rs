//! What a session is hashed by.

use ngx::ffi::ngx_str_t;

use super::{text::evaluate_by_names, upstream::StreamUpstream};
use crate::{
    nginx::{
        callback::OK,
        stream::{complex_value, ngx_stream_session_t},
        text::bytes,
    },
    upstream::OwnMethod,
};

/// The key of `hash`, evaluated for the session, as long as which it lives; `None` if nginx cannot
/// evaluate it, which is an error of the session.
///
/// # Safety
///
/// The session is valid, and comes to the upstream, which is of its cycle and has such a method.
pub(super) unsafe fn key_of(
    upstream: &StreamUpstream,
    session: *mut ngx_stream_session_t,
) -> Option<ngx_str_t> {
    let mut key = ngx_str_t::empty();
    let value = upstream.hash_key.get()?.as_ptr();
    // SAFETY: the caller's promise; the value was compiled for the same cycle.
    let code = unsafe { complex_value(session, value, &raw mut key) };
    (code == Some(OK)).then_some(key)
}

/// What a session is hashed by that comes to a group with a method of its own, or without: as
/// [`key_of`].
///
/// # Safety
///
/// As for [`key_of`].
pub(super) unsafe fn key_in_group(
    own: &OwnMethod,
    upstream: &StreamUpstream,
    session: *mut ngx_stream_session_t,
) -> Option<ngx_str_t> {
    match own.key {
        // SAFETY: the caller's promise.
        Some(text) => unsafe {
            evaluate_by_names(session, str::from_utf8(bytes(text)).unwrap_or_default())
        },
        // SAFETY: as above.
        None => unsafe { key_of(upstream, session) },
    }
}
