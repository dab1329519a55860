//! The head of a request, from the wire to the backend: identity fields are ours alone, and what is sent is
//! what was judged.

use std::{sync::LazyLock, time::SystemTime};

use http::{HeaderMap, HeaderName, Version, request::Parts};

use super::{decoded_once, written};
use crate::{
    auth::credential::Sources,
    config::{Config, Http, IdentityField, Piece, apart},
    gateway::rehearse,
    policy::{Presented, decide},
    principal::Principal,
    request::{
        Canonical, Framing, RequestPolicy,
        fields::{is_forwarding, is_removed},
        fold::fold,
    },
    wire::Fields,
};

const USUAL: &str = r#"
backend = "http://127.0.0.1:9000"
secret = "0123456789-abcdefghijklmnopqrstuvwxyz"
[tokens]
from = ["header", "query:access_token", "header:X-Api-Key", "cookie:session", "basic", "client-params"]
[rules]
"* /**" = { who = "guest", upgrade = "websocket" }
"#;

/// Everything else that decides what is sent; nobody's name is a field of nearly every request.
const LOOSE: &str = r#"
backend = "loose"
secret = "0123456789-abcdefghijklmnopqrstuvwxyz"
[backends.loose]
url = "http://127.0.0.1:9000"
http = "2"
host = "backend"
[trust]
proxies = ["127.0.0.1"]
[paths]
empty-segments = "merge"
encoded-slash = "opaque"
punctuation = "plain"
case = "fold"
[identity]
User-Agent = "agent of {principal.id}"
X-Kind = "{principal.kind}"
X_Mail = "mail:{principal.email}"
Scopes = "{principal.scopes}"
Gate = "tollgate"
[rules]
"* /**" = "guest"
"#;

/// A configuration, and what a worker prepares of it.
struct Gate {
    config: Config,
    policy: RequestPolicy,
    sources: Sources,
}

static GATES: LazyLock<[Gate; 2]> = LazyLock::new(|| {
    [USUAL, LOOSE].map(|text| {
        let config = match apart(text, "", &|_| None, SystemTime::UNIX_EPOCH) {
            Ok(config) => config,
            Err(report) => panic!("{report}"),
        };
        let (policy, sources) = (config.request_policy(), Sources::new(config.tokens.from.clone()));
        Gate { config, policy, sources }
    })
});

/// What requests of a usual configuration are read against.
pub(super) fn policy() -> &'static RequestPolicy {
    &GATES[0].policy
}

/// A request as [`written`] says, with its caller.
///
/// - The owned fields at the backend are exactly what the identity dictates, under every spelling.
/// - Nothing speaks to a connection but what we say ourselves, and one line of each tells the way here.
/// - No credential is left.
/// - What was judged is what is sent, and whoever reads it as we do finds the same request; sent once more,
///   it is the same head.
///
/// # Panics
/// When one of these does not hold.
pub fn head(data: &[u8]) {
    let Some((parts, principal)) = written::read(data) else { return };
    for gate in GATES.iter() {
        let Ok(read) = gate.read(written::copy(&parts)) else { continue };
        let (method, path, framing) = (read.method.clone(), read.path.clone(), read.framing);
        let authority = read.authority.clone();
        let Some((sent, query)) = gate.send(read, principal.as_ref()) else { continue };
        for field in &gate.config.identity {
            is_dictated(field, principal.as_ref(), &sent.headers);
        }
        says_its_own_way(&sent.headers);
        assert_eq!((&sent.method, sent.uri.path()), (&method, path.as_str()));
        assert_eq!(sent.uri.query(), query.as_deref());
        let again = match gate.read(written::copy(&sent)) {
            Ok(again) => again,
            Err(bad) => panic!("{bad}: we would not read what we send: {sent:?}"),
        };
        assert_eq!(gate.sources.extract(&again), Ok(None), "a credential is left: {sent:?}");
        assert_eq!((&again.path, again.framing), (&path, framing));
        assert_eq!(again.query.as_str(), query.as_deref());
        if std::ptr::eq(gate, &GATES[0]) {
            assert_eq!(again.authority.as_str(), authority.as_str());
        }
        let Some((twice, _)) = gate.send(again, principal.as_ref()) else {
            panic!("we would not send what we send: {sent:?}")
        };
        assert_eq!(twice.uri, sent.uri);
        assert_eq!(end_to_end(&twice.headers), end_to_end(&sent.headers));
    }
}

impl Gate {
    fn read(&self, parts: Parts) -> Result<Canonical, crate::request::BadRequest> {
        // Without a field that says so, HTTP/2 tells by its frames whether there is a body.
        let ended = parts.headers.contains_key("x-ended");
        Canonical::read(parts, ended, false, &self.policy)
    }

