//! The gauntlet's rows for a request head, as values: raw head in, canonical form or reason out.

mod fields;
mod head;
mod query;

use http::{HeaderName, HeaderValue, Request, Uri, Version};

use super::{
    BadRequest, Canonical, HeadLimits, RequestPolicy,
    fields::Fence,
    path::{Case, EmptySegments, EncodedSlash, PathPolicy, Punctuation},
};
use crate::wire::Fields;

/// The policy of a file that says nothing, with the fields of the design's example owned.
pub(crate) fn policy() -> RequestPolicy {
    let owned = ["x-auth-subject", "x-auth-name", "x-auth-roles"].map(HeaderName::from_static);
    RequestPolicy {
        paths: PathPolicy {
            empty_segments: EmptySegments::Refuse,
            encoded_slash: EncodedSlash::Refuse,
            punctuation: Punctuation::Refuse,
            case: Case::Exact,
            segments_max: 128,
        },
        fence: Fence::new(&owned),
        limits: HeadLimits { target_bytes: 8192, segments: 128, head_bytes: 32_768, fields: 100 },
    }
}

/// What the server hands over for `head`: a request line and field lines, each ended by `\n`. Bytes that
/// are no UTF-8 are written `\xHH`.
pub(crate) fn parts(head: &str) -> http::request::Parts {
    let mut lines = head.lines();
    let line: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [method, target, version] = line[..] else { panic!("request line: {head}") };
    let mut request = Request::new(());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = Uri::try_from(target).unwrap();
    *request.version_mut() = match version {
        "HTTP/1.0" => Version::HTTP_10,
        "HTTP/1.1" => Version::HTTP_11,
        "HTTP/2" => Version::HTTP_2,
        other => panic!("version {other}"),
    };
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(&unescape(value.trim())).unwrap();
        request.headers_mut().append(name, value);
    }
    request.into_parts().0
}

fn unescape(text: &str) -> Vec<u8> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

/// Reads a head whose body has ended, on a plain connection.
pub(crate) fn read(head: &str) -> Result<Canonical, BadRequest> {
    Canonical::read(parts(head), true, false, &policy())
}

/// `GET /` with these field lines, read.
pub(crate) fn get(fields: &str) -> Result<Canonical, BadRequest> {
    read(&format!("GET / HTTP/1.1\nHost: a\n{fields}"))
}

/// `name: value` lines in order of names.
fn lines(fields: &Fields) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut lines: Vec<String> = fields.iter().map(line).collect();
    lines.sort();
    lines
}

#[track_caller]
fn refused(head: &str, reason: BadRequest) {
    assert_eq!(read(head).err(), Some(reason), "{head}");
}
