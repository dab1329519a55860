//! How a raw path becomes canonical: one scan when nothing is odd, segment by segment otherwise.

use super::{CanonicalPath, EmptySegments, EncodedSlash, PathPolicy, Places, Punctuation};
use crate::request::{
    BadRequest,
    percent::{self, hex_pair},
};

/// Characters that fonts, fullwidth mappings or compatibility folding turn into `.` or `/`.
const LOOKALIKES: [char; 5] = ['\u{2024}', '\u{2044}', '\u{2215}', '\u{FF0E}', '\u{FF0F}'];

/// Reads a path in which every character stands for itself. `None` when one does not.
pub(super) fn plain(raw: &str, policy: &PathPolicy) -> Option<Result<CanonicalPath, BadRequest>> {
    if !raw.starts_with('/') {
        return Some(Err(BadRequest::PathRelative));
    }
    let bytes = raw.as_bytes();
    let mut segments = Places::new();
    let mut start = 1;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        if byte == b'/' {
            if at == start || bytes[at - 1] == b'.' {
                return None;
            }
            segments.push(place(start, at));
            start = at + 1;
        } else if !is_plain(byte) {
            return None;
        }
    }
    if start < bytes.len() {
        if bytes.last() == Some(&b'.') {
            return None;
        }
        segments.push(place(start, bytes.len()));
    }
    if segments.len() > policy.segments_max {
        return Some(Err(BadRequest::PathTooManySegments));
    }
    Some(Ok(CanonicalPath { text: raw.to_owned(), value: String::new(), segments }))
}

/// From `start` to `end`, in a text that is no longer than the path as it came and a slash.
fn place(start: usize, end: usize) -> (u16, u16) {
    let short = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
    (short(start), short(end))
}

/// Reads any path, or says what is wrong with it.
pub(super) fn escaped(raw: &str, policy: &PathPolicy) -> Result<CanonicalPath, BadRequest> {
    let mut text = String::with_capacity(raw.len() + 8);
    let mut value = String::with_capacity(raw.len());
    let mut segments = Places::new();
    let mut decoded = Vec::new();
    let mut pieces = raw.strip_prefix('/').ok_or(BadRequest::PathRelative)?.split('/').peekable();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            // The last piece is what follows a last slash, not a segment.
            if pieces.peek().is_some() && policy.empty_segments == EmptySegments::Refuse {
                return Err(BadRequest::PathEmptySegment);
            }
            continue;
        }
        if segments.len() == policy.segments_max {
            return Err(BadRequest::PathTooManySegments);
        }
        decoded.clear();
        text.push('/');
        spell(piece, &mut text, &mut decoded)?;
        let segment = std::str::from_utf8(&decoded).map_err(|_| BadRequest::PathNotUtf8)?;
        judge(segment, policy)?;
        value.push('/');
        segments.push(place(value.len(), value.len() + segment.len()));
        value.push_str(segment);
    }
    if raw.ends_with('/') {
        text.push('/');
    }
    if !text.contains('%') {
        value = String::new();
    }
    Ok(CanonicalPath { text, value, segments })
}

/// Appends the spelling of one segment to `text` and its bytes to `decoded`.
fn spell(piece: &str, text: &mut String, decoded: &mut Vec<u8>) -> Result<(), BadRequest> {
    let mut bytes = piece.bytes();
    while let Some(raw) = bytes.next() {
        let (byte, kept) = if raw == b'%' {
            let byte = hex_pair(bytes.next(), bytes.next()).ok_or(BadRequest::PathBadEscape)?;
            (byte, is_unreserved(byte))
        } else {
            match raw {
                b' ' => return Err(BadRequest::PathControl),
                b'#' => return Err(BadRequest::PathEncodedHash),
                b'?' => return Err(BadRequest::PathEncodedQuestion),
                0x80.. => return Err(BadRequest::PathNonAscii),
                _ => (raw, is_plain(raw) || raw == b';'),
            }
        };
        if byte.is_ascii_control() {
            return Err(BadRequest::PathControl);
        }
        decoded.push(byte);
        if kept { text.push(char::from(byte)) } else { percent::escape(byte, text) }
    }
    Ok(())
}

/// Refuses a decoded segment that another server could take for something else.
fn judge(segment: &str, policy: &PathPolicy) -> Result<(), BadRequest> {
    if hides_dot_segment(segment) {
        return Err(BadRequest::PathDotSegment);
    }
    let plain = policy.punctuation == Punctuation::Plain;
    for byte in segment.bytes() {
        match byte {
            b'\\' => return Err(BadRequest::PathBackslash),
            b'/' if policy.encoded_slash == EncodedSlash::Refuse => {
                return Err(BadRequest::PathEncodedSlash);
            }
            b'#' if !plain => return Err(BadRequest::PathEncodedHash),
            b'?' if !plain => return Err(BadRequest::PathEncodedQuestion),
            b';' if !plain => return Err(BadRequest::PathSemicolon),
            _ => {}
        }
    }
    if !plain && percent::has_escape(segment) {
        return Err(BadRequest::PathDoubleEncoding);
    }
    if segment.ends_with(|last: char| last == '.' || last.is_whitespace()) {
        return Err(BadRequest::PathSegmentEnd);
    }
    if segment.contains(LOOKALIKES) {
        return Err(BadRequest::PathLookalike);
    }
    Ok(())
}

/// Whether some server would find `.` or `..` in this segment: one that decodes again and again, takes
/// an encoded slash or backslash for a separator, or cuts parameters, a query, a fragment or what
/// follows a NUL. No policy makes these ordinary.
fn hides_dot_segment(segment: &str) -> bool {
    percent::decode_to_the_end(segment).split(|byte| matches!(byte, b'/' | b'\\')).any(|piece| {
        let cut = piece.iter().position(|byte| matches!(byte, b';' | b'?' | b'#' | 0));
        let name = &piece[..cut.unwrap_or(piece.len())];
        let blank = |byte: &u8| *byte <= b' ' || *byte == 0x7F;
        let start = name.iter().position(|byte| !blank(byte)).unwrap_or(name.len());
        let end = name.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
        matches!(&name[start..end], b"." | b"..")
    })
}

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 3.3 without escapes and without `;`: stands for itself everywhere.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
        || matches!(byte, b':' | b'@')
}
