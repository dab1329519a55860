//! Credentials: one or none, and none is left behind, neither for the backend nor in a log.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION, request::Parts};

use super::written;
use crate::{
    auth::credential::{Credential, Source, Sources},
    request::{Canonical, query::Query},
    wire::Fields,
};

/// Every kind of source, the same for clients of tenants, and the few that a file without a word has.
static SOURCES: LazyLock<[Sources; 3]> = LazyLock::new(|| {
    let usual = [Source::Header, Source::Query("access_token".to_owned())];
    let more = [
        Source::Basic,
        Source::ClientParams,
        Source::Field(HeaderName::from_static("x-api-key")),
        Source::Cookie("session".to_owned()),
    ];
    let every = Sources::new(usual.iter().cloned().chain(more).collect());
    [every.clone(), every.of_usergrid(), Sources::new(usual.to_vec())]
});

/// A request as [`written`] says.
///
/// - What is found is well formed, and found again where it is put into `Authorization`.
/// - After the cut there is no credential, and a second cut finds nothing to cut.
/// - What a log hides of the query is what is cut, and nothing else.
/// - Neither what is found nor why it is refused can be printed with the credential in it.
///
/// # Panics
/// When one of these does not hold.
pub fn credential(data: &[u8]) {
    let Some((parts, _)) = written::read(data) else { return };
    for (which, sources) in SOURCES.iter().enumerate() {
        let Some(mut request) = canonical(&parts) else { return };
        if let Ok(Some(found)) = sources.extract(&request) {
            is_well_formed(&found.credential);
            prints_nothing_of(&found.credential);
            is_found_again(sources, &found.credential, which);
        }
        if let Some(query) = request.query.as_str() {
            hides_what_is_cut(sources, query, which == 1);
        }
        sources.strip(&mut request.fields, &mut request.query);
        assert_eq!(sources.extract(&request), Ok(None), "after the cut");
        assert_eq!(sources.basic_client(&request), Ok(None), "after the cut");
        let (fields, query) = (request.fields.clone(), request.query.clone());
        sources.strip(&mut request.fields, &mut request.query);
        assert_eq!((&request.fields, &request.query), (&fields, &query), "cut twice");
    }
}

fn canonical(parts: &Parts) -> Option<Canonical> {
    Canonical::read(written::copy(parts), false, false, super::head::policy()).ok()
}

fn is_well_formed(credential: &Credential) {
    let plain = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control());
    match credential {
        Credential::Token(text) => {
            let text = text.expose();
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte);
            assert!((1..=4096).contains(&text.len()) && text.bytes().all(letter), "{text:?}");
        }
        Credential::Client { id, secret } => {
            // What is decoded twice for tenants' clients may hold what was escaped twice.
            let once = |text: &str| text.contains('%') || plain(text);
            assert!(!id.is_empty() && once(id) && once(secret.expose()), "{id:?}");
        }
    }
}

/// Short texts may stand in any line by accident.
fn prints_nothing_of(credential: &Credential) {
    let printed = format!("{credential:?}");
    let (secret, shown) = match credential {
        Credential::Token(text) => (text.expose(), ""),
        Credential::Client { id, secret } => (secret.expose(), id.as_str()),
    };
    let tells = secret.len() > 12 && !shown.contains(secret) && printed.contains(secret);
    assert!(!tells, "{printed}");
}

fn is_found_again(sources: &Sources, credential: &Credential, which: usize) {
    let field = match credential {
        Credential::Token(text) => format!("bEaReR   {}", text.expose()),
        // A colon ends the id; an escape has a meaning to clients of tenants, once.
        Credential::Client { id, secret } => {
            let secret = secret.expose();
            if id.contains(':') || which == 1 && (id.contains('%') || secret.contains('%')) {
                return;
            }
            format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
        }
    };
    let mut parts = http::Request::new(()).into_parts().0;
    let Ok(value) = HeaderValue::try_from(field) else { panic!("a credential that is no value") };
    parts.headers.insert(http::header::HOST, HeaderValue::from_static("a"));
    parts.headers.insert(AUTHORIZATION, value);
    let request = canonical(&parts);
    let again = request.map(|request| sources.extract(&request));
    let Some(Ok(Some(again))) = again else { panic!("not found again: {again:?}") };
    assert!(again.credential == *credential, "another is found");
}

/// `more` says that logs hide parameters of a login too.
fn hides_what_is_cut(sources: &Sources, query: &str, more: bool) {
    let logged = sources.redact_query(query);
    assert_eq!(sources.redact_query(&logged), logged, "hidden twice");
    assert_eq!(logged.split('&').count(), query.split('&').count(), "{logged}");
    for (pair, logged) in query.split('&').zip(logged.split('&')) {
        let name = pair.split('=').next().unwrap_or_default();
        assert!(logged == pair || *logged == format!("{name}=•••"), "{pair} is logged {logged}");
        let Ok(mut alone) = Query::parse(Some(pair)) else { continue };
        sources.strip(&mut Fields::default(), &mut alone);
        let cut = alone.as_str() != Some(pair);
        if pair.contains('=') && (cut || !more) {
            assert_eq!(cut, logged != pair, "{pair} is logged {logged}");
        }
    }
}
