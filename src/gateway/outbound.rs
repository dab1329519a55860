//! The head that the backend receives, built from the canonical request and a permit (law 2): fields
//! of the client are what canonical reading left, credentials are cut, and ours are set last.

use std::rc::Rc;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Uri,
    header::{CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{
    Refusal,
    peer::Peer,
    route::Route,
    state::{Backend, Nobody},
};
use crate::{
    auth::hot::Caller,
    config::{Config, HostField, Http, IdentityField, Piece},
    policy::Permit,
    principal::Principal,
    request::{BadRequest, Framing, authority, path::CanonicalPath, query::Query},
    upstream::{Outgoing, RequestBody},
    wire::{Fields, Ready},
};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that are of one request alone: its id, its framing, and for some backends another Host or TE.
const OF_ONE_REQUEST: usize = 3;

/// Largest sum of identity field values, bytes: common backends take 8 KiB of head in all.
const IDENTITY_BYTES_MAX: usize = 4096;

/// A canonical request whose credentials have been cut, ready to be sent.
pub(super) struct Outbound<'a> {
    pub(super) method: Method,
    pub(super) authority: &'a authority::Authority,
    pub(super) path: &'a CanonicalPath,
    pub(super) query: &'a Query,
    pub(super) came: Option<PathAndQuery>,
    pub(super) fields: Fields,
    pub(super) framing: Framing,
    pub(super) caller: Option<&'a Caller>,
    pub(super) nobody: &'a Nobody,
    pub(super) accepts_trailers: bool,
}

impl Outbound<'_> {
    /// The request as it goes on the wire.
    pub(super) fn build(
        self,
        permit: &Permit<'_>,
        config: &Config,
        backend: &Backend,
        (peer, route): (&Peer, &Route),
        request_id: &HeaderValue,
        body: RequestBody,
    ) -> Result<Outgoing, Refusal> {
        let asked = peer.asked(self.authority);
        let mut fields = self.fields;
        Route::forget(&mut fields);
        let identity = identity(&config.identity, permit.principal(), (self.caller, self.nobody))?;
        let ready = [Some(route.told(peer, &asked)), Some(identity)];
        let mut ours = Fields::with_capacity(OF_ONE_REQUEST);
        let host = match backend.settings.host {
            HostField::Client => asked.authority.clone(),
            HostField::Backend => backend.host.clone(),
        };
        let mut target = target(self.path, self.query, self.came, config, backend)?;
        match backend.settings.http {
            Http::One => ours.append(HOST, host),
            Http::Two => {
                target = absolute(target, &host)?;
                if self.accepts_trailers {
                    ours.append(TE, HeaderValue::from_static("trailers"));
                }
            }
        }
        ours.append(X_REQUEST_ID, request_id.clone());
        match self.framing {
            Framing::Length(length) => ours.append(CONTENT_LENGTH, HeaderValue::from(length)),
            Framing::Streamed if backend.settings.http == Http::One => {
                ours.append(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            Framing::Streamed | Framing::None => (),
        }
        Ok(Outgoing { method: self.method, target, fields, ours, ready, body })
    }
}

/// The request target: the judged path, less the backend's prefix, and the query.
fn target(
    path: &CanonicalPath,
    query: &Query,
    came: Option<PathAndQuery>,
    config: &Config,
    backend: &Backend,
) -> Result<Uri, Refusal> {
    let stripped = match &backend.strip {
        None => None,
        Some(prefix) => match path.strip_prefix(prefix, &config.paths) {
            Some(Ok(rest)) => Some(rest),
            Some(Err(_)) | None => return Err(Refusal::StrippedPath),
        },
    };
    let path = stripped.as_ref().unwrap_or(path).as_str();
    // Nearly every target is canonical as it comes: then there is nothing to write anew.
    if let Some(came) = came.filter(|came| is_target(came.as_str(), path, query.as_str())) {
        return Ok(Uri::from(came));
    }
    let target = match query.as_str() {
        None => Bytes::copy_from_slice(path.as_bytes()),
        Some(query) => Bytes::from([path, query].join("?")),
    };
    let target = PathAndQuery::from_maybe_shared(target);
    target.map(Uri::from).map_err(|_| Refusal::StrippedPath)
}

/// The target as pseudo-fields of HTTP/2 are made from it: `:authority` is what Host is elsewhere; the
/// `:scheme` is that of the connection, and is set where there is one.
fn absolute(target: Uri, host: &HeaderValue) -> Result<Uri, Refusal> {
    const UNWRITABLE: Refusal = Refusal::BadRequest(BadRequest::HostMalformed);
    let mut parts = target.into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| UNWRITABLE)?);
    Uri::from_parts(parts).map_err(|_| UNWRITABLE)
}

