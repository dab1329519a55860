//! The head of a request as it comes in. What is no head by the letter is none: two programs that take a
//! line's end from different bytes see different fields.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Method, Uri, Version,
    header::{CONNECTION, EXPECT},
};
use httparse::{ParserConfig, Status};

use crate::{
    request::{self, BadRequest, Framing, HeadLimits},
    wire::{Content, Fields, has_option},
};

/// Fields for which there is room on the stack.
const FIELDS_ON_STACK: usize = 100;

/// Longest target that can be read at all, bytes.
const TARGET_BYTES_MAX: usize = 65_534;

/// A request, and what its head says of the connection.
pub(crate) struct Head {
    pub(crate) request: request::Head,
    pub(crate) content: Content,
    /// The client waits to be told to send the body.
    pub(crate) waits: bool,
    /// The connection may carry another request after it.
    pub(crate) keeps: bool,
}

/// A head that is waited for.
pub(crate) struct Awaited {
    limits: HeadLimits,
    /// So much of what is there is known to hold no complete head.
    seen: usize,
}

impl Awaited {
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self { limits, seen: 0 }
    }

    /// The head, once it is there; it is taken from what has been read.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> Result<Option<Head>, BadRequest> {
        // Some clients end a body with a line that is none of it (RFC 9112 2.2).
        while input.starts_with(b"\r\n") {
            input.advance(2);
            self.seen = 0;
        }
        if input.first() == Some(&b'\n') {
            return Err(BadRequest::Head);
        }
        // Whoever sends a byte at a time does not have all of them read again for each.
        let may_be_whole = !input.is_empty()
            && (self.seen == 0 || input[self.seen.min(input.len())..].contains(&b'\n'));
        let head = if may_be_whole { read(input, self.limits)? } else { None };
        self.seen = if head.is_some() { 0 } else { input.len() };
        match head {
            None if input.len() >= self.limits.head_bytes => Err(BadRequest::HeadTooLarge),
            head => Ok(head),
        }
    }
}

/// Where name and value of a field lie: start and length. A head is shorter than four bytes count.
type Place = [[u32; 2]; 2];

/// Takes one head from what was read; `None` while it is incomplete.
fn read(input: &mut BytesMut, limits: HeadLimits) -> Result<Option<Head>, BadRequest> {
    // Where more fields may come than lie on the stack they are allocated for; few let them.
    let mut on_stack = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    let many = limits.fields > FIELDS_ON_STACK;
    let mut more = Vec::new();
    if many {
        more.resize_with(limits.fields, MaybeUninit::uninit);
    }
    let room = if many { &mut more[..] } else { &mut on_stack[..] };
    let mut parsed = httparse::Request::new(&mut []);
    let config = ParserConfig::default();
    let length = match config.parse_request_with_uninit_headers(&mut parsed, input, room) {
        Ok(Status::Complete(length)) if length > limits.head_bytes => {
            return Err(BadRequest::HeadTooLarge);
        }
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
        Err(_) => return Err(BadRequest::Head),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(BadRequest::Head);
    };
    if target.len() > TARGET_BYTES_MAX {
        return Err(BadRequest::TargetTooLong);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| BadRequest::Head)?;
    let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    // The bytes are shared, not copied, and that takes the buffer itself: what lies where is noted first.
    let start = input.as_ptr().addr();
    #[expect(clippy::cast_possible_truncation, reason = "inside a head of 1 MiB at most")]
    let place = |part: &[u8]| [(part.as_ptr().addr() - start) as u32, part.len() as u32];
    let target = place(target.as_bytes());
    let mut places_on_stack: [Place; FIELDS_ON_STACK] = [[[0; 2]; 2]; FIELDS_ON_STACK];
    let mut more_places = if many { vec![[[0; 2]; 2]; parsed.headers.len()] } else { Vec::new() };
    let places = if many { &mut more_places[..] } else { &mut places_on_stack[..] };
    for (place_of, field) in places.iter_mut().zip(parsed.headers.iter()) {
        *place_of = [place(field.name.as_bytes()), place(field.value)];
    }
    let places = &places[..parsed.headers.len()];
    if !has_whole_line_ends(&input[..length], places) {
        return Err(BadRequest::Head);
    }
    let text = input.split_to(length).freeze();
    let uri = Uri::from_maybe_shared(text.slice(span(target)));
    let uri = uri.map_err(|_| BadRequest::TargetForm)?;
    head(&text, places, (method, uri, version)).map(Some)
}

