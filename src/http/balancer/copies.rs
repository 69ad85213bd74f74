//! Copies of what logs and variables show of a peer, in the memory of the request: they outlive the
//! request's hold on the peer.

use core::ptr::{self, NonNull};

use ngx::ffi::{
    ngx_palloc, ngx_peer_connection_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, sockaddr, socklen_t,
};
use peer_zone::RequestAddress;

use crate::http::request::{COPIES, RequestPeer};

/// Bytes that are moved at a time.
const PIECE: usize = 16;

/// Copies a text, which is the name of a peer and its key, for a try of the request; returns where
/// the copy is, which lives as long as the request.
///
/// `None` where the request's pool has no memory.
#[inline]
pub(super) fn copy(peer: &RequestPeer, is_first: bool, text: &[u8]) -> Option<NonNull<u8>> {
    let short = if is_first { copy_short(peer, text) } else { None };
    short.or_else(|| copy_any(peer, is_first, text))
}

/// As [`copy`], for the first try; `None` for a text of an unusual length.
#[inline(always)]
pub(super) fn copy_short(peer: &RequestPeer, text: &[u8]) -> Option<NonNull<u8>> {
    // Three pieces, which may overlap, are as many bytes as there is room for.
    const _: () = assert!(COPIES <= 3 * PIECE);
    if !(PIECE..=COPIES).contains(&text.len()) {
        return None;
    }
    let room = NonNull::new(peer.copies.get().cast::<u8>())?;
    let last = text.len() - PIECE;
    let copy_piece = |at: usize| {
        // SAFETY: a piece from there ends within the text, and within the room, which is as large
        // as the longest text that comes here. Nothing refers to the room before the first try.
        unsafe {
            let piece = text.as_ptr().add(at).cast::<[u8; PIECE]>().read_unaligned();
            room.as_ptr().add(at).cast::<[u8; PIECE]>().write_unaligned(piece);
        }
    };
    copy_piece(0);
    if last > PIECE {
        copy_piece(PIECE);
    }
    copy_piece(last);
    Some(room)
}

/// As [`copy`], for any text and try.
#[inline(never)]
fn copy_any(peer: &RequestPeer, is_first: bool, text: &[u8]) -> Option<NonNull<u8>> {
    let start = if is_first && text.len() <= COPIES {
        NonNull::new(peer.copies.get().cast::<u8>())?
    } else {
        // SAFETY: the pool is the request's.
        NonNull::new(unsafe { ngx_pnalloc(peer.pool(), text.len()) }.cast::<u8>())?
    };
    // SAFETY: there is room for as many bytes, to which nothing refers: only the first try comes to
    // the request's own.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), start.as_ptr(), text.len()) };
    Some(start)
}

/// A place for the name of a try: the request's own for the first. `$upstream_addr` shows those
/// before, each by the pointer that nginx got.
#[inline]
pub(super) fn place(peer: &RequestPeer, is_first: bool) -> Option<NonNull<ngx_str_t>> {
    if is_first { Some(peer.first_name()) } else { further_place(peer.pool()) }
}

#[inline(never)]
fn further_place(pool: *mut ngx_pool_t) -> Option<NonNull<ngx_str_t>> {
    // SAFETY: the pool is the request's.
    NonNull::new(unsafe { ngx_palloc(pool, size_of::<ngx_str_t>()) }.cast())
}

/// Tells nginx where the peer is and what it is called. Both are shown by logs and variables after
/// the request has given the peer back: `text` is the copy of name and key for that, and `place`
/// for the name, to which nginx keeps a pointer.
///
/// # Safety
///
/// `connection` is the one that nginx asks for a peer for; no reference to it is in use. Nothing
/// refers to `place`, which lives as long as the request.
#[inline]
pub(super) unsafe fn show(
    connection: *mut ngx_peer_connection_t,
    peer: &RequestPeer,
    address: &RequestAddress<'_>,
    (text, place): (NonNull<u8>, NonNull<ngx_str_t>),
) {
    let RequestAddress { socket_address, name_and_key, name_length } = *address;
    let key_length = name_and_key.len() - name_length;
    // SAFETY: the caller's promise; the copy has as many bytes.
    unsafe {
        (*connection).sockaddr = socket_address.as_ptr().cast_mut().cast::<sockaddr>();
        // A socket address is at most as long as a `sockaddr_un`.
        (*connection).socklen = socket_address.len() as socklen_t;
        peer.set_key(ngx_str_t { len: key_length, data: text.as_ptr().add(name_length) });
        place.write(ngx_str_t { len: name_length, data: text.as_ptr() });
        (*connection).name = place.as_ptr();
    }
}
