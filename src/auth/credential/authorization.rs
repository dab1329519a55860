//! The `Authorization` field: one scheme, one credential.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Credential, CredentialError};
use crate::secret::Secret;

/// Longest credential accepted, in bytes. Bounds the copy and the hash that every request costs; far
/// above what issuers make, far below the head's own limit.
pub(super) const CREDENTIAL_BYTES_MAX: usize = 4096;

/// The characters of a token, as a table: every request reads it for each character of one.
const TOKEN_LETTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'-');
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// A scheme and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    Basic,
}

/// Splits a field's value. `None` for a scheme that is neither.
///
/// # Source
/// RFC 9110 11.4 (`scheme 1*SP token68`), 11.1 (the scheme has no case).
pub(super) fn split(value: &[u8]) -> Result<Option<(Scheme, &[u8])>, CredentialError> {
    if value.is_empty() {
        return Err(CredentialError::Empty);
    }
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if !scheme.iter().all(u8::is_ascii_graphic) {
        return Err(CredentialError::Malformed);
    }
    let scheme = if scheme.eq_ignore_ascii_case(b"bearer") {
        Scheme::Bearer
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        Scheme::Basic
    } else {
        return Ok(None);
    };
    let start = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
    Ok(Some((scheme, &rest[start..])))
}

/// Reads a token: RFC 6750 2.1 names the characters, and no other ever reaches a store or a cache.
pub(super) fn token(text: &[u8]) -> Result<Credential, CredentialError> {
    if text.is_empty() {
        return Err(CredentialError::Empty);
    }
    if text.len() > CREDENTIAL_BYTES_MAX
        || !text.iter().all(|byte| TOKEN_LETTERS[usize::from(*byte)])
    {
        return Err(CredentialError::Malformed);
    }
    let text = std::str::from_utf8(text).map_err(|_| CredentialError::Malformed)?;
    Ok(Credential::Token(Secret::new(text)))
}

/// Reads a name and a password, which may hold colons.
///
/// # Source
/// RFC 7617 2 (base64 with padding; no control characters; cut at the first colon).
pub(super) fn basic(text: &[u8]) -> Result<Credential, CredentialError> {
    if text.is_empty() {
        return Err(CredentialError::Empty);
    }
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(CredentialError::Basic);
    }
    let decoded = STANDARD.decode(text).map_err(|_| CredentialError::Basic)?;
    let decoded = String::from_utf8(decoded).map_err(|_| CredentialError::Basic)?;
    let (id, secret) = decoded.split_once(':').ok_or(CredentialError::Basic)?;
    client(id, secret).ok_or(CredentialError::Basic)
}

/// A client whose id is not empty, and neither of whose parts has a control character.
pub(super) fn client(id: &str, secret: &str) -> Option<Credential> {
    let readable = |text: &str| {
        text.len() <= CREDENTIAL_BYTES_MAX && !text.bytes().any(|byte| byte.is_ascii_control())
    };
    (!id.is_empty() && readable(id) && readable(secret))
        .then(|| Credential::Client { id: id.to_owned(), secret: Secret::new(secret) })
}
