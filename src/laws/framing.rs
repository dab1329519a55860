//! Requests on a connection of HTTP/1.1: where each head and each body ends is certain, however its bytes
//! arrive.

use bytes::BytesMut;
use http::Version;

use crate::{
    request::{self, HeadLimits},
    server::http1::{Awaited, Head},
    wire::{Content, Delimited, Next},
};

const LIMITS: HeadLimits =
    HeadLimits { target_bytes: 1024, segments: 32, head_bytes: 1024, fields: 20 };

/// A request as it was read, and the bytes that it was read from.
struct Read {
    request: request::Head,
    content: Content,
    keeps: bool,
    head: Vec<u8>,
    body: Vec<u8>,
    body_as_it_came: Vec<u8>,
    trailers: usize,
}

/// What stands on a connection: whole requests, and what comes after them.
struct Stream {
    requests: Vec<Read>,
    /// Nothing that follows is read as a request.
    ends: bool,
}

/// A first byte that says how to cut, then what a client sends.
///
/// - Cut anywhere, the same requests are found, and it goes on or it does not.
/// - Whoever splits a head at each CR LF, and knows no other line end, finds its fields and its end.
/// - Whoever counts a body by the one field that says how long it is finds the same bytes.
///
/// # Panics
/// When one of these does not hold.
pub fn framing(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    // Line ends behind it: what is no head may be seen early, and is seen at the next line end.
    let whole = read(&[bytes, b"\n\n"]);
    let pieces = bytes.chunks(1 + usize::from(*size)).chain([&b"\n\n"[..]]);
    let pieces: Vec<&[u8]> = pieces.collect();
    let cut = read(&pieces);
    assert_eq!(whole.requests.len(), cut.requests.len(), "in pieces of {}", 1 + usize::from(*size));
    assert_eq!(whole.ends, cut.ends);
    for (one, other) in whole.requests.iter().zip(&cut.requests) {
        let all = |it: &Read| (it.head.clone(), it.body.clone(), it.body_as_it_came.clone());
        assert_eq!(all(one), all(other));
    }
    for request in &whole.requests {
        is_one_head(request);
        match request.content {
            Content::Nothing => has_none(request),
            Content::Length(_) => is_counted(request),
            Content::Chunked => is_chunked(request),
            Content::UntilClose => panic!("a request does not end with its connection"),
        }
    }
}

fn read(pieces: &[&[u8]]) -> Stream {
    let (mut input, mut eaten) = (BytesMut::new(), Vec::new());
    let mut stream = Stream { requests: Vec::new(), ends: false };
    let mut awaited = Awaited::new(LIMITS);
    // The request whose body is being read.
    let mut begun: Option<(Read, Delimited)> = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        eaten.extend_from_slice(piece);
        while !stream.ends {
            let Some((request, body)) = &mut begun else {
                match awaited.read(&mut input) {
                    Ok(None) => break,
                    Err(_) => stream.ends = true,
                    Ok(Some(Head { request, content, keeps, .. })) => {
                        let head = eaten[..eaten.len() - input.len()].to_vec();
                        eaten.drain(..head.len());
                        let (body, trailers) = (Vec::new(), 0);
                        let body_as_it_came = Vec::new();
                        let request =
                            Read { request, content, keeps, head, body, body_as_it_came, trailers };
                        begun = Some((request, Delimited::from(content)));
                    }
                }
                continue;
            };
            match body.next(&mut input) {
                Ok(Next::More) => break,
                Ok(Next::Data(data)) => request.body.extend_from_slice(&data),
                Ok(Next::Trailers(fields)) => request.trailers = fields.len(),
                Ok(Next::End) => (),
                Err(_) => stream.ends = true,
            }
            if body.is_over()
                && let Some((mut request, _)) = begun.take()
            {
                request.body_as_it_came = eaten[..eaten.len() - input.len()].to_vec();
                eaten.drain(..request.body_as_it_came.len());
                stream.ends = !request.keeps;
                stream.requests.push(request);
            }
        }
    }
    stream
}

/// The lines of a text in which every line ends with CR LF.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    assert!(rest.is_empty(), "not a line: {rest:?}");
    for line in &lines {
        let odd = line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0'));
        assert!(!odd, "a line that others end elsewhere: {line:?}");
    }
    lines
}

fn is_one_head(request: &Read) {
    let mut text = &request.head[..];
    while let Some(rest) = text.strip_prefix(b"\r\n") {
        text = rest;
    }
    let lines = lines(text);
    let [first, fields @ .., last] = &lines[..] else { panic!("no lines: {text:?}") };
    assert!(last.is_empty() && !fields.iter().any(|line| line.is_empty()));
    assert_eq!(fields.len(), request.request.fields.len());
    let version = if request.request.version == Version::HTTP_11 { "1.1" } else { "1.0" };
    assert!(first.ends_with(format!(" HTTP/{version}").as_bytes()));
    assert!(first.starts_with(format!("{} ", request.request.method).as_bytes()));
    assert_eq!(first.iter().filter(|byte| **byte == b' ').count(), 2);
    for line in fields {
        let colon = line.iter().position(|byte| *byte == b':');
        let name = &line[..colon.unwrap_or(0)];
        assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_whitespace), "{line:?}");
    }
    assert!(text.len() <= LIMITS.head_bytes);
}

/// The values of a field, read from the lines.
fn values<'a>(request: &'a Read, name: &str) -> Vec<&'a [u8]> {
    lines(&request.head)
        .into_iter()
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let named = line[..colon].eq_ignore_ascii_case(name.as_bytes());
            named.then(|| line[colon + 1..].trim_ascii())
        })
        .collect()
}

fn has_none(request: &Read) {
    assert!(request.body_as_it_came.is_empty());
    // Where a head says two things nothing that follows is believed.
    if request.keeps {
        assert!(values(request, "transfer-encoding").is_empty());
        let zero = |length: &&[u8]| !length.is_empty() && length.iter().all(|digit| *digit == b'0');
        assert!(values(request, "content-length").iter().all(zero));
    }
}

fn is_counted(request: &Read) {
    assert!(values(request, "transfer-encoding").is_empty());
    let lengths = values(request, "content-length");
    assert!(!lengths.is_empty());
    for length in lengths {
        let digits = std::str::from_utf8(length).ok().filter(|it| !it.starts_with('+'));
        assert_eq!(digits.and_then(|digits| digits.parse().ok()), Some(request.body.len()));
    }
    assert_eq!(request.body, request.body_as_it_came);
}

fn is_chunked(request: &Read) {
    assert!(values(request, "content-length").is_empty());
    let [coding] = values(request, "transfer-encoding")[..] else { panic!("not one coding") };
    assert!(coding.eq_ignore_ascii_case(b"chunked") && request.request.version == Version::HTTP_11);
    let mut rest = &request.body_as_it_came[..];
    let mut content = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            panic!("a chunk without a line: {rest:?}")
        };
        let line = &rest[..end];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n')), "{line:?}");
        let after = line[digits..].trim_ascii_start();
        assert!(after.is_empty() || after[0] == b';', "not a size: {line:?}");
        let digits = std::str::from_utf8(&line[..digits]).ok();
        let size = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(size) = size else { panic!("not a size: {line:?}") };
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        content.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
    }
    assert_eq!(content, request.body);
    let trailers = lines(rest);
    assert_eq!(trailers.last(), Some(&&b""[..]));
    assert_eq!(trailers.len() - 1, request.trailers);
}
