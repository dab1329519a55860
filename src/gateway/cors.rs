//! `[cors]`: true preflights are answered here, and every other answer, refusals included, says which
//! origin may read it (Fetch Standard, CORS protocol).

use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};

use super::body::Body;
use crate::{
    config::Cors,
    wire::{Fields, Reply},
};

/// What the backend says on this matter is replaced: one of two voices would be wrong.
const OURS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Whether a request is a true preflight: OPTIONS with an origin and a method asked for.
#[must_use]
pub(crate) fn is_preflight(method: &Method, fields: &Fields) -> bool {
    *method == Method::OPTIONS
        && fields.contains(&ORIGIN)
        && fields.contains(&ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight: 204, with the permission only for an origin that has it.
#[must_use]
pub(super) fn preflight(cors: &Cors, fields: &Fields) -> Reply<Body> {
    let mut reply = Reply::new(Body::empty());
    reply.status = StatusCode::NO_CONTENT;
    let head = &mut reply.fields;
    head.set(VARY, HeaderValue::from_static("Origin, Access-Control-Request-Headers"));
    if fields.get(&ORIGIN).and_then(|origin| allowed(cors, origin)).is_none() {
        return reply;
    }
    let asked = |name: &HeaderName| fields.get(name).cloned();
    if let Some(methods) = cors.methods.clone().or_else(|| asked(&ACCESS_CONTROL_REQUEST_METHOD)) {
        head.set(ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    if let Some(names) = cors.headers.clone().or_else(|| asked(&ACCESS_CONTROL_REQUEST_HEADERS)) {
        head.set(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    head.set(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
    reply
}

/// Sets the fields of an answer to a request that named `origin`.
pub(super) fn decorate(
    cors: &Cors,
    origin: Option<&HeaderValue>,
    head: &mut Fields,
    preflight: bool,
) {
    if !preflight {
        for name in &OURS {
            head.remove(name);
        }
    }
    if cors.origins.is_some() && !preflight {
        head.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(permitted) = origin.and_then(|origin| allowed(cors, origin)) else { return };
    head.set(ACCESS_CONTROL_ALLOW_ORIGIN, permitted);
    if cors.credentials {
        head.set(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Some(expose) = cors.expose.clone().filter(|_| !preflight) {
        head.set(ACCESS_CONTROL_EXPOSE_HEADERS, expose);
    }
}

/// The value of `Access-Control-Allow-Origin` for `origin`, if it may read.
fn allowed(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    match &cors.origins {
        None => Some(HeaderValue::from_static("*")),
        Some(origins) => origins.iter().find(|allowed| *allowed == origin).cloned(),
    }
}
