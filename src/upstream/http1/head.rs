//! Heads of HTTP/1.1: the request's as it goes out, the answer's as it comes in.

use std::{
    mem::MaybeUninit,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode, Version, header::CONNECTION};
use httparse::{ParserConfig, Status};

use super::{
    super::{Outgoing, UpstreamError},
    connection::Connection,
};
use crate::wire::{self, Fields, has_option, line};

/// Largest head of an answer, bytes: twice what we accept from clients.
pub(in crate::upstream) const HEAD_BYTES: usize = 64 * 1024;

/// Most bytes before an answer's head is complete, interim answers included.
const BEFORE_HEAD_MAX: usize = 4 * HEAD_BYTES;

/// Most fields of an answer.
const FIELDS_MAX: usize = 100;

/// Fields that an answer gets of us on its way: there is room for them from the start.
const SET_BY_US: usize = 4;

/// The request's head as it goes out. It says only what was judged: target and fields are canonical.
pub(super) fn written(request: &Outgoing) -> Vec<u8> {
    let mut text = wire::text();
    text.extend_from_slice(request.method.as_str().as_bytes());
    text.push(b' ');
    let target = request.target.path_and_query().map_or("/", |target| target.as_str());
    text.extend_from_slice(target.as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    debug_assert!(request.is_unambiguous(), "{:?} and {:?}", request.fields, request.ours);
    for ready in request.ready() {
        text.extend_from_slice(ready.text());
    }
    for (name, value) in request.ours.iter().chain(request.fields.iter()) {
        line(&mut text, name.as_str().as_bytes(), value.as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// The head of an answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) fields: Fields,
    /// Whether the connection may carry another request after it.
    pub(super) keeps: bool,
}

/// An answer that is waited for.
pub(super) struct Awaited {
    /// Bytes that may still come before its head is complete: interim answers have no other end.
    left: usize,
    /// So much of what is there is known to hold no complete head.
    seen: usize,
    /// The request asks to switch protocols.
    may_switch: bool,
}

impl Awaited {
    pub(super) fn new(may_switch: bool) -> Self {
        Self { left: BEFORE_HEAD_MAX, seen: 0, may_switch }
    }

    /// Whether not a byte of an answer came.
    pub(super) fn is_silent(&self, connection: &Connection) -> bool {
        self.left == BEFORE_HEAD_MAX && connection.input.bytes.is_empty()
    }

    /// Reads until the head is complete.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer, UpstreamError>> {
        loop {
            if let Some(answer) = self.read(&mut connection.input.bytes)? {
                return Poll::Ready(Ok(answer));
            }
            if connection.input.bytes.len() >= HEAD_BYTES || self.left == 0 {
                return Poll::Ready(Err(UpstreamError::BadResponse));
            }
            match ready!(connection.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(UpstreamError::Closed)),
                Ok(read) => self.left = self.left.saturating_sub(read),
            }
        }
    }

    /// The head, once it is there. Interim answers are left out: we have asked for none.
    fn read(&mut self, input: &mut BytesMut) -> Result<Option<Answer>, UpstreamError> {
        loop {
            // Whoever sends a byte at a time does not have all of them read again for each.
            if input.is_empty() || (self.seen > 0 && !input[self.seen..].contains(&b'\n')) {
                self.seen = input.len();
                return Ok(None);
            }
            let empty = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            input.advance(empty);
            let Some(answer) = parse(input)? else {
                self.seen = input.len();
                return Ok(None);
            };
            self.seen = 0;
            match answer.status {
                StatusCode::SWITCHING_PROTOCOLS if !self.may_switch => {
                    return Err(UpstreamError::BadResponse);
                }
                StatusCode::SWITCHING_PROTOCOLS => return Ok(Some(answer)),
                status if status.is_informational() => (),
                _ => return Ok(Some(answer)),
            }
        }
    }
}

/// Takes one head from what was read; `None` while it is incomplete.
fn parse(input: &mut BytesMut) -> Result<Option<Answer>, UpstreamError> {
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = ParserConfig::default();
    let whole = config.parse_response_with_uninit_headers(&mut parsed, input, &mut room);
    let Status::Complete(length) = whole.map_err(|_| UpstreamError::BadResponse)? else {
        return Ok(None);
    };
    if length > HEAD_BYTES {
        return Err(UpstreamError::BadResponse);
    }
    let status = StatusCode::from_u16(parsed.code.unwrap_or_default())
        .map_err(|_| UpstreamError::BadResponse)?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    // Where the fields lie: their bytes are shared, not copied, and that takes the buffer itself. Two bytes
    // hold every place in it.
    let start = input.as_ptr().addr();
    #[expect(clippy::cast_possible_truncation, reason = "inside a head of 64 KiB")]
    let place = |part: &[u8]| [(part.as_ptr().addr() - start) as u16, part.len() as u16];
    let mut places = [[[0; 2]; 2]; FIELDS_MAX];
    let lines = parsed.headers.len();
    for (places, field) in places.iter_mut().zip(parsed.headers.iter()) {
        *places = [place(field.name.as_bytes()), place(field.value)];
    }
    let text = input.split_to(length).freeze();
    let span =
        |[start, length]: [u16; 2]| usize::from(start)..usize::from(start) + usize::from(length);
    let (mut keeps, mut closes) = (version == Version::HTTP_11, false);
    let mut fields = Fields::with_capacity(lines + SET_BY_US);
    for [name, value] in &places[..lines] {
        let name = HeaderName::from_bytes(&text[span(*name)]);
        let value = HeaderValue::from_maybe_shared(text.slice(span(*value)));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(UpstreamError::BadResponse) };
        if name == CONNECTION {
            closes |= has_option(value.as_bytes(), b"close");
            keeps |= has_option(value.as_bytes(), b"keep-alive");
        }
        fields.append(name, value);
    }
    Ok(Some(Answer { status, version, fields, keeps: keeps && !closes }))
}
