//! The backend's answer on its way to the client: what concerned our hop is removed, what a shared
//! cache must know is said.

use std::{collections::HashSet, time::Instant};

use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, VARY},
};

use http_body::Body as _;

use super::{body::Body, trailers::Trailers};
use crate::{
    upstream::{ResponseBody, UpstreamError},
    wire::{Fields, Reply},
};

/// Fields of one connection (RFC 9110 7.6.1), and `Proxy-Status`, which is ours to say.
pub(super) const REMOVED: [HeaderName; 9] = [
    CONNECTION,
    TRANSFER_ENCODING,
    TE,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-status"),
];

/// What the answer must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// A credential was used: the answer is this caller's.
    pub(super) personal: bool,
    /// The client said `TE: trailers`.
    pub(super) trailers: bool,
    /// When the call, if it is one, has to be over.
    pub(super) due: Option<Instant>,
    /// It goes by HTTP/2, where trailers need no announcement.
    pub(super) http2: bool,
}

/// The answer as the client gets it.
///
/// # Errors
/// [`UpstreamError::BadResponse`] for a 101: we asked for no upgrade, so whatever follows is no HTTP.
pub(super) fn pass_on(answer: Reply<ResponseBody>, fit: Fit) -> Result<Reply<Body>, UpstreamError> {
    let Reply { status, mut fields, body } = answer;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(UpstreamError::BadResponse);
    }
    let claimed = settle(&mut fields, fit.personal);
    let trailers = if fit.trailers { Trailers::without(claimed) } else { Trailers::NONE };
    trailers.announce(&mut fields);
    let body = match fit.due.filter(|_| !body.is_end_stream()) {
        Some(due) => Body::timed(body, trailers, due),
        None => Body::upstream(body, trailers),
    };
    Ok(Reply { status, fields, body })
}

/// Leaves what is the client's, and returns the names that `Connection` claimed for our hop.
pub(super) fn settle(fields: &mut Fields, personal: bool) -> Vec<HeaderName> {
    let claimed = strip_hop_by_hop(fields);
    if personal {
        keep_private(fields);
    }
    claimed
}

/// Removes the fields of our hop, and returns the names that `Connection` claimed for it.
fn strip_hop_by_hop(fields: &mut Fields) -> Vec<HeaderName> {
    // Comparing a few names costs less than looking all of ours up.
    if !fields.names().any(|name| REMOVED.contains(name)) {
        return Vec::new();
    }
    let claimed: Vec<HeaderName> = fields
        .all(&CONNECTION)
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    // A set: there is room for many thousand names here, beside a hundred fields.
    let named: HashSet<&HeaderName> = claimed.iter().collect();
    fields.retain(|name| !REMOVED.contains(name) && !named.contains(name));
    claimed
}

/// A shared cache may not give one caller's answer to another (RFC 9111 5.2.2.7, RFC 9110 12.5.5).
fn keep_private(fields: &mut Fields) {
    let stricter = fields.all(&CACHE_CONTROL).any(|line| {
        line.as_bytes().split(|byte| *byte == b',').any(|directive| {
            let directive = directive.trim_ascii();
            directive.eq_ignore_ascii_case(b"private")
                || directive.eq_ignore_ascii_case(b"no-store")
        })
    });
    if !stricter {
        fields.set(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    fields.append(VARY, HeaderValue::from_static("Authorization"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[(&'static str, &'static str)], act: fn(&mut Fields)) -> Vec<String> {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        act(&mut fields);
        let mut left: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        left
    }

    #[test]
    fn names_on_a_second_connection_line_are_removed_too() {
        let lines = [
            ("connection", "close"),
            ("connection", "X-Hop, keep-alive"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("proxy-status", "forged"),
            ("x-end", "2"),
        ];
        assert_eq!(after(&lines, |fields| drop(strip_hop_by_hop(fields))), ["x-end: 2"]);
    }

    #[test]
    fn a_personal_answer_is_private_unless_the_backend_is_stricter() {
        assert_eq!(
            after(&[("cache-control", "public, max-age=60")], keep_private),
            ["cache-control: private", "vary: Authorization"]
        );
        assert_eq!(
            after(&[("cache-control", "max-age=0, No-Store")], keep_private),
            ["cache-control: max-age=0, No-Store", "vary: Authorization"]
        );
    }
}
