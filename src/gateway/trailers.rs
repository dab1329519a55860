//! The fields after a backend's body: which of them a client gets, and what `Trailer` may announce.
//!
//! A recipient may merge trailers into the head that it has acted upon already, so nothing passes here
//! that a head is needed for, that belongs to our hop, or that only we may say.

use http::{HeaderMap, HeaderName, HeaderValue, header::TRAILER};

use super::answer::REMOVED;
use crate::wire::Fields;

/// What becomes of one answer's trailers. `None`: its client takes none. Else the names that its
/// `Connection` field has claimed for our hop.
pub(super) struct Trailers(Option<Vec<HeaderName>>);

impl Trailers {
    /// None at all: the client did not say `TE: trailers` (RFC 9110 6.5.1).
    pub(super) const NONE: Self = Self(None);

    /// Those that may pass, and are not `claimed` (RFC 9110 7.6.1).
    pub(super) fn without(claimed: Vec<HeaderName>) -> Self {
        Self(Some(claimed))
    }

    /// The fields that the client gets, if any.
    pub(super) fn pass(&self, mut fields: HeaderMap) -> Option<HeaderMap> {
        let claimed = self.0.as_ref()?;
        let doomed: Vec<_> =
            fields.keys().filter(|name| !may_pass(name, claimed)).cloned().collect();
        for name in doomed {
            fields.remove(name);
        }
        (!fields.is_empty()).then_some(fields)
    }

    /// Leaves in `Trailer` the names that can come.
    pub(super) fn announce(&self, fields: &mut Fields) {
        if !fields.contains(&TRAILER) {
            return;
        }
        let Some(claimed) = &self.0 else {
            fields.remove(&TRAILER);
            return;
        };
        let lines = fields.all(&TRAILER);
        let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let names = members.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        let kept: Vec<_> = names.filter(|name| may_pass(name, claimed)).collect();
        let kept: Vec<_> = kept.iter().map(HeaderName::as_str).collect();
        match HeaderValue::try_from(kept.join(", ")) {
            Ok(value) if !kept.is_empty() => fields.set(TRAILER, value),
            Ok(_) | Err(_) => fields.remove(&TRAILER),
        }
    }
}

fn may_pass(name: &HeaderName, claimed: &[HeaderName]) -> bool {
    !(REMOVED.contains(name) || claimed.contains(name) || is_for_heads(name.as_str()))
}

/// What means something only in a head (RFC 9110 6.5.1: framing, routing, authentication, controls of
/// the answer, the content's format), or is ours to say.
fn is_for_heads(name: &str) -> bool {
    name.starts_with("access-control-")
        || matches!(
            name,
            // Ours.
            "x-request-id"
            // Framing and routing.
            | "content-length" | "trailer" | "host" | "expect" | "max-forwards"
            // Who somebody is.
            | "www-authenticate" | "authorization" | "proxy-authorization" | "set-cookie"
            | "set-cookie2" | "cookie"
            // Caches and other controls.
            | "age" | "cache-control" | "cdn-cache-control" | "clear-site-data" | "date" | "expires"
            | "location" | "pragma" | "refresh" | "retry-after" | "surrogate-control" | "vary"
            | "warning"
            // What the content is.
            | "content-disposition" | "content-encoding" | "content-language" | "content-location"
            | "content-range" | "content-type"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed() -> Vec<HeaderName> {
        vec![HeaderName::from_static("x-hop")]
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn what_passes_is_neither_of_the_hop_nor_of_the_head_nor_ours() {
        for (name, passes) in [
            ("x-sum",                       true),
            ("grpc-status",                 true),
            ("server-timing",               true),
            ("etag",                        true),
            ("content-digest",              true),
            ("authentication-info",         true),
            ("connection",                  false),
            ("keep-alive",                  false),
            ("te",                          false),
            ("upgrade",                     false),
            ("transfer-encoding",           false),
            ("content-length",              false),
            ("trailer",                     false),
            ("proxy-status",                false),
            ("proxy-authenticate",          false),
            ("x-request-id",                false),
            ("set-cookie",                  false),
            ("www-authenticate",            false),
            ("cache-control",               false),
            ("vary",                        false),
            ("location",                    false),
            ("content-type",                false),
            ("content-encoding",            false),
            ("access-control-allow-origin", false),
            ("x-hop",                       false),
        ] {
            let mut fields = HeaderMap::new();
            fields.append(name, HeaderValue::from_static("1"));
            fields.append(name, HeaderValue::from_static("2"));
            let passed = Trailers::without(claimed()).pass(fields.clone());
            assert_eq!(passed, passes.then(|| fields.clone()), "{name}");
            assert_eq!(Trailers::NONE.pass(fields), None, "{name}");
        }
    }

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn only_what_can_come_is_announced() {
        for (lines, announced) in [
            (&[][..],                                    None),
            (&["X-Sum"],                                 Some("x-sum")),
            (&["X-Sum, Connection, content-length"],     Some("x-sum")),
            (&["X-Sum", "Proxy-Status,Grpc-Status"],     Some("x-sum, grpc-status")),
            (&["X-Hop"],                                 None),
            (&["set-cookie, trailer"],                   None),
            (&["", ",, ,", "no name"],                   None),
            (&["x-\u{e9}, x-sum"],                       Some("x-sum")),
        ] {
            let mut fields = Fields::default();
            for line in lines {
                fields.append(TRAILER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            let mut none = fields.clone();
            Trailers::without(claimed()).announce(&mut fields);
            let left: Vec<_> = fields.all(&TRAILER).map(|line| line.to_str().unwrap()).collect();
            assert_eq!(left, announced.into_iter().collect::<Vec<_>>(), "{lines:?}");
            Trailers::NONE.announce(&mut none);
            assert!(none.is_empty(), "{lines:?}");
        }
    }
}
