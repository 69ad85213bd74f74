//! The answer to a request of HTTP's for the status document.

use core::ptr;

use ngx::{
    core::Pool,
    ffi::{
        NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_NOT_ALLOWED, NGX_HTTP_OK, ngx_buf_t, ngx_chain_t,
        ngx_http_discard_request_body, ngx_http_output_filter, ngx_http_request_t,
        ngx_http_send_header, ngx_int_t, off_t,
    },
    ngx_string,
};

use super::document::Document;
use crate::{
    http::{HttpConf, accessors::is_header_only},
    nginx::callback::{ERROR, OK, guard},
};

/// Answers a request with the document: the content handler of a location with `etcd_status`.
pub(crate) unsafe extern "C" fn answer(request: *mut ngx_http_request_t) -> ngx_int_t {
    guard(ERROR, || {
        // SAFETY: nginx passes a valid request.
        let request = unsafe { &mut *request };
        if request.method & (NGX_HTTP_GET | NGX_HTTP_HEAD) as usize == 0 {
            return NGX_HTTP_NOT_ALLOWED as ngx_int_t;
        }
        // SAFETY: as above.
        let discarded = unsafe { ngx_http_discard_request_body(request) };
        if discarded != OK {
            return discarded;
        }
        let Some(conf) = HttpConf::of_request(request) else { return ERROR };
        match serde_json::to_vec_pretty(&Document::of(conf.core)) {
            Ok(body) => send(request, body),
            Err(_) => ERROR,
        }
    })
}

fn send(request: &mut ngx_http_request_t, body: Vec<u8>) -> ngx_int_t {
    request.headers_out.status = NGX_HTTP_OK as usize;
    // No list that fits into a zone comes near the limits of `off_t`.
    request.headers_out.content_length_n = body.len() as off_t;
    request.headers_out.content_type = ngx_string!("application/json");
    request.headers_out.content_type_len = request.headers_out.content_type.len;
    // SAFETY: the request is valid, and its status is set.
    let sent = unsafe { ngx_http_send_header(request) };
    if sent == ERROR || sent > OK || is_header_only(request) {
        return sent;
    }
    // SAFETY: the pool is the request's.
    let pool = unsafe { Pool::from_ngx_pool(request.pool) };
    // The pool drops the body when the request is over, and so after it has been sent.
    let body = pool.allocate(body);
    let buffer = pool.calloc_type::<ngx_buf_t>();
    if body.is_null() || buffer.is_null() {
        return ERROR;
    }
    // SAFETY: both were given out by the pool just now; the buffer is all zeroes.
    let buffer = unsafe {
        let (body, buffer) = (&mut *body, &mut *buffer);
        buffer.pos = body.as_mut_ptr();
        buffer.last = buffer.pos.add(body.len());
        buffer
    };
    buffer.set_memory(1);
    // SAFETY: a subrequest is not its own main request.
    buffer.set_last_buf(u32::from(ptr::eq(request.main, request)));
    buffer.set_last_in_chain(1);
    let mut chain = ngx_chain_t { buf: buffer, next: ptr::null_mut() };
    // SAFETY: the request is valid; nginx copies the chain's links.
    unsafe { ngx_http_output_filter(request, &raw mut chain) }
}
