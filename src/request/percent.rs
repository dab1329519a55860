//! Percent-encoding, read strictly: a percent sign without two hex digits is nobody's to guess.

use std::borrow::Cow;

/// The byte of two hex digits.
pub(super) fn hex_pair(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high?)? * 16 + digit(low?)?).ok()
}

/// Appends `%XX`.
pub(super) fn escape(byte: u8, text: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// Whether a percent sign stands before two hex digits.
pub(super) fn has_escape(text: &str) -> bool {
    text.as_bytes()
        .windows(3)
        .any(|three| three[0] == b'%' && hex_pair(Some(three[1]), Some(three[2])).is_some())
}

/// Decodes once. `None` for a bad escape, or bytes that are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { hex_pair(bytes.next(), bytes.next())? } else { byte });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// What is left when decoding is repeated until nothing changes; escapes that stay bad stay as they are.
///
/// One pass: an escape is complete only when its last digit arrives, and escapes cannot overlap, so
/// collapsing them from the left reaches the same end as any number of passes would.
pub(crate) fn decode_to_the_end(text: &str) -> Cow<'_, [u8]> {
    if !has_escape(text) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        decoded.push(byte);
        while let [.., b'%', high, low] = decoded[..] {
            let Some(byte) = hex_pair(Some(high), Some(low)) else { break };
            decoded.truncate(decoded.len() - 3);
            decoded.push(byte);
        }
    }
    Cow::Owned(decoded)
}
