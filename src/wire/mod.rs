//! What HTTP/1.1 needs on either side of us: bytes as they come, fields, the body that lies in
//! them, and bytes as they go.
//!
//! Nothing here knows what is client and what is backend, and nothing waits by itself: whoever has a
//! stream polls.

mod chunked;
mod client;
mod delimited;
mod fields;
mod input;
mod parcel;
mod reply;
mod spare;

use tokio::io::{AsyncRead, AsyncWrite};

pub use self::{
    chunked::{Malformed, Next},
    client::{BodyBroken, ClientBody, Line},
    delimited::{Content, Delimited},
    fields::{Fields, Ready},
    input::Input,
    parcel::Parcel,
    reply::Reply,
    spare::text,
};

/// Any stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

/// Whether a list such as that of `Connection` has this option (RFC 9110 7.6.1).
#[must_use]
pub fn has_option(list: &[u8], option: &[u8]) -> bool {
    let mut options = list.split(|byte| *byte == b',');
    options.any(|said| said.trim_ascii().eq_ignore_ascii_case(option))
}

/// Writes a field line of a head.
pub fn line(text: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    text.reserve(line_length(name, value));
    text.extend_from_slice(name);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

/// How many bytes [`line()`] adds.
pub(super) fn line_length(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ": \r\n".len()
}
