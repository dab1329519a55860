//! Which fields of a request are end-to-end and the client's to say.
//!
//! Names are compared folded: a backend that turns fields into variables reads `X_User`, `x.user` and
//! `X-User` alike, so we do too. Never sets a field, and never looks at a value except where the
//! field speaks to this connection (`Connection`, `TE`, `Expect`), and over HTTP/2 at its first and last
//! byte.

use std::collections::HashSet;

use http::{
    HeaderName, HeaderValue, Version,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION,
        CONTENT_TYPE, COOKIE, EXPECT, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, ORIGIN, RANGE,
        REFERER, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
};

use super::{
    BadRequest,
    fold::{FOLDED_BYTES_MAX, fold, fold_into, folds_to},
    upgrade::Offer,
};
use crate::wire::Fields;

/// End-to-end fields of nearly every request: known by equality, without folding.
const ORDINARY: [HeaderName; 13] = [
    ACCEPT,
    USER_AGENT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    AUTHORIZATION,
    COOKIE,
    CONTENT_TYPE,
    CACHE_CONTROL,
    ORIGIN,
    REFERER,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    RANGE,
];

/// The identity fields that only the gateway may set, matched in every spelling
/// (case, `_` or `.` for `-`, other punctuation).
#[derive(Clone, Debug, Default)]
pub struct Fence {
    /// Folded names.
    owned: Vec<String>,
    /// Whether a name of [`ORDINARY`] is owned, so that equality does not suffice to keep it.
    owns_ordinary: bool,
}

impl Fence {
    /// A fence around these names.
    #[must_use]
    pub fn new(owned: &[HeaderName]) -> Self {
        let owned = owned.iter().map(|name| fold(name.as_str())).collect();
        let fence = Self { owned, owns_ordinary: false };
        Self { owns_ordinary: ORDINARY.iter().any(|name| fence.covers(name)), ..fence }
    }

    /// Whether a client's field of this name could be taken for an owned one.
    #[must_use]
    pub fn covers(&self, name: &HeaderName) -> bool {
        self.owned.iter().any(|own| folds_to(name.as_str().as_bytes(), own))
    }

    fn keeps(&self, name: &HeaderName) -> bool {
        self.keeps_unfolded(name) || !(is_removed(name) || self.covers(name))
    }

    /// Whether it is one of the names that are kept without a closer look.
    fn keeps_unfolded(&self, name: &HeaderName) -> bool {
        !self.owns_ordinary && is_ordinary(name)
    }
}

/// Whether this is a field of nearly every request, which is none of those that are looked for folded.
pub(crate) fn is_ordinary(name: &HeaderName) -> bool {
    ORDINARY.contains(name)
}

/// What the removed fields said to this connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) expects_continue: bool,
    pub(super) accepts_trailers: bool,
    pub(super) upgrade: Option<Box<Offer>>,
}

/// Leaves the fields that are end-to-end and the client's to say, and joins cookie lines into one.
///
/// Framing and Host must have been read before: they are removed here.
///
/// # Source
/// RFC 9110 7.6.1 (hop-by-hop fields), 10.1.1 (Expect); RFC 9113 8.2.2 (none of them on HTTP/2), 8.2.3
/// (cookie lines are joined on the way to HTTP/1.1).
pub(super) fn settle(
    fields: &mut Fields,
    version: Version,
    fence: &Fence,
) -> Result<Hop, BadRequest> {
    let http2 = version >= Version::HTTP_2;
    let ordinary = fields.iter().all(|(name, value)| {
        (*name == HOST || fence.keeps_unfolded(name)) && !(http2 && has_outer_blank(value))
    });
    if ordinary {
        fields.remove(&HOST);
        join_cookies(fields);
        return Ok(Hop::default()); // nothing here speaks to this connection, and nothing is to be removed
    }
    let expects_continue = expects_continue(fields)? && version != Version::HTTP_10;
    let accepts_trailers = if http2 {
        check_http2(fields)?
    } else {
        fields.all(&TE).flat_map(options).any(|option| is(option, b"trailers"))
    };
    // Connection is read on what came in, before anything is removed or set.
    let named = named_by_connection(fields, fence)?;
    let upgrade = Offer::read(fields, version);
    fields.retain(|name| fence.keeps(name) && !named.contains(name));
    join_cookies(fields);
    Ok(Hop { expects_continue, accepts_trailers, upgrade })
}

