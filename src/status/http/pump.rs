//! Sends a document as its client takes it: a piece for each turn of the event loop.

use core::{ffi::c_void, ptr};

use ngx::ffi::{
    NGX_AGAIN, NGX_DONE, ngx_buf_t, ngx_chain_t, ngx_http_finalize_request, ngx_http_output_filter,
    ngx_http_request_t, ngx_http_send_header, ngx_int_t, ngx_pcalloc, ngx_pool_cleanup_add, off_t,
};

use super::headers::Headers;
use crate::{
    http::accessors::{
        go_on_later, go_on_next, has_its_turn, has_no_body, has_timed_out, is_blocked, is_delayed,
        is_in_memory, time_out, wait_for_client,
    },
    nginx::callback::{ERROR, OK, guard},
    status::response::{Document, PIECE},
};

/// A response that is being sent. It is dropped with the pool of its request.
struct Response {
    /// The request: several subrequests have one pool.
    request: *const ngx_http_request_t,
    document: Document,
    /// What has been written of the document, and not been taken by nginx yet.
    written: Vec<u8>,
    /// How much of that nginx has been given.
    given: usize,
    /// What nginx has been given last.
    buffer: *mut ngx_buf_t,
}

/// What is to be done next for a response.
enum Next {
    /// Wait until the client takes more.
    Wait,
    /// Go on at the next turn of the event loop.
    GoOn,
    /// nginx has all, or an error has occurred.
    End(ngx_int_t),
}

/// Sends the header of a response and, if there is one, its body, or the beginning of it: what
/// nginx is to be told by the content handler.
pub(super) fn send(
    request: &mut ngx_http_request_t,
    headers: &Headers,
    mut document: Document,
) -> ngx_int_t {
    let mut written = Vec::new();
    if !has_no_body(request) {
        document.step(&mut written);
    }
    let length = document.is_over().then_some(written.len());
    let sent = send_header(request, 200, headers, length);
    if sent != OK || has_no_body(request) {
        return sent;
    }
    let Some(response) = Response::new(request, document, written) else { return ERROR };
    // SAFETY: the pool keeps it for as long as the request lives.
    let response = unsafe { &mut *response };
    loop {
        match response.advance(request) {
            Next::End(status) => return status,
            // nginx puts all of it into memory, up to a limit, and calls nobody for it.
            Next::GoOn if is_in_memory(request) => {}
            Next::Wait if is_in_memory(request) => return ERROR,
            next => {
                go_on_later(request, on_write);
                if !arrange(request, &next) {
                    return ERROR;
                }
                return NGX_DONE as ngx_int_t;
            }
        }
    }
}

/// Sends a response with a short text.
pub(super) fn send_text(
    request: &mut ngx_http_request_t,
    status: u32,
    headers: &Headers,
    text: &str,
) -> ngx_int_t {
    let sent = send_header(request, status, headers, Some(text.len()));
    if sent != OK || has_no_body(request) {
        return sent;
    }
    let Some(buffer) = new_buffer(request) else { return ERROR };
    // SAFETY: the pool is the request's, and gives out as many bytes as the text has.
    unsafe {
        let copy = ngx_pcalloc(request.pool, text.len().max(1)).cast::<u8>();
        if copy.is_null() {
            return ERROR;
        }
        ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len());
        give(request, buffer, copy, text.len(), true)
    }
}

/// Sends the header. `OK`: a body may follow.
fn send_header(
    request: &mut ngx_http_request_t,
    status: u32,
    headers: &Headers,
    length: Option<usize>,
) -> ngx_int_t {
    request.headers_out.status = status as usize;
    // Without a length nginx sends chunks, or closes the connection at the end.
    request.headers_out.content_length_n =
        length.and_then(|length| off_t::try_from(length).ok()).unwrap_or(-1);
    if headers.add_to(request).is_none() {
        return ERROR;
    }
    // SAFETY: the request is valid, and its status is set.
    let sent = unsafe { ngx_http_send_header(request) };
    // What could not be sent yet is sent with the body.
    if sent == NGX_AGAIN as ngx_int_t { OK } else { sent }
}

/// Called when the client can take more of a response, and when it is its turn.
unsafe extern "C" fn on_write(request: *mut ngx_http_request_t) {
    let failed = guard(true, || {
        // SAFETY: nginx passes a valid request.
        let valid = unsafe { &mut *request };
        if has_timed_out(valid) {
            // SAFETY: the request is not used any more.
            unsafe { time_out(request) };
            return false;
        }
        let Some(response) = Response::of(valid) else { return true };
        let next = if is_delayed(valid) {
            Next::Wait
        } else {
            // SAFETY: the pool keeps it for as long as the request lives.
            unsafe { (*response).advance(valid) }
        };
        if let Next::End(status) = next {
            // SAFETY: the request is not used any more.
            unsafe { ngx_http_finalize_request(request, status) };
            return false;
        }
        if !arrange(valid, &next) {
            return true;
        }
        false
    });
    if failed {
        // SAFETY: nginx passes a valid request, which is not used any more.
        unsafe { ngx_http_finalize_request(request, ERROR) };
    }
}

/// Has [`on_write`] called when it is time. Says whether the connection is of use.
fn arrange(request: &mut ngx_http_request_t, next: &Next) -> bool {
    if !has_its_turn(request) {
        // nginx calls when it is.
        return true;
    }
    match next {
        Next::Wait => wait_for_client(request) == OK,
        Next::GoOn => {
            go_on_next(request);
            true
        }
        Next::End(_) => true,
    }
}

