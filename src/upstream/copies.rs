//! Copies of what logs and variables show of a peer, in the memory of a request or a session: they
//! outlive its hold on the peer.

use core::{
    cell::{Cell, UnsafeCell},
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use ngx::ffi::{
    ngx_palloc, ngx_peer_connection_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, sockaddr, socklen_t,
};
use peer_zone::RequestAddress;

/// Bytes of an IPv4 address with its port (13 to 21), and of a key of usual length.
const COPIES: usize = 44;

/// Bytes that are moved at a time.
const PIECE: usize = 16;

/// The copies of a request: the key of the last try, and the name of the first, to which nginx
/// keeps a pointer for each try.
pub(crate) struct Copies {
    key: Cell<*mut u8>,
    key_length: Cell<u32>,
    /// Room for the copies of the first try, so that most requests ask their pool for nothing more.
    room: UnsafeCell<[MaybeUninit<u8>; COPIES]>,
    name: UnsafeCell<MaybeUninit<ngx_str_t>>,
}

impl Copies {
    /// Of a request that has tried no peer.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            key: Cell::new(ptr::null_mut()),
            key_length: Cell::new(0),
            room: UnsafeCell::new([const { MaybeUninit::uninit() }; COPIES]),
            name: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// The key of the peer tried last, below the prefix; `None` for a peer without one, and before
    /// the first.
    pub(crate) fn key(&self) -> Option<ngx_str_t> {
        let len = self.key_length.get() as usize;
        (len > 0).then(|| ngx_str_t { len, data: self.key.get() })
    }

    /// Copies a text, which is the name of a peer and its key, for a try of the request; returns
    /// where the copy is, which lives as long as the request, whose `pool` has it if there is no
    /// room here.
    ///
    /// `None` if the pool has no memory.
    #[inline]
    pub(crate) fn copy(
        &self,
        pool: impl FnOnce() -> *mut ngx_pool_t,
        is_first: bool,
        text: &[u8],
    ) -> Option<NonNull<u8>> {
        let short = if is_first { self.copy_short(text) } else { None };
        short.or_else(|| self.copy_any(pool(), is_first, text))
    }

    /// As [`copy`](Self::copy), for the first try; `None` for a text of an unusual length.
    #[inline(always)]
    pub(crate) fn copy_short(&self, text: &[u8]) -> Option<NonNull<u8>> {
        // Three pieces, which may overlap, are as many bytes as there is room for.
        const _: () = assert!(COPIES <= 3 * PIECE);
        if !(PIECE..=COPIES).contains(&text.len()) {
            return None;
        }
        let room = NonNull::new(self.room.get().cast::<u8>())?;
        let last = text.len() - PIECE;
        let copy_piece = |at: usize| {
            // SAFETY: a piece from there ends within the text, and within the room, which is as
            // large as the longest text that comes here. Nothing refers to the room before the
            // first try.
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

    /// As [`copy`](Self::copy), for any text and try.
    #[inline(never)]
    fn copy_any(&self, pool: *mut ngx_pool_t, is_first: bool, text: &[u8]) -> Option<NonNull<u8>> {
        let start = if is_first && text.len() <= COPIES {
            NonNull::new(self.room.get().cast::<u8>())?
        } else {
            // SAFETY: the pool is the request's.
            NonNull::new(unsafe { ngx_pnalloc(pool, text.len()) }.cast::<u8>())?
        };
        // SAFETY: there is room for as many bytes, to which nothing refers: only the first try
        // comes to the request's own.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), start.as_ptr(), text.len()) };
        Some(start)
    }

    /// A place for the name of a try: the request's own for the first. `$upstream_addr` shows those
    /// before, each by the pointer that nginx got.
    #[inline]
    pub(crate) fn place(
        &self,
        pool: impl FnOnce() -> *mut ngx_pool_t,
        is_first: bool,
    ) -> Option<NonNull<ngx_str_t>> {
        if is_first { Some(self.first_name()) } else { further_place(pool()) }
    }

    /// The place for the name of the first try.
    #[inline]
    pub(crate) fn first_name(&self) -> NonNull<ngx_str_t> {
        NonNull::from(&self.name).cast()
    }

    /// Tells nginx where the peer is and what it is called. Both are shown by logs and variables
    /// after the request has given the peer back: `text` is the copy of name and key for that, and
    /// `place` for the name, to which nginx keeps a pointer.
    ///
    /// # Safety
    ///
    /// `connection` is the one that nginx asks for a peer for; no reference to it is in use.
    /// Nothing refers to `place`, which lives as long as the request.
    #[inline]
    pub(crate) unsafe fn show(
        &self,
        connection: *mut ngx_peer_connection_t,
        address: &RequestAddress<'_>,
        (text, place): (NonNull<u8>, NonNull<ngx_str_t>),
    ) {
        let RequestAddress { socket_address, name_and_key, name_length } = *address;
        // SAFETY: the caller's promise; the copy has as many bytes.
        unsafe {
            (*connection).sockaddr = socket_address.as_ptr().cast_mut().cast::<sockaddr>();
            // A socket address is at most as long as a `sockaddr_un`.
            (*connection).socklen = socket_address.len() as socklen_t;
            // Far shorter: see `MAX_KEY_LENGTH`.
            self.key_length.set((name_and_key.len() - name_length) as u32);
            self.key.set(text.as_ptr().add(name_length));
            place.write(ngx_str_t { len: name_length, data: text.as_ptr() });
            (*connection).name = place.as_ptr();
        }
    }
}

#[inline(never)]
fn further_place(pool: *mut ngx_pool_t) -> Option<NonNull<ngx_str_t>> {
    // SAFETY: the pool is the request's.
    NonNull::new(unsafe { ngx_palloc(pool, size_of::<ngx_str_t>()) }.cast())
}
