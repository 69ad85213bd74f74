//! The variables whose values are made of keys in etcd, as a session sees them.

use core::{mem::MaybeUninit, net::IpAddr, ptr::NonNull};

use ngx::ffi::{ngx_int_t, ngx_variable_value_t};

use super::text::evaluate;
use crate::{
    live::{LiveVariable, Request, VariableKind, Word, address_of_client, allocate},
    nginx::{
        callback::{ERROR, guard},
        stream::ngx_stream_session_t,
        text::Text,
    },
};

/// Gives nginx the value; `data` is a [`LiveVariable`] of this kind.
pub(crate) unsafe extern "C" fn live_variable<K: VariableKind>(
    session: *mut ngx_stream_session_t,
    value: *mut ngx_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        let Some(session) = NonNull::new(session) else { return ERROR };
        // SAFETY: nginx passes a value to set, and what the directive set as the variable's data,
        // which lives for as long as the session's cycle.
        let (value, variable) = unsafe { (&mut *value, &*(data as *const LiveVariable<K>)) };
        variable.set_value(&StreamSession(session), value)
    })
}

/// A session that lives, while one of its variables is evaluated.
struct StreamSession(NonNull<ngx_stream_session_t>);

impl Request for StreamSession {
    fn client(&self) -> Option<IpAddr> {
        // SAFETY: a session has a connection.
        address_of_client(unsafe { &*(*self.0.as_ptr()).connection })
    }

    #[inline(always)]
    fn evaluate(&self, text: &Text) -> Option<&[u8]> {
        // SAFETY: the session lives, and is of the cycle whose variable is evaluated. What other
        // variables are evaluated to meanwhile lies elsewhere in its memory.
        unsafe { evaluate(self.0, text) }
    }

    #[inline(always)]
    fn allocate(&self, words: usize) -> Option<&mut [MaybeUninit<Word>]> {
        // SAFETY: a session has a connection, with a pool, which lives as long.
        unsafe { allocate((*(*self.0.as_ptr()).connection).pool, words) }
    }
}
