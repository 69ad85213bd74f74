//! The variables whose values are made of keys in etcd, as a request sees them.

use core::{mem::MaybeUninit, net::IpAddr, ptr::NonNull};

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};

use super::text::evaluate;
use crate::{
    live::{LiveVariable, Request, VariableKind, Word, address_of_client, allocate},
    nginx::{
        callback::{ERROR, guard},
        text::Text,
    },
};

/// Gives nginx the value; `data` is a [`LiveVariable`] of this kind.
pub(crate) unsafe extern "C" fn live_variable<K: VariableKind>(
    request: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    guard(ERROR, || {
        let Some(request) = NonNull::new(request) else { return ERROR };
        // SAFETY: nginx passes a value to set, and what the directive set as the variable's data,
        // which lives for as long as the request's cycle.
        let (value, variable) = unsafe { (&mut *value, &*(data as *const LiveVariable<K>)) };
        variable.set_value(&HttpRequest(request), value)
    })
}

/// A request that lives, while one of its variables is evaluated.
struct HttpRequest(NonNull<ngx_http_request_t>);

impl Request for HttpRequest {
    fn client(&self) -> Option<IpAddr> {
        // SAFETY: a request has a connection.
        address_of_client(unsafe { &*(*self.0.as_ptr()).connection })
    }

    #[inline(always)]
    fn evaluate(&self, text: &Text) -> Option<&[u8]> {
        // SAFETY: the request lives, and is of the cycle whose variable is evaluated. What other
        // variables are evaluated to meanwhile lies elsewhere in its memory.
        unsafe { evaluate(self.0, text) }
    }

    #[inline(always)]
    fn allocate(&self, words: usize) -> Option<&mut [MaybeUninit<Word>]> {
        // SAFETY: a request has a pool, which lives as long.
        unsafe { allocate((*self.0.as_ptr()).pool, words) }
    }
}