/// Whether `text`, all of it, is this path with this query.
fn is_target(text: &str, path: &str, query: Option<&str>) -> bool {
    match (text.strip_prefix(path), query) {
        (Some(rest), None) => rest.is_empty(),
        (Some(rest), Some(query)) => rest.strip_prefix('?') == Some(query),
        (None, _) => false,
    }
}

/// The owned fields. Canonical reading has removed whatever the client sent under their names.
///
/// `caller` is whoever the credential proved; the permit says whether the request goes on as that one.
fn identity(
    identity: &[IdentityField],
    principal: Option<&Principal>,
    (caller, nobody): (Option<&Caller>, &Nobody),
) -> Result<Rc<Ready>, Refusal> {
    let same = |caller: &&Caller| principal.is_some_and(|it| std::ptr::eq(it, &caller.principal));
    let made = || identity_fields(identity, principal);
    let fields = match (caller.filter(same), principal) {
        (Some(caller), _) => caller.fields(made),
        (None, None) => nobody.get_or_init(made).clone(),
        (None, Some(_)) => made(),
    };
    fields.ok_or(Refusal::IdentityTooLarge)
}

/// The owned fields for one caller; `None` when they are larger than a backend takes.
fn identity_fields(identity: &[IdentityField], principal: Option<&Principal>) -> Option<Rc<Ready>> {
    let (mut bytes, mut value) = (0, String::new());
    let mut fields = Fields::with_capacity(identity.len());
    for field in identity {
        value.clear();
        if write_value(&mut value, &field.value, principal).is_none() {
            continue;
        }
        // Blanks at the ends, which only a template's text can have, are no part of a value (RFC 9110 5.5):
        // HTTP/1.1 loses them on the way, and HTTP/2 takes the request for malformed (RFC 9113 8.2.1).
        let value = value.trim_matches(' ');
        bytes += value.len();
        if bytes > IDENTITY_BYTES_MAX {
            return None;
        }
        // A name of this worker's own: clones of the configuration's would share a count with others.
        let name = HeaderName::from_bytes(field.name.as_str().as_bytes()).ok()?;
        // Templates hold visible ASCII, and everything else was percent-encoded.
        fields.append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(Ready::new(fields))
}

/// Adds the field's value to `value`; `None` when the caller has nothing of what it asks for.
fn write_value(
    value: &mut String,
    template: &[Piece],
    principal: Option<&Principal>,
) -> Option<()> {
    for piece in template {
        match (piece, principal) {
            (Piece::Text(text), _) => value.push_str(text),
            (Piece::Kind, None) => value.push_str("guest"),
            (Piece::Kind, Some(principal)) => value.push_str(principal.kind.label()),
            (_, None) => return None,
            (Piece::Id, Some(principal)) => encode(value, &principal.id),
            (Piece::Name, Some(principal)) => encode(value, principal.name.as_deref()?),
            (Piece::Email, Some(principal)) => encode(value, principal.email.as_deref()?),
            (Piece::Roles, Some(principal)) => encode_list(value, &principal.roles)?,
            (Piece::Scopes, Some(principal)) => encode_list(value, &principal.scopes)?,
        }
    }
    Some(())
}

fn encode_list(value: &mut String, items: &[String]) -> Option<()> {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            value.push(',');
        }
        encode(value, item);
    }
    (!items.is_empty()).then_some(())
}