fn span([start, length]: [u32; 2]) -> std::ops::Range<usize> {
    start as usize..(start + length) as usize
}

/// Whether every line ends with CR LF: the parser takes a bare LF for one, and others take it for a part
/// of a value. Each line but the first and the empty one begins with a name.
fn has_whole_line_ends(text: &[u8], places: &[Place]) -> bool {
    let is_line_end = |end: usize| end >= 2 && text[end - 2..end] == *b"\r\n";
    places.iter().all(|[[name, _], _]| is_line_end(*name as usize)) && text.ends_with(b"\r\n\r\n")
}

/// The request that stands in `text`.
fn head(
    text: &Bytes,
    places: &[Place],
    (method, uri, version): (Method, Uri, Version),
) -> Result<Head, BadRequest> {
    let (mut keeps, mut closes, mut waits) = (version == Version::HTTP_11, false, false);
    let mut fields = Fields::with_capacity(places.len());
    for [name, value] in places {
        let name = HeaderName::from_bytes(&text[span(*name)]);
        let value = HeaderValue::from_maybe_shared(text.slice(span(*value)));
        let (Ok(name), Ok(value)) = (name, value) else { return Err(BadRequest::Head) };
        if name == CONNECTION {
            closes |= has_option(value.as_bytes(), b"close");
            keeps |= has_option(value.as_bytes(), b"keep-alive");
        } else if name == EXPECT {
            waits = value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        }
        fields.append(name, value);
    }
    // What could end in two places is refused by whoever judges it, who reads it in the same way; here
    // nothing that follows is read.
    let content = match Framing::read(&fields, version, true) {
        Ok(Framing::None) => Content::Nothing,
        Ok(Framing::Length(length)) => Content::Length(length),
        Ok(Framing::Streamed) => Content::Chunked,
        Err(_) => {
            closes = true;
            Content::Nothing
        }
    };
    let request = request::Head { method, uri, version, fields, offer: None };
    waits &= version == Version::HTTP_11;
    Ok(Head { request, content, waits, keeps: keeps && !closes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits =
        HeadLimits { target_bytes: 256, segments: 16, head_bytes: 512, fields: 10 };

    /// What is read of these pieces: heads, what is left, or why there will be none.
    fn read(pieces: &[&[u8]], limits: HeadLimits) -> Result<Vec<String>, BadRequest> {
        let (mut input, mut heads) = (BytesMut::new(), Vec::new());
        let mut awaited = Awaited::new(limits);
        for piece in pieces {
            input.extend_from_slice(piece);
            while let Some(Head { request, content, waits, keeps }) = awaited.read(&mut input)? {
                let fields = request.fields.iter().map(|(name, value)| format!("{name}={value:?}"));
                let fields = fields.collect::<Vec<_>>().join(" ");
                let (method, uri, version) = (request.method, request.uri, request.version);
                let says = format!("{content:?} waits={waits} keeps={keeps}");
                heads.push(format!("{method} {uri} {version:?} {fields} | {says}"));
            }
        }
        heads.push(format!("{} left", input.len()));
        Ok(heads)
    }

    /// The same bytes, cut everywhere.
    fn read_everywhere(bytes: &[u8]) -> Result<Vec<String>, BadRequest> {
        let whole = read(&[bytes], LIMITS);
        for cut in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]], LIMITS), whole, "cut at {cut}");
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&each, LIMITS), whole, "byte by byte");
        whole
    }

    #[test]
    fn heads_are_read_wherever_they_are_cut_and_what_follows_is_left() {
        let found = read_everywhere(
            b"\r\nGET /a?b=c HTTP/1.1\r\nHost: x\r\nX-A:  b \r\nx-a: c\r\n\r\n\
              POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n",
        );
        let expected = [
            "GET /a?b=c HTTP/1.1 host=\"x\" x-a=\"b\" x-a=\"c\" | Nothing waits=false keeps=true",
            "POST / HTTP/1.1 host=\"x\" expect=\"100-Continue\" content-length=\"2\" \
             | Length(2) waits=true keeps=true",
            "0 left",
        ];
        assert_eq!(found, Ok(expected.map(str::to_owned).to_vec()));
        let body = read(&[b"GET / HTTP/1.1\r\n\r\nhello"], LIMITS).unwrap();
        assert_eq!(body.last().map(String::as_str), Some("5 left"));
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn what_a_head_says_of_its_body_and_its_connection() {
        for (version, lines, says) in [
            ("1.1", "",                                             "Nothing waits=false keeps=true"),
            ("1.0", "",                                             "Nothing waits=false keeps=false"),
            ("1.0", "Connection: Keep-Alive\r\n",                   "Nothing waits=false keeps=true"),
            ("1.1", "Connection: x, Close\r\n",                     "Nothing waits=false keeps=false"),
            ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", "Nothing waits=false keeps=false"),
            ("1.1", "Content-Length: 7\r\n",                        "Length(7) waits=false keeps=true"),
            ("1.0", "Content-Length: 7\r\nExpect: 100-continue\r\n", "Length(7) waits=false keeps=false"),
            ("1.1", "Transfer-Encoding: chunked\r\n",               "Chunked waits=false keeps=true"),
            // Where it ends is not certain: nothing behind it is read.
            ("1.1", "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", "Nothing waits=false keeps=false"),
            ("1.1", "Transfer-Encoding: gzip, chunked\r\n",         "Nothing waits=false keeps=false"),
            ("1.0", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", "Nothing waits=false keeps=false"),
            ("1.1", "Content-Length: 7\r\nContent-Length: 8\r\n",   "Nothing waits=false keeps=false"),
            ("1.1", "Content-Length: +7\r\n",                       "Nothing waits=false keeps=false"),
        ] {
            let head = format!("POST / HTTP/{version}\r\n{lines}\r\n");
            let found = read_everywhere(head.as_bytes()).unwrap();
            assert_eq!(found[0].split(" | ").nth(1), Some(says), "{head:?}");
        }
    }

    #[test]
    fn what_is_no_head_by_the_letter_is_none() {
        for bytes in [
            &b"\nGET / HTTP/1.1\r\n\r\n"[..],
            b"\r\n\nGET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\n\r\n",
            b"GET / HTTP/1.1\n\n",
            b"GET / HTTP/1.1\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\r\n: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nno field\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
            b"GET  / HTTP/1.1\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / http/1.1\r\n\r\n",
            b"\x16\x03\x01\x00\xa5",
        ] {
            let found = read(&[bytes], LIMITS);
            assert_eq!(found, Err(BadRequest::Head), "{:?}", String::from_utf8_lossy(bytes));
            let each: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&each, LIMITS), found, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn heads_have_their_bounds_however_many_fields_may_come() {
        let of = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(fields));
        let many = HeadLimits { fields: 1000, head_bytes: 8192, ..LIMITS };
        assert!(read(&[of(90).as_bytes()], LIMITS).is_ok());
        assert_eq!(read(&[of(99).as_bytes()], LIMITS), Err(BadRequest::HeadTooLarge));
        let wide = HeadLimits { head_bytes: 8192, ..LIMITS };
        assert_eq!(read(&[of(101).as_bytes()], wide), Err(BadRequest::TooManyFields));
        let found = read(&[of(1000).as_bytes()], many).unwrap();
        assert_eq!(found[0].matches("a=\"b\"").count(), 1000);
        assert_eq!(read(&[of(1001).as_bytes()], many), Err(BadRequest::TooManyFields));
        let endless = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 600]].concat();
        assert_eq!(read(&[&endless], LIMITS), Err(BadRequest::HeadTooLarge));
        let each: Vec<&[u8]> = endless.chunks(7).collect();
        assert_eq!(read(&each, LIMITS), Err(BadRequest::HeadTooLarge));
    }
}