/// Whether a field of this name is removed from every request, before anything else sees it: what
/// belongs to one connection, what we rebuild, and what makes backends forget what was judged.
///
/// A configuration that takes a credential or an identity from such a field would never see one.
#[must_use]
pub fn is_removed(name: &HeaderName) -> bool {
    let mut buffer = [0; FOLDED_BYTES_MAX];
    let folded = fold_into(name.as_str(), &mut buffer);
    is_removed_exactly(folded)
        || folded.starts_with(b"xaccel") // X-Accel-Redirect and its kin
        || folded.starts_with(b"xtollgate") // ours alone
        // In its own spelling the credential is still to be read.
        || (folded == b"authorization" && *name != AUTHORIZATION)
        || (folded == b"cookie" && *name != COOKIE)
}

fn is_removed_exactly(folded: &[u8]) -> bool {
    is_hop_by_hop(folded)
        || matches!(
            folded,
            // Rebuilt, or answered by us.
            b"contentlength" | b"host" | b"expect" | b"proxystatus"
            // For a proxy, and what CGI makes an environment variable of.
            | b"proxyauthorization" | b"proxyauthenticate" | b"proxy"
            // Another target than the one judged.
            | b"xoriginalurl" | b"xoriginaluri" | b"xoriginalpath" | b"xoriginalhost"
            | b"xrewriteurl" | b"xrewriteuri" | b"xhttphostoverride" | b"xenvoyoriginalpath"
            // And what a WSGI server cuts that target by: gunicorn takes a field for CGI's variable.
            | b"scriptname" | b"xscriptname" | b"pathinfo"
            // Another method than the one judged.
            | b"xhttpmethodoverride" | b"xhttpmethod" | b"xmethodoverride" | b"xoriginalmethod"
            // Steps of a framework or server that only it may take.
            | b"xsendfile" | b"xmiddlewaresubrequest"
        )
}

fn is_hop_by_hop(folded: &[u8]) -> bool {
    matches!(
        folded,
        b"connection"
            | b"keepalive"
            | b"proxyconnection"
            | b"te"
            | b"transferencoding"
            | b"upgrade"
            | b"trailer"
            | b"http2settings"
    )
}

/// Whether this field, in any spelling, tells a backend where the request came from or what it was
/// before: removed and rebuilt by the outbound head, whatever its value.
#[must_use]
pub fn is_forwarding(name: &HeaderName) -> bool {
    let mut buffer = [0; FOLDED_BYTES_MAX];
    is_forwarding_folded(fold_into(name.as_str(), &mut buffer))
}

fn is_forwarding_folded(folded: &[u8]) -> bool {
    folded.starts_with(b"xforwarded")
        || matches!(
            folded,
            b"forwarded"
                | b"forwardedfor"
                | b"xrealip"
                | b"trueclientip"
                | b"xclientip"
                | b"clientip"
                | b"xclusterclientip"
                | b"cfconnectingip"
                | b"cfconnectingipv6"
                | b"fastlyclientip"
                | b"xoriginalforwardedfor"
                | b"xoriginatingip"
                | b"xremoteip"
                | b"xremoteaddr"
                | b"xenvoyexternaladdress"
                | b"xproxyuserip"
                | b"xurlscheme"
                | b"xscheme"
                | b"frontendhttps"
                | b"xrequestid"
        )
}