/// Percent-encodes every byte that could end a value, a list item or a quoted string somewhere.
fn encode(value: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    const fn is_plain(byte: u8) -> bool {
        matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
            || matches!(byte, b'.' | b'_' | b'~' | b'@' | b':' | b'/' | b'+' | b'-')
    }
    if text.bytes().all(is_plain) {
        return value.push_str(text);
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            value.push(char::from(byte));
        } else {
            value.push('%');
            value.push(char::from(HEX[usize::from(byte >> 4)]));
            value.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::PrincipalKind;

    fn eve() -> Principal {
        Principal {
            kind: PrincipalKind::User,
            id: "7f3f/ü".to_owned(),
            name: None,
            email: Some("eve@shop.example".to_owned()),
            roles: ["buyer".to_owned(), "night shift,x".to_owned()].into(),
            scopes: [].into(),
            home: None,
        }
    }

    #[test]
    fn values_cannot_end_a_line_or_a_list_item() {
        let eve = eve();
        let unnamed = Principal { id: String::new(), ..eve.clone() };
        #[rustfmt::skip]
        let rows: [(&[Piece], Option<&Principal>, Option<&str>); 9] = [
            (&[Piece::Id],                                  Some(&eve), Some("7f3f/%C3%BC")),
            (&[Piece::Roles],                               Some(&eve), Some("buyer,night%20shift%2Cx")),
            (&[Piece::Name],                                Some(&eve), None),
            (&[Piece::Scopes],                              Some(&eve), None),
            (&[Piece::Text("mail:".into()), Piece::Email],  Some(&eve), Some("mail:eve@shop.example")),
            (&[Piece::Kind],                                None,       Some("guest")),
            (&[Piece::Id],                                  None,       None),
            (&[Piece::Text(" the ".into()), Piece::Id],     Some(&unnamed), Some("the")),
            (&[Piece::Text("  ".into())],                   None,       Some("")),
        ];
        for (template, principal, value) in rows {
            let name = HeaderName::from_static("x-auth");
            let field = IdentityField { name: name.clone(), value: template.to_vec() };
            let ready = identity_fields(&[field], principal).unwrap();
            let sent = ready.fields().only(&name).map(|value| value.to_str().unwrap());
            assert_eq!(sent, value, "{template:?}");
        }
    }

    #[test]
    fn only_a_target_that_is_the_judged_one_in_every_byte_is_sent_as_it_came() {
        #[rustfmt::skip]
        let rows = [
            ("/a/b",      "/a/b", None,        true),
            ("/a/b?x=1",  "/a/b", Some("x=1"), true),
            ("/a/b?",     "/a/b", Some(""),    true),
            ("/a/b?x=1",  "/a/b", None,        false),
            ("/a/b?",     "/a/b", None,        false),
            ("/a/b",      "/a/b", Some(""),    false),
            ("?x=1",      "/",    Some("x=1"), false),
            ("/a/b/",     "/a/b", None,        false),
            ("/a/%62",    "/a/b", None,        false),
            ("/a/b??x=1", "/a/b", Some("x=1"), false),
        ];
        for (came, path, query, same) in rows {
            assert_eq!(is_target(came, path, query), same, "{came} against {path} {query:?}");
        }
    }

    #[test]
    fn an_identity_beyond_4_kib_is_refused_not_cut() {
        let mut eve = eve();
        eve.roles = (0..1000).map(|n| format!("role{n}")).collect();
        let name = http::HeaderName::from_static("x-auth-roles");
        let identity = [IdentityField { name, value: vec![Piece::Roles] }];
        let refused = super::identity(&identity, Some(&eve), (None, &Nobody::new()));
        assert!(matches!(refused, Err(Refusal::IdentityTooLarge)));
    }
}
