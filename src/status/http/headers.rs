//! The headers of a response.

use core::ptr::NonNull;

use ngx::ffi::{ngx_http_request_t, ngx_list_push, ngx_pnalloc, ngx_str_t, ngx_table_elt_t};
use status_document::Format;

/// The headers of a response, beside those that nginx adds.
pub(super) struct Headers {
    /// With its parameters.
    content_type: &'static str,
    /// How long it is without them: nginx compares that with `gzip_types`.
    media_type_length: usize,
    others: Vec<(&'static str, String)>,
    version: Option<String>,
}

impl Headers {
    /// Those of a document; `is_negotiated` says whether the client's `Accept` chose the format.
    pub(super) fn of_document(format: Format, is_negotiated: bool) -> Self {
        let mut others: Vec<_> = match format {
            Format::Html => {
                status_page::headers().map(|(name, value)| (name, value.to_owned())).into()
            }
            _ => [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
                .map(|(name, value)| (name, value.to_owned()))
                .into(),
        };
        if is_negotiated {
            others.push(("Vary", "Accept".to_owned()));
        }
        Self {
            content_type: format.content_type(),
            media_type_length: format.media_type().len(),
            others,
            version: None,
        }
    }

    /// Those of a text that says why there is no document.
    pub(super) fn of_text() -> Self {
        Self {
            content_type: "text/plain; charset=utf-8",
            media_type_length: "text/plain".len(),
            ..Self::of_document(Format::Json, false)
        }
    }

    /// The document has this version: a client that has it gets no other.
    pub(super) fn set_version(&mut self, version: String) {
        self.others.retain(|(name, _)| *name != "Cache-Control");
        self.others.push(("Cache-Control", "no-cache".to_owned()));
        self.version = Some(version);
    }

    /// Adds them to the response to a request; `None` if its pool has no memory.
    pub(super) fn add_to(&self, request: &mut ngx_http_request_t) -> Option<()> {
        request.headers_out.content_type = text(self.content_type);
        request.headers_out.content_type_len = self.media_type_length;
        for (name, value) in &self.others {
            add(request, name, value)?;
        }
        if let Some(version) = &self.version {
            let etag = add(request, "ETag", &format!("\"{version}\""))?;
            request.headers_out.etag = etag.as_ptr();
        }
        Some(())
    }
}

fn text(text: &'static str) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}

/// Adds a header; `None` if the request's pool has no memory.
fn add(
    request: &mut ngx_http_request_t,
    name: &'static str,
    value: &str,
) -> Option<NonNull<ngx_table_elt_t>> {
    // SAFETY: the pool is the request's.
    let copy = unsafe { ngx_pnalloc(request.pool, value.len().max(1)) }.cast::<u8>();
    let copy = NonNull::new(copy)?;
    // SAFETY: the list is the request's; the pool gave out as many bytes as the value has.
    let header = unsafe {
        copy.copy_from_nonoverlapping(NonNull::from(value.as_bytes()).cast(), value.len());
        ngx_list_push(&raw mut request.headers_out.headers)
    };
    let header = NonNull::new(header.cast::<ngx_table_elt_t>())?;
    // SAFETY: the list gave it out just now, and zeroes are a valid value of all its fields,
    // whichever the version has.
    unsafe {
        header.write_bytes(0, 1);
        let header = &mut *header.as_ptr();
        header.hash = 1;
        header.key = text(name);
        header.value = ngx_str_t { len: value.len(), data: copy.as_ptr() };
    }
    Some(header)
}
