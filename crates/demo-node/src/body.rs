//! Bodies of answers: one that takes its time, and one that is counted to its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use crate::counters::Open;

/// A piece of a paced body: small enough that a pace of some megabytes a second is even.
const PIECE: usize = 16 << 10;
/// Each byte of a paced body is its offset modulo this: a prime, so that no buffer's size hides a
/// shift.
const PERIOD: usize = 251;

/// The byte of a `/paced` answer at an offset.
pub fn paced_byte(offset: usize) -> u8 {
    (offset % PERIOD) as u8
}

/// An answer of `length` bytes that goes out evenly over a time, with its length in the head, so
/// that the reader knows of a cut.
pub(crate) fn paced(length: usize, time: Duration) -> Response {
    let begin = Instant::now();
    let pieces = stream::unfold(0, move |offset: usize| async move {
        if offset >= length {
            return None;
        }
        sleep_until(begin + time.mul_f64(offset as f64 / length as f64)).await;
        let end = (offset + PIECE).min(length);
        let piece: Bytes = (offset..end).map(paced_byte).collect();
        Some((Ok::<_, Error>(piece), end))
    });
    let length = HeaderValue::from(length);
    ([(CONTENT_LENGTH, length)], Body::from_stream(pieces)).into_response()
}

/// A body that counts as open until it has gone out or been given up.
pub(crate) struct Counted {
    body: Body,
    _open: Option<Open>,
}

impl Counted {
    pub(crate) fn body(body: Body, open: Option<Open>) -> Body {
        Body::new(Self { body, _open: open })
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