/// The fields that `Connection` declares to be the connection's own.
///
/// # Errors
/// [`BadRequest::ConnectionNamesField`] for a field that is end-to-end, owned, or set by us: taken at
/// its word, a proxy removes what it has just set.
fn named_by_connection(fields: &Fields, fence: &Fence) -> Result<HashSet<HeaderName>, BadRequest> {
    // A set: a head has room for ten thousand names here, beside a hundred fields.
    let mut named = HashSet::new();
    for option in fields.all(&CONNECTION).flat_map(options) {
        if is(option, b"keep-alive") || is(option, b"close") {
            continue;
        }
        // What is no field name names no field.
        let Ok(name) = HeaderName::from_bytes(option) else { continue };
        let mut buffer = [0; FOLDED_BYTES_MAX];
        let folded = fold_into(name.as_str(), &mut buffer);
        if is_hop_by_hop(folded) {
            continue;
        }
        let ours = is_removed(&name) || is_forwarding_folded(folded) || fence.covers(&name);
        if ours || is_end_to_end(folded) {
            return Err(BadRequest::ConnectionNamesField);
        }
        named.insert(name);
    }
    Ok(named)
}

/// Standard fields that no connection may claim.
fn is_end_to_end(folded: &[u8]) -> bool {
    let families: [&[u8]; 5] = [b"accept", b"content", b"if", b"access", b"sec"];
    families.iter().any(|family| folded.starts_with(family))
        || matches!(
            folded,
            b"authorization"
                | b"xauthorization"
                | b"xaccesstoken"
                | b"cookie"
                | b"origin"
                | b"referer"
                | b"useragent"
                | b"cachecontrol"
                | b"pragma"
                | b"range"
                | b"from"
                | b"date"
                | b"via"
                | b"maxforwards"
                | b"traceparent"
                | b"tracestate"
        )
}

/// HTTP/2 has no connection-specific fields but `TE: trailers`; says whether that is there.
fn check_http2(fields: &Fields) -> Result<bool, BadRequest> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    let specific = [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION];
    let mut te = fields.all(&TE).peekable();
    let trailers = te.peek().is_some();
    if specific.iter().any(|name| fields.contains(name))
        || te.any(|value| !is(value.as_bytes(), b"trailers"))
    {
        return Err(BadRequest::ConnectionField);
    }
    // RFC 9113 8.2.1: malformed; HTTP/1.1 would lose the blanks on its way to the backend.
    if fields.iter().any(|(_, value)| has_outer_blank(value)) {
        return Err(BadRequest::FieldBlank);
    }
    // RFC 9110 5.6.2: all else that is no token the `http` crate refuses on both versions.
    if fields.names().any(|name| name.as_str().contains('"')) {
        return Err(BadRequest::FieldName);
    }
    Ok(trailers)
}

fn has_outer_blank(value: &HeaderValue) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    blank(value.as_bytes().first()) || blank(value.as_bytes().last())
}

fn expects_continue(fields: &Fields) -> Result<bool, BadRequest> {
    let mut lines = fields.all(&EXPECT).peekable();
    let present = lines.peek().is_some();
    if lines.all(|line| is(line.as_bytes(), b"100-continue")) {
        Ok(present)
    } else {
        Err(BadRequest::Expectation)
    }
}

/// Makes one line of several, so that every reader sees the same cookies.
fn join_cookies(fields: &mut Fields) {
    if fields.all(&COOKIE).nth(1).is_none() {
        return;
    }
    // Joining valid values with "; " gives a valid one; should it not, no cookie is better than two readings.
    match joined_cookies(fields.all(&COOKIE)) {
        Some(value) => fields.set(COOKIE, value),
        None => fields.remove(&COOKIE),
    }
}

/// All cookies in one line. An empty line has none, and would leave a blank at an end.
pub(crate) fn joined_cookies<'a>(
    lines: impl Iterator<Item = &'a HeaderValue>,
) -> Option<HeaderValue> {
    let lines = lines.map(HeaderValue::as_bytes).filter(|line| !line.is_empty());
    let lines: Vec<&[u8]> = lines.collect();
    HeaderValue::from_bytes(&lines.join(&b"; "[..])).ok()
}

/// The members of a list field.
pub(super) fn options(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

pub(super) fn is(option: &[u8], word: &[u8]) -> bool {
    option.eq_ignore_ascii_case(word)
}
