//! What callers of gRPC expect besides HTTP: a refusal that says its code, and a deadline that is kept on
//! their way too.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body::{Body as _, Frame};

use super::{Refusal, body::Body, trailers::Trailers};
use crate::{
    tick::{self, Sleep},
    upstream::{ResponseBody, ResponseCut},
    wire::Reply,
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The code of a call that took too long.
const DEADLINE_EXCEEDED: u8 = 4;

/// The refusal of a call: `told` without its text, and the code and the sentence where the caller's library
/// looks for them (an answer of nothing but a head).
pub(super) fn refuse(refusal: &Refusal, told: Reply<Body>) -> Reply<Body> {
    let mut reply = told.map(|_| Body::empty());
    reply.fields.set(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    for (name, value) in said(code(refusal.status()), &refusal.to_string()) {
        reply.fields.set(name, value);
    }
    reply
}

/// The code that a status means to a caller.
///
/// # Source
/// gRPC, "HTTP to gRPC Status Code Mapping". Beyond it: 504 is a deadline, other faults of the request are
/// arguments that are not valid.
fn code(status: StatusCode) -> u8 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 => 14,
        504 => DEADLINE_EXCEEDED,
        400 | 500.. => 13,
        _ => 3,
    }
}

/// What tells a caller of gRPC how its call has ended.
fn said(code: u8, message: &str) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    // Our sentences are plain ASCII; what a system adds to one may not be.
    let plain = |c: char| (c.is_ascii_graphic() && c != '%') || c == ' ';
    let message: String = message.chars().map(|c| if plain(c) { c } else { '?' }).collect();
    let message = HeaderValue::try_from(message).ok().map(|message| (GRPC_MESSAGE, message));
    [(GRPC_STATUS, HeaderValue::from(u16::from(code)))].into_iter().chain(message)
}

/// An answer that ends with `DEADLINE_EXCEEDED` when its call has taken too long; the backend's stream ends
/// with it.
pub(super) struct Timed {
    /// `None` once the time was over.
    body: Option<ResponseBody>,
    trailers: Trailers,
    due: Sleep,
}

impl Timed {
    pub(super) fn new(body: ResponseBody, trailers: Trailers, due: Instant) -> Box<Self> {
        Box::new(Self { body: Some(body), trailers, due: tick::sleep_until(due) })
    }

    pub(super) fn is_over(&self) -> bool {
        self.body.is_none()
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(ResponseBody::is_end_stream)
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseCut>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if Pin::new(&mut self.due).poll(cx).is_pending() {
            let polled = Pin::new(body).poll_frame(cx);
            return polled.map(|frame| super::body::passed(frame, &self.trailers));
        }
        self.body = None;
        let fields = said(DEADLINE_EXCEEDED, &Refusal::Deadline.to_string()).collect();
        Poll::Ready(Some(Ok(Frame::trailers(fields))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{policy::Denial, wire::Fields};

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn a_caller_reads_the_code_that_the_status_means() {
        for (status, expected) in [
            (400, 13), (401, 16), (403, 7), (404, 12), (405, 3), (408, 3), (413, 3), (429, 14), (431, 3),
            (500, 13), (501, 13), (502, 14), (503, 14), (504, 4),
        ] {
            assert_eq!(code(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn a_refused_call_is_a_head_alone_with_the_refusals_own_fields() {
        let refusal = Refusal::Denied(Denial::Unauthenticated);
        let response = refuse(&refusal, refusal.response(&HeaderValue::from_static("id")));
        let response = http::Response::from(response);
        let field = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            (field("grpc-status").as_str(), field("content-type").as_str()),
            ("16", "application/grpc")
        );
        assert_eq!(field("grpc-message"), refusal.to_string());
        assert!(response.headers().contains_key("www-authenticate"));
        assert!(response.body().is_end_stream());
    }

    #[test]
    fn a_message_is_one_line_of_plain_text() {
        let fields: Fields = said(13, "100% \u{fc}ber\nall").collect();
        assert_eq!(fields.only(&GRPC_MESSAGE).unwrap(), "100? ?ber?all");
    }
}