impl Response {
    /// In the pool of its request; `None` if there is no memory.
    fn new(
        request: &mut ngx_http_request_t,
        document: Document,
        written: Vec<u8>,
    ) -> Option<*mut Self> {
        let buffer = new_buffer(request)?;
        // SAFETY: the pool is the request's.
        let cleanup = unsafe { ngx_pool_cleanup_add(request.pool, 0).as_mut() }?;
        let response = Self { request, document, written, given: 0, buffer };
        let response = Box::into_raw(Box::new(response));
        cleanup.data = response.cast();
        cleanup.handler = Some(drop_response);
        Some(response)
    }

    /// That of a request.
    fn of(request: &ngx_http_request_t) -> Option<*mut Self> {
        // SAFETY: the pool is the request's, and its list of what is to be cleaned up ends with a
        // null pointer. Data of this handler is a response.
        unsafe {
            let mut next = (*request.pool).cleanup;
            while let Some(cleanup) = next.as_ref() {
                let is_ours = cleanup.handler.is_some_and(|handler| {
                    ptr::fn_addr_eq(handler, drop_response as unsafe extern "C" fn(*mut c_void))
                });
                let response = cleanup.data.cast::<Self>();
                if is_ours && ptr::eq((*response).request, request) {
                    return Some(response);
                }
                next = cleanup.next;
            }
        }
        None
    }

    /// Gives nginx the next piece, if it has sent the last one.
    fn advance(&mut self, request: &mut ngx_http_request_t) -> Next {
        if !has_its_turn(request) && !is_in_memory(request) {
            // nginx would keep all that it is given until then.
            return Next::Wait;
        }
        if self.is_held() || is_blocked(request) {
            // SAFETY: the request is valid.
            let sent = unsafe { ngx_http_output_filter(request, ptr::null_mut()) };
            if sent == ERROR {
                return Next::End(ERROR);
            }
            if is_blocked(request) {
                return Next::Wait;
            }
            if self.is_held() {
                return Next::GoOn;
            }
        }
        if self.given == self.written.len() {
            self.written.clear();
            self.written.shrink_to(2 * PIECE);
            self.given = 0;
            if !self.document.is_over() {
                self.document.step(&mut self.written);
            }
            if self.written.is_empty() && !self.document.is_over() {
                return Next::GoOn;
            }
        }
        let length = (self.written.len() - self.given).min(PIECE);
        let is_last = self.document.is_over() && self.given + length == self.written.len();
        // SAFETY: the request is valid; nginx has sent what it was given before, and the bytes stay
        // where they are until it has sent these.
        let sent = unsafe {
            let start = self.written.as_mut_ptr().add(self.given);
            give(request, self.buffer, start, length, is_last)
        };
        self.given += length;
        if sent == ERROR || is_last {
            return Next::End(sent);
        }
        if is_blocked(request) { Next::Wait } else { Next::GoOn }
    }

    /// Whether nginx still has to send something of what it was given last.
    fn is_held(&self) -> bool {
        // SAFETY: the buffer lives as long as the request.
        unsafe { (*self.buffer).pos != (*self.buffer).last }
    }
}

/// Called when the pool of a response's request goes.
unsafe extern "C" fn drop_response(response: *mut c_void) {
    // SAFETY: `Response::new` made it, and nobody uses it any more.
    guard((), || drop(unsafe { Box::from_raw(response.cast::<Response>()) }));
}

fn new_buffer(request: &ngx_http_request_t) -> Option<*mut ngx_buf_t> {
    // SAFETY: the pool is the request's. Zeroes are a valid buffer.
    let buffer = unsafe { ngx_pcalloc(request.pool, size_of::<ngx_buf_t>()) }.cast::<ngx_buf_t>();
    (!buffer.is_null()).then_some(buffer)
}

/// Gives nginx a piece.
///
/// # Safety
///
/// The request is valid, the buffer is of its pool and not in use, and the bytes stay until nginx
/// has sent them.
unsafe fn give(
    request: &mut ngx_http_request_t,
    buffer: *mut ngx_buf_t,
    start: *mut u8,
    length: usize,
    is_last: bool,
) -> ngx_int_t {
    // A subrequest is not its own main request.
    let is_main = ptr::eq(request.main, request);
    // SAFETY: the caller's promise; zeroes are a valid buffer.
    unsafe {
        buffer.write_bytes(0, 1);
        let piece = &mut *buffer;
        (piece.start, piece.pos) = (start, start);
        (piece.last, piece.end) = (start.add(length), start.add(length));
        // nginx takes an empty buffer only if it is not memory.
        piece.set_memory(u32::from(length > 0));
        // Nothing is held back for a larger packet: the next piece comes only when this is sent.
        piece.set_flush(u32::from(!is_last));
        piece.set_last_buf(u32::from(is_last && is_main));
        piece.set_last_in_chain(u32::from(is_last));
        piece.set_sync(u32::from(is_last && !is_main && length == 0));
        let mut chain = ngx_chain_t { buf: buffer, next: ptr::null_mut() };
        // nginx copies the chain's links.
        ngx_http_output_filter(request, &raw mut chain)
    }
}