    /// What the backend receives, and the query that belongs there. `None` when the request is refused.
    fn send(&self, read: Canonical, caller: Option<&Principal>) -> Option<(Parts, Option<String>)> {
        self.sources.extract(&read).ok()?;
        let path = read.path.clone();
        let found = self.config.rules.find(&read.method, read.authority.host(), &path);
        let presented = caller.map_or(Presented::Nothing, Presented::Proven);
        let Ok(permit) = decide(found.as_ref(), presented, SystemTime::UNIX_EPOCH, None, None)
        else {
            panic!("the one rule lets everybody in")
        };
        let (mut query, framing) = (read.query.clone(), read.framing);
        self.sources.strip(&mut Fields::default(), &mut query);
        let mut sent = rehearse::outbound(read, &self.sources, &permit, &self.config).ok()?;
        if self.config.backends[0].http == Http::Two {
            sent.version = Version::HTTP_2;
            if framing == Framing::None {
                sent.headers.insert("x-ended", http::HeaderValue::from_static("1"));
            }
        }
        Some((sent, query.as_str().map(str::to_owned)))
    }
}

/// The fields that are the same however often a request goes through a gateway: one that trusts its peer
/// adds itself to the way.
fn end_to_end(fields: &HeaderMap) -> Vec<(&str, &[u8])> {
    let kept = fields.iter().filter(|(name, _)| !is_forwarding(name));
    let mut lines: Vec<_> = kept.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    lines.sort_unstable();
    lines
}

fn is_dictated(field: &IdentityField, caller: Option<&Principal>, sent: &HeaderMap) {
    let own = fold(field.name.as_str());
    let lines: Vec<_> = sent.iter().filter(|(name, _)| fold(name.as_str()) == own).collect();
    let value = match lines[..] {
        [] => None,
        [(name, value)] => {
            assert_eq!(name, field.name);
            Some(value.as_bytes())
        }
        _ => panic!("{} has {} lines: {sent:?}", field.name, lines.len()),
    };
    // The templates of this room have at most one text, before at most one placeholder.
    let (text, piece) = match &field.value[..] {
        [Piece::Text(text)] => (text.as_str(), None),
        [Piece::Text(text), piece] => (text.as_str(), Some(piece)),
        [piece] => ("", Some(piece)),
        _ => panic!("a template of more pieces"),
    };
    let said = piece.map_or(Some(Vec::new()), |piece| what_it_says(piece, caller));
    let Some(said) = said else {
        return assert_eq!(value, None, "{} of nobody", field.name);
    };
    // A blank at the end of a value is none of it.
    let text = if said.concat().is_empty() { text.trim_end_matches(' ') } else { text };
    let Some(rest) = value.and_then(|value| value.strip_prefix(text.as_bytes())) else {
        panic!("{} is {value:?}", field.name)
    };
    assert!(rest.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\;=".contains(byte)));
    let list: Vec<Vec<u8>> = if piece.is_none() {
        Vec::new()
    } else {
        rest.split(|byte| *byte == b',').map(decoded_once).collect()
    };
    assert_eq!(list, said, "{}", field.name);
}

/// The items that a reader has to find; `None` where the caller has nothing of the kind.
fn what_it_says(piece: &Piece, caller: Option<&Principal>) -> Option<Vec<Vec<u8>>> {
    let one = |text: &str| Some(vec![text.as_bytes().to_vec()]);
    let list = |items: &[String]| {
        (!items.is_empty()).then(|| items.iter().map(|item| item.as_bytes().to_vec()).collect())
    };
    match (piece, caller) {
        (Piece::Kind, None) => one("guest"),
        (Piece::Kind, Some(caller)) => one(caller.kind.label()),
        (Piece::Text(_), _) | (_, None) => None,
        (Piece::Id, Some(caller)) => one(&caller.id),
        (Piece::Name, Some(caller)) => one(caller.name.as_deref()?),
        (Piece::Email, Some(caller)) => one(caller.email.as_deref()?),
        (Piece::Roles, Some(caller)) => list(&caller.roles),
        (Piece::Scopes, Some(caller)) => list(&caller.scopes),
    }
}

fn says_its_own_way(sent: &HeaderMap) {
    const FORWARDING: [&str; 5] =
        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"];
    const OURS: [&str; 6] =
        ["host", "content-length", "transfer-encoding", "te", "connection", "upgrade"];
    let one = |name: &HeaderName| sent.get_all(name).iter().count() == 1;
    for name in FORWARDING {
        assert!(sent.contains_key(name), "{name} is missing");
    }
    for name in sent.keys() {
        if is_forwarding(name) {
            assert!(FORWARDING.contains(&name.as_str()) && one(name), "{name}: {sent:?}");
        }
        if is_removed(name) {
            assert!(OURS.contains(&name.as_str()) && one(name), "{name}: {sent:?}");
        }
    }
}
