//! The answer to a request of HTTP's for the status document.

mod headers;
mod pump;

use ngx::ffi::{
    NGX_HTTP_BAD_REQUEST, NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_NOT_ALLOWED, NGX_HTTP_NOT_FOUND,
    ngx_http_discard_request_body, ngx_http_request_t, ngx_int_t,
};
use status_document::{
    ChangesWriter, Exposition, Format, JsonWriter, MetricsWriter, Query, Writer, quoted,
};
use status_page::PageWriter;

use self::{
    headers::Headers,
    pump::{send, send_text},
};
use super::{
    changes,
    response::{Document, named},
    upstream::name,
};
use crate::{
    http::{HttpConf, accessors::headers_in},
    nginx::callback::{ERROR, OK, guard},
    upstream::{CoreConf, Upstream},
};

/// What a request gets that cannot be answered: a status, and a line that says why.
struct Refusal {
    status: u32,
    reason: String,
}

/// What a request gets.
struct Answer {
    headers: Headers,
    document: Document,
}

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
        match answer_to(request, conf.core) {
            Ok(Answer { headers, document }) => send(request, &headers, document),
            Err(Refusal { status, reason }) => {
                send_text(request, status, &Headers::of_text(), &format!("{reason}\n"))
            }
        }
    })
}

fn answer_to(request: &ngx_http_request_t, core: &'static CoreConf) -> Result<Answer, Refusal> {
    let refused = |reason: String| Refusal { status: NGX_HTTP_BAD_REQUEST, reason };
    let query = Query::parse(request.args.as_bytes());
    let query = query.map_err(|error| refused(error.to_string()))?;
    let upstreams = named(core, &query.upstreams).map_err(|unknown| Refusal {
        status: NGX_HTTP_NOT_FOUND,
        reason: format!("no upstream {} with \"etcd\"", quoted(unknown)),
    })?;
    let is_negotiated = query.format.is_none() && !query.is_changes;
    // Several headers are one list.
    let accepted = || {
        let headers: Vec<&[u8]> = headers_in(request, "accept").collect();
        Format::accepted(Some(&headers.join(&b',')))
    };
    let has_rows = !query.leaves_out_peers;
    let format = match query.format {
        Some(format) => format,
        None if query.is_changes => Format::Json,
        None => accepted(),
    };
    let mut headers = Headers::of_document(format, is_negotiated);
    let writer: Box<dyn Writer> = match format {
        Format::Json if query.is_changes => {
            headers.set_version(version(&upstreams));
            Box::new(ChangesWriter::default())
        }
        Format::Json => Box::new(JsonWriter::new(has_rows)),
        Format::Prometheus => Box::new(MetricsWriter::new(Exposition::Prometheus, has_rows)),
        Format::OpenMetrics => Box::new(MetricsWriter::new(Exposition::OpenMetrics, has_rows)),
        Format::Html => Box::new(PageWriter::new(has_rows).naming_peers(!query.peers.is_empty())),
    };
    Ok(Answer { headers, document: Document::new(core, upstreams, query.peers, writer) })
}

/// What differs if the last changes of one of these upstreams do.
fn version(upstreams: &[&'static Upstream]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for upstream in upstreams {
        (name(upstream), changes::version(upstream)).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
