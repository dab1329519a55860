//! Host and port that the client asked for: exactly one, all its sources in agreement.
//!
//! ASCII only. Never maps international names, never resolves, never decides whether a host is local.

use std::{net::Ipv6Addr, rc::Rc};

use http::{Uri, Version, header::HOST};

use super::BadRequest;
use crate::wire::Fields;

/// Longest host name of DNS, in its text form without the last dot.
const HOST_BYTES_MAX: usize = 253;

/// ASCII host in lower case without a last dot, and the port unless it is the scheme's own.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    text: Rc<str>,
    host_bytes: usize,
}

impl Authority {
    /// The one authority of a request: `Host`, `:authority` and an absolute target must agree. Where they
    /// are the text of `before`, which came over the same connection, they are not read again.
    ///
    /// # Errors
    /// [`BadRequest`] when there is none, more than one, or one that is not well formed.
    ///
    /// # Source
    /// RFC 9112 3.2 (exactly one Host, or 400), RFC 9113 8.3.1 (`:authority` and Host agree).
    pub(super) fn of(
        uri: &Uri,
        version: Version,
        fields: &Fields,
        over_tls: bool,
        before: Option<&Self>,
    ) -> Result<Self, BadRequest> {
        let mut hosts = fields.all(&HOST);
        let host = hosts.next().map(http::HeaderValue::as_bytes);
        if host.is_none() && version < Version::HTTP_2 {
            return Err(BadRequest::HostMissing); // an absolute target does not stand in for it
        }
        if hosts.next().is_some() {
            return Err(BadRequest::HostRepeated);
        }
        let target = uri.authority().map(|authority| authority.as_str().as_bytes());
        let (Some(first), second) = (host.or(target), target) else {
            return Err(BadRequest::HostMissing);
        };
        // Canonical text is read as itself.
        let authority = match before.filter(|before| before.text.as_bytes() == first) {
            Some(before) => before.clone(),
            None => Self::parse(first, over_tls)?,
        };
        match second {
            Some(raw) if raw != first && Self::parse(raw, over_tls)? != authority => {
                Err(BadRequest::HostConflict)
            }
            _ => Ok(authority),
        }
    }

    /// Reads `host`, `host:port` or `[v6]:port`; the scheme's own port is cut.
    ///
    /// # Errors
    /// [`BadRequest`] for whatever is not a host with an optional port.
    pub fn parse(raw: &[u8], over_tls: bool) -> Result<Self, BadRequest> {
        if raw.is_empty() {
            return Err(BadRequest::HostMissing);
        }
        Self::read(raw, over_tls).ok_or_else(|| match raw.contains(&b'@') {
            true => BadRequest::HostUserinfo,
            false => BadRequest::HostMalformed,
        })
    }

    /// `example.com` or `[::1]`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.text[..self.host_bytes]
    }

    /// `example.com:8080`: the canonical Host field.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn read(raw: &[u8], over_tls: bool) -> Option<Self> {
        let mut text = String::with_capacity(raw.len());
        let port = match raw.strip_prefix(b"[") {
            Some(rest) => {
                let (address, port) = std::str::from_utf8(rest).ok()?.split_once(']')?;
                text = format!("[{}]", address.parse::<Ipv6Addr>().ok()?);
                port
            }
            None => {
                let colon = raw.iter().position(|byte| *byte == b':');
                let (name, port) = raw.split_at(colon.unwrap_or(raw.len()));
                push_name(&mut text, name.strip_suffix(b".").unwrap_or(name))?;
                std::str::from_utf8(port).ok()?
            }
        };
        let host_bytes = text.len();
        if !port.is_empty() {
            let digits = port.strip_prefix(':')?;
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = digits.parse().ok()?;
            if !plain || digits.starts_with('0') {
                return None;
            }
            if number != if over_tls { 443 } else { 80 } {
                text.push_str(port);
            }
        }
        Some(Self { text: text.into(), host_bytes })
    }
}

/// The letters of a label, in lower case; 0 for every other byte.
const LABEL_LETTERS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Appends a name in lower case: letters, digits, `-` and `_` in labels that are not empty. Covers IPv4 in its
/// dotted form. `None` where it is none.
fn push_name(text: &mut String, name: &[u8]) -> Option<()> {
    let mut before = b'.';
    for byte in name {
        let letter = match LABEL_LETTERS[usize::from(*byte)] {
            0 if *byte == b'.' && before != b'.' => b'.',
            0 => return None,
            letter => letter,
        };
        text.push(char::from(letter));
        before = letter;
    }
    (before != b'.' && name.len() <= HOST_BYTES_MAX).then_some(())
}
