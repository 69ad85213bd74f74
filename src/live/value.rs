//! The value of a live variable, as a request or a session of nginx gets it.

use core::{mem::MaybeUninit, net::IpAddr, slice};

use ngx::ffi::{
    ngx_connection_t, ngx_int_t, ngx_pnalloc, ngx_pool_t, ngx_str_t, ngx_variable_value_t,
};
use upstream_peers::SocketAddress;

use super::{
    kind::{Request, Value, VariableKind, Word},
    variable::LiveVariable,
};
use crate::nginx::{
    callback::{ERROR, OK},
    socket_address,
    variable_value::set,
};

impl<K: VariableKind> LiveVariable<K> {
    /// Sets the variable for a request; returns what nginx is told.
    #[inline(always)]
    pub(crate) fn set_value(
        &self,
        request: &impl Request,
        value: &mut ngx_variable_value_t,
    ) -> ngx_int_t {
        let text = match self.conf.look_up(self.memory(), request) {
            Value::Text(text) => {
                Some(ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() })
            }
            Value::Nothing => None,
            Value::Failed => return ERROR,
        };
        set(value, text);
        OK
    }
}

/// Memory for as many words from the pool of a request; `None` where memory is short.
///
/// # Safety
///
/// The pool lives for as long as what is returned.
#[inline(always)]
pub(crate) unsafe fn allocate<'a>(
    pool: *mut ngx_pool_t,
    words: usize,
) -> Option<&'a mut [MaybeUninit<Word>]> {
    let length = words.max(1).checked_mul(size_of::<Word>())?;
    // SAFETY: the caller's promise.
    let start = unsafe { ngx_pnalloc(pool, length) }.cast::<MaybeUninit<Word>>();
    if start.is_null() {
        return None;
    }
    // SAFETY: the pool gave out that many bytes, and to nobody else; a word may lie anywhere.
    Some(unsafe { slice::from_raw_parts_mut(start, words) })
}

/// Copies so many words to the memory of a request, where their bytes lie one after the other; the
/// place of one that is missing is filled with zeroes. `None` where memory is short.
#[inline(always)]
#[expect(clippy::mut_from_ref, reason = "each call gives out what nobody else has")]
pub(super) fn copy_words(
    mut words: impl Iterator<Item = Word>,
    count: usize,
    request: &impl Request,
) -> Option<&mut [u8]> {
    let room = request.allocate(count)?;
    for place in room.iter_mut() {
        place.write(words.next().unwrap_or_default());
    }
    // SAFETY: each place has a word now.
    Some(unsafe { slice::from_raw_parts_mut(room.as_mut_ptr().cast(), size_of_val(room)) })
}

/// What `$remote_addr` says of a client, which nginx's realip modules may have taken from a header
/// or from the PROXY protocol.
pub(crate) fn address_of_client(client: &ngx_connection_t) -> Option<IpAddr> {
    // SAFETY: a client's connection has an address of that length.
    let bytes =
        unsafe { slice::from_raw_parts(client.sockaddr.cast::<u8>(), client.socklen as usize) };
    match socket_address::parse(bytes)? {
        SocketAddress::Ip(address) => Some(address.ip()),
        SocketAddress::Unix(_) => None,
    }
}
