//! How the body of a request is delimited, read from its fields and never guessed.
//!
//! What leaves is rebuilt from [`Framing`] alone: no framing field is ever copied.

use http::{
    Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::BadRequest;
use crate::wire::Fields;

/// How the body is delimited. The outbound framing is rebuilt from this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Until the end of the chunked coding or of the HTTP/2 stream.
    Streamed,
}

impl Framing {
    /// Reads the framing of a request whose body has already ended when `body_is_end`.
    ///
    /// # Source
    /// RFC 9112 6.1 (transfer codings; none on HTTP/1.0), 6.3 (which length counts); RFC 9113 8.1.1
    /// (Content-Length equals the stream's length).
    ///
    /// # Errors
    /// [`BadRequest`] for what could end in two places.
    pub fn read(fields: &Fields, version: Version, body_is_end: bool) -> Result<Self, BadRequest> {
        if !fields.names().any(|name| *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING) {
            return Ok(Self::without_fields(version, body_is_end));
        }
        let length = content_length(fields)?;
        let chunked = is_chunked(fields, version)?;
        match length {
            Some(_) if chunked => Err(BadRequest::ContentLengthConflict),
            Some(1..) if version >= Version::HTTP_2 && body_is_end => {
                Err(BadRequest::ContentLengthConflict)
            }
            Some(length) => Ok(Self::Length(length)),
            None if chunked => Ok(Self::Streamed),
            None => Ok(Self::without_fields(version, body_is_end)),
        }
    }

    /// Without a framing field, only HTTP/2 can say by its frames that there is a body.
    fn without_fields(version: Version, body_is_end: bool) -> Self {
        if version >= Version::HTTP_2 && !body_is_end { Self::Streamed } else { Self::None }
    }
}

/// One plain number below 2^63. Repeating the very same one changes nothing.
fn content_length(fields: &Fields) -> Result<Option<u64>, BadRequest> {
    let mut lines = fields.all(&CONTENT_LENGTH);
    let Some(first) = lines.next() else { return Ok(None) };
    if lines.any(|line| line != first) {
        return Err(BadRequest::ContentLengthConflict);
    }
    let digits = first.as_bytes();
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit).filter(|number| *number < 1 << 63)
    });
    number.filter(|_| !digits.is_empty()).map(Some).ok_or(BadRequest::ContentLength)
}

/// Exactly one line that says `chunked`, on HTTP/1.1.
fn is_chunked(fields: &Fields, version: Version) -> Result<bool, BadRequest> {
    let mut lines = fields.all(&TRANSFER_ENCODING);
    let Some(first) = lines.next() else { return Ok(false) };
    let chunked = first.as_bytes().eq_ignore_ascii_case(b"chunked");
    if chunked && lines.next().is_none() && version == Version::HTTP_11 {
        Ok(true)
    } else {
        Err(BadRequest::TransferEncoding)
    }
}
