//! Which fields survive, and which refuse the request.

use proptest::prelude::*;

use super::*;
use crate::request::{fields, fold::fold};
use BadRequest::*;

/// The fields that are left of `given`.
#[track_caller]
fn left(given: &str, expected: &[&str]) {
    let request = get(given).unwrap_or_else(|error| panic!("{given}: {error}"));
    assert_eq!(lines(&request.fields), expected, "{given}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn end_to_end_fields_pass_byte_for_byte() {
    left("Accept: */*\nX-Api-Version: 2\nA: 1\nA: 2", &["a: 1", "a: 2", "accept: */*", "x-api-version: 2"]);
    left("X-Name: caf\\xe9",                          &["x-name: caf\u{FFFD}"]);
    left("Authorization: Bearer x\nCookie: a=1",      &["authorization: Bearer x", "cookie: a=1"]);
    // 57: forwarding fields stay until the outbound head is built
    left("X-Forwarded-For: 1.2.3.4",                  &["x-forwarded-for: 1.2.3.4"]);
    // 62: no field of a client changes what we do
    left("User-Agent: GoogleHC/1.0",                  &["user-agent: GoogleHC/1.0"]);
}

#[test]
fn owned_fields_are_removed_in_every_spelling() {
    // 52, 53, 55
    for name in [
        "X-Auth-Subject",
        "x-auth-SUBJECT",
        "X_Auth_Subject",
        "X.Auth.Subject",
        "X-Auth-Subject-",
        "X~Auth~Subject",
        "XAuthSubject",
        "X-Auth_Roles",
        "-x-auth-name",
        "x-auth-name!",
    ] {
        left(&format!("{name}: admin\n{name}: other\nAccept: a"), &["accept: a"]);
    }
    left("X-Auth-Subjects: a", &["x-auth-subjects: a"]);
}

#[test]
fn a_fence_around_an_ordinary_field_holds_as_well() {
    let mut policy = policy();
    policy.fence = Fence::new(&[http::header::USER_AGENT]);
    let head = parts("GET / HTTP/1.1\nHost: a\nUser-Agent: x\nUser_Agent: x\nAccept: a");
    let request = Canonical::read(head, true, false, &policy).unwrap();
    assert_eq!(lines(&request.fields), ["accept: a"]);
    assert!(policy.fence.covers(&HeaderName::from_static("user.agent")));
    assert!(!policy.fence.covers(&HeaderName::from_static("agent")));
    assert!(!Fence::default().covers(&HeaderName::from_static("agent")));
}

#[test]
fn fields_that_speak_to_a_connection_or_past_a_decision_are_removed_in_every_spelling() {
    // 49, 59, 60, 61, 63, 90
    for name in [
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Upgrade",
        "Trailer",
        "HTTP2-Settings",
        "Proxy-Status",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "Proxy",
        "X-Original-URL",
        "X-Original-Uri",
        "X-Rewrite-URL",
        "SCRIPT_NAME",
        "X-Script-Name",
        "PATH_INFO",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Accel-Redirect",
        "X-Accel-Buffering",
        "X-Sendfile",
        "X-Middleware-Subrequest",
        "X-Tollgate-Anything",
        "X-Tollgate",
    ] {
        let spellings =
            [name.to_owned(), name.replace('-', "_"), name.replace('-', "."), format!("{name}-")];
        for name in spellings {
            left(&format!("{name}: websocket\nAccept: a"), &["accept: a"]);
            assert!(fields::is_removed(&name.parse().unwrap()), "{name}");
        }
    }
    for name in [
        "Content_Length",
        "Transfer_Encoding",
        "Content.Length",
        "Ho_st",
        "Author_ization",
        "Cook-ie",
    ] {
        left(&format!("{name}: 1\nAccept: a"), &["accept: a"]);
    }
    for name in [
        "authorization",
        "cookie",
        "x-api-key",
        "content-type",
        "x-original",
        &"x-accept".repeat(20),
    ] {
        assert!(!fields::is_removed(&name.parse().unwrap()), "{name}");
    }
}

#[test]
fn forwarding_fields_are_known_in_every_spelling() {
    // 57
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Server",
        "X-Forwarded-Anything",
        "Forwarded",
        "X-Real-IP",
        "True-Client-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "CF-Connecting-IP",
        "X-Request-Id",
    ] {
        for name in [name.to_owned(), name.replace('-', "_"), name.replace('-', ".")] {
            assert!(fields::is_forwarding(&name.parse().unwrap()), "{name}");
        }
    }
    for name in ["x-forward", "accept", "from", "x-real", "x-request"] {
        assert!(!fields::is_forwarding(&name.parse().unwrap()), "{name}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn connection_removes_what_it_names_and_may_not_name_what_is_not_its_own() {
    // 54
    left("Connection: keep-alive",                               &[]);
    left("Connection: close, TE, Upgrade, HTTP2-Settings, Transfer-Encoding, trailer", &[]);
    left("Connection: X-Foo, x-bar\nX-Foo: 1\nX-Bar: 2\nX-Baz: 3", &["x-baz: 3"]);
    left("Connection: close\nConnection: x-foo\nX-Foo: 1",       &[]);
    left("Connection: , ,;=\nX-Foo: 1",                          &["x-foo: 1"]);
    for named in [
        "X-Auth-Subject", "x-auth-subject", "X_Auth_Subject", "close, X-AUTH-ROLES", "Authorization", "authorization",
        "Cookie", "Host", "Content-Length", "Content-Type", "Accept", "If-Match", "X-Forwarded-For", "X-Real-IP",
        "Forwarded", "X-Request-Id", "Via", "traceparent", "Cache-Control", "X-Tollgate-Foo", "Proxy-Authorization",
    ] {
        assert_eq!(get(&format!("Connection: {named}")).err(), Some(ConnectionNamesField), "{named}");
        assert_eq!(get(&format!("Connection: close\nConnection: {named}")).err(), Some(ConnectionNamesField), "{named}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn http2_has_no_connection_fields() {
    // 92
    for field in ["Connection: close", "Keep-Alive: a", "Proxy-Connection: a", "Upgrade: a", "TE: gzip", "TE: trailers, gzip"] {
        refused(&format!("GET http://a/ HTTP/2\n{field}"), ConnectionField);
    }
    // Among ordinary fields, and among others.
    for field in ["Accept: a\\x20", "Accept: \\x20a", "User-Agent: \\x09", "X-Odd: a\\x09"] {
        refused(&format!("GET http://a/ HTTP/2\n{field}"), FieldBlank);
        assert!(get(field).is_ok(), "{field}");
    }
    let mut parts = parts("GET http://a/ HTTP/2");
    parts.headers.append(HeaderName::from_lowercase(b"x\"a").unwrap(), HeaderValue::from_static("1"));
    assert_eq!(Canonical::read(parts, true, false, &policy()).err(), Some(FieldName));
    let request = read("GET http://a/ HTTP/2\nTE: trailers\nHTTP2-Settings: a").unwrap();
    assert!(request.accepts_trailers && request.fields.is_empty());
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_a_removed_field_asked_of_us_is_kept() {
    let hop = |fields: &str| get(fields).map(|request| (request.expects_continue, request.accepts_trailers));
    assert_eq!(hop(""),                                Ok((false, false)));
    assert_eq!(hop("TE: gzip"),                        Ok((false, false)));
    assert_eq!(hop("TE: gzip, Trailers"),              Ok((false, true)));
    assert_eq!(hop("TE: gzip\nTE: trailers"),          Ok((false, true)));
    // 66
    assert_eq!(hop("Expect: 100-Continue"),            Ok((true, false)));
    assert_eq!(hop("Expect: x"),                       Err(Expectation));
    assert_eq!(hop("Expect: 100-continue\nExpect: x"), Err(Expectation));
    assert_eq!(hop("Expect:"),                         Err(Expectation));
    // RFC 9110 10.1.1: HTTP/1.0 has no 100
    assert!(!read("GET / HTTP/1.0\nHost: a\nExpect: 100-continue").unwrap().expects_continue);
    assert_eq!(Expectation.status(), http::StatusCode::EXPECTATION_FAILED);
}

#[test]
fn cookie_lines_become_one() {
    // 50
    left("Cookie: a=1\nCookie:\nCookie: b=2\nCookie:", &["cookie: a=1; b=2"]);
    left("Cookie:\nCookie:", &["cookie: "]);
    left("Cookie: a=1\nCookie: b=2; c=3\nCookie: d=\\xe9", &["cookie: a=1; b=2; c=3; d=\u{FFFD}"]);
}

proptest! {
    #[test]
    fn no_owned_field_survives_in_any_spelling(
        owned in prop::sample::select(vec!["x-auth-subject", "x-auth-name", "x-auth-roles"]),
        noise in prop::collection::vec("[-_.~!#$%&'*+^`|]{0,2}", 16),
        upper in any::<u64>(),
    ) {
        let letters = owned.bytes().filter(u8::is_ascii_alphanumeric).enumerate();
        let name: String = letters
            .map(|(at, letter)| {
                let letter = char::from(letter);
                let letter = if upper >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter };
                format!("{}{letter}", noise[at])
            })
            .collect::<String>()
            + &noise[15];
        let request = get(&format!("{name}: admin\nAccept: a")).unwrap();
        prop_assert_eq!(lines(&request.fields), ["accept: a"], "{}", name);
    }

    #[test]
    fn whatever_comes_in_nothing_owned_or_of_the_connection_goes_out(
        fields in prop::collection::vec(("[a-zA-Z_.-]{1,12}|[xX][-_.]auth[-_.]roles|te|Upgrade|Host_", "[a-z, ]{0,8}"), 0..8),
    ) {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        if let Ok(request) = get(&fields) {
            for name in request.fields.names() {
                prop_assert!(!["xauthroles", "te", "upgrade", "host"].contains(&fold(name.as_str()).as_str()));
            }
        }
    }
}
