//! Method, target, host, framing and limits.

use http::StatusCode;

use super::*;
use crate::request::Framing;
use BadRequest::*;

#[test]
fn every_reason_has_its_own_word_and_a_sentence_without_an_end() {
    let mut words: Vec<&str> = BadRequest::ALL.iter().map(|reason| reason.reason()).collect();
    let count = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), count);
    for reason in BadRequest::ALL {
        assert!(
            reason.reason().bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b))
        );
        assert!(!reason.to_string().ends_with('.'), "{reason}");
        assert!([400, 405, 414, 417, 431, 501].contains(&reason.status().as_u16()), "{reason}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn only_seven_methods_are_let_through_in_exact_case() {
    // 24, 77, 80
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let head = format!("{method} / HTTP/1.1\nHost: a");
        assert_eq!(read(&head).unwrap().method.as_str(), method);
    }
    for method in ["CONNECT", "TRACE", "TRACK", "DEBUG"] {
        refused(&format!("{method} / HTTP/1.1\nHost: a"), MethodNotAllowed);
    }
    refused("CONNECT x:443 HTTP/1.1\nHost: x:443", MethodNotAllowed);
    for method in ["get", "Get", "FOO", "PROPFIND", "QUERY", "trace", &"A".repeat(40)] {
        refused(&format!("{method} / HTTP/1.1\nHost: a"), MethodUnknown);
    }
    assert_eq!(MethodNotAllowed.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(MethodUnknown.status(), StatusCode::NOT_IMPLEMENTED);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn only_a_path_is_a_target() {
    // 21: these come with an empty path and the word as authority
    assert_eq!(parts("GET admin HTTP/1.1").uri.path(), "");
    refused("GET admin HTTP/1.1\nHost: a",                  TargetForm);
    refused("GET @evil.com HTTP/1.1\nHost: a",              TargetForm);
    refused("GET a@b HTTP/1.1\nHost: a",                    TargetForm);
    refused("GET javascript:alert HTTP/1.1\nHost: a",       TargetForm);
    // And over HTTP/2 `:path: ?b` with a path that is said to be `/`.
    refused("GET http://a?b HTTP/2",                        TargetForm);
    // 22
    refused("GET * HTTP/1.1\nHost: a",                      TargetForm);
    refused("OPTIONS * HTTP/1.1\nHost: a",                  TargetForm);
    refused("OPTIONS * HTTP/2\nHost: a",                    TargetForm);
    // 23
    refused("GET http://other/admin HTTP/1.1\nHost: a",     HostConflict);
    refused("GET http://a/ HTTP/1.1",                       HostMissing);
    refused("GET https://a/ HTTP/1.1\nHost: a",             TargetScheme);
    refused("GET ftp://a/ HTTP/1.1\nHost: a",               TargetScheme);
    refused("GET http://u:p@a/ HTTP/1.1\nHost: a",          HostUserinfo);
    // 93
    refused("GET https://a/ HTTP/2",                        TargetScheme);
    refused("GET http://u@a/ HTTP/2",                       HostUserinfo);
    refused("GET / HTTP/2",                                 HostMissing);
    let tls = |head| Canonical::read(parts(head), true, true, &policy()).map(|_| ());
    assert_eq!(tls("GET https://a/ HTTP/2"), Ok(()));
    assert_eq!(tls("GET http://a/ HTTP/2"), Err(TargetScheme));

    let read = |head| read(head).map(|request| request.path.as_str().to_owned());
    assert_eq!(read("GET http://A:80/x HTTP/1.1\nHost: a"), Ok("/x".to_owned()));
    assert_eq!(read("GET http://a HTTP/1.1\nHost: a"), Ok("/".to_owned()));
    assert_eq!(read("GET http://a/x HTTP/2"), Ok("/x".to_owned()));
    for target in ["http://a", "http://a#x", "/"] {
        let request = super::read(&format!("GET {target} HTTP/1.1\nHost: a")).unwrap();
        assert_eq!(Uri::from(request.came.unwrap()).to_string(), "/", "{target}");
    }
    // 25: never parsed as a URL
    assert_eq!(read("GET //evil.com/x HTTP/1.1\nHost: a"), Err(PathEmptySegment));
}

#[test]
fn a_fragment_is_cut_by_the_http_crate_before_we_can_see_it() {
    // 11: what is judged and sent is what is left, so nothing differs behind us.
    let request = read("GET /admin#/public HTTP/1.1\nHost: a").unwrap();
    assert_eq!((request.path.as_str(), request.query.as_str()), ("/admin", None));
    let request = read("GET /a?b=1#access_token=x HTTP/1.1\nHost: a").unwrap();
    assert_eq!((request.path.as_str(), request.query.as_str()), ("/a", Some("b=1")));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn there_is_exactly_one_host_in_one_form() {
    let host = |value: &str| read(&format!("GET / HTTP/1.1\nHost: {value}"))
        .map(|request| format!("{} {}", request.authority.host(), request.authority.as_str()));
    // 70                    the client says             we judge and send
    for (raw, canonical) in [
        ("a",                                            "a a"),
        ("A.EXAMPLE.com.",                               "a.example.com a.example.com"),
        ("example.com:80",                               "example.com example.com"),
        ("example.com.:8080",                            "example.com example.com:8080"),
        ("example.com:443",                              "example.com example.com:443"),
        ("127.0.0.1:9000",                               "127.0.0.1 127.0.0.1:9000"),
        ("[::1]:8080",                                   "[::1] [::1]:8080"),
        ("[2001:DB8::0:1]",                              "[2001:db8::1] [2001:db8::1]"),
        ("xn--bcher-kva.example",                        "xn--bcher-kva.example xn--bcher-kva.example"),
        ("under_score",                                  "under_score under_score"),
    ] {
        assert_eq!(host(raw).as_deref(), Ok(canonical), "{raw}");
    }
    // 69
    assert_eq!(host(""), Err(HostMissing));
    refused("GET / HTTP/1.1", HostMissing);
    refused("GET / HTTP/1.0", HostMissing);
    for raw in [
        "a/../b", "a b", "a,b", "a:", "a:0", "a:080", "a:65536", "a:+80", "a:80:80", "a..b", ".a", ".", "a..",
        "::1", "[::1", "[::1]x", "[::1%25eth0]", "[v1.x]", "b\\xc3\\xbccher", "a%2eb", "a;b", &"a".repeat(254),
    ] {
        assert_eq!(host(raw), Err(HostMalformed), "{raw}");
    }
    assert_eq!(host("a/../b@c"), Err(HostUserinfo));
    // 68: the server lets two Host lines through, and `get` would show the first alone
    refused("GET / HTTP/1.1\nHost: a\nHost: b",             HostRepeated);
    refused("GET / HTTP/1.1\nHost: a\nHost: a",             HostRepeated);
    refused("GET http://a/ HTTP/2\nHost: b",                HostConflict);
    refused("GET http://a/ HTTP/2\nHost: a\nHost: a",       HostRepeated);
    let agreed = read("GET http://a/ HTTP/2\nHost: A.:80").unwrap();
    assert_eq!(agreed.authority.as_str(), "a");
    assert!(agreed.fields.is_empty());
    assert_eq!(read("GET / HTTP/2\nHost: b").unwrap().authority.as_str(), "b");
    // the scheme's own port is that of the socket
    let over_tls = Canonical::read(parts("GET / HTTP/1.1\nHost: a:443"), true, true, &policy());
    assert_eq!(over_tls.unwrap().authority.as_str(), "a");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn framing_is_read_from_one_plain_statement_and_rebuilt() {
    let framing = |version: &str, ended: bool, fields: &str| {
        let head = format!("POST / HTTP/{version}\nHost: a\n{fields}");
        Canonical::read(parts(&head), ended, false, &policy()).map(|request| {
            assert!(request.fields.is_empty(), "no framing field is copied: {fields}");
            request.framing
        })
    };
    let max = i64::MAX as u64;
    for (version, ended, fields, expected) in [
        ("1.1", true,  "",                                          Ok(Framing::None)),
        ("1.0", true,  "",                                          Ok(Framing::None)),
        ("1.1", false, "Content-Length: 5",                         Ok(Framing::Length(5))),
        ("1.0", false, "Content-Length: 5",                         Ok(Framing::Length(5))),
        ("1.1", true,  "Content-Length: 0",                         Ok(Framing::Length(0))),
        ("1.1", false, "Transfer-Encoding: Chunked",                Ok(Framing::Streamed)),
        ("2",   true,  "",                                          Ok(Framing::None)),
        ("2",   false, "",                                          Ok(Framing::Streamed)),
        ("2",   false, "Content-Length: 5",                         Ok(Framing::Length(5))),
        ("2",   true,  "Content-Length: 0",                         Ok(Framing::Length(0))),
        ("2",   true,  "Content-Length: 5",                         Err(ContentLengthConflict)),
        // 82
        ("1.1", false, "Content-Length: 5\nTransfer-Encoding: chunked", Err(ContentLengthConflict)),
        // 83
        ("1.1", false, "Transfer-Encoding: gzip, chunked",          Err(TransferEncoding)),
        ("1.1", false, "Transfer-Encoding: chunked, chunked",       Err(TransferEncoding)),
        ("1.1", false, "Transfer-Encoding: ,chunked",               Err(TransferEncoding)),
        ("1.1", false, "Transfer-Encoding: chunked\nTransfer-Encoding: chunked", Err(TransferEncoding)),
        ("1.1", false, "Transfer-Encoding: identity",               Err(TransferEncoding)),
        ("1.1", false, "Transfer-Encoding:",                        Err(TransferEncoding)),
        // 84
        ("1.1", false, "Content-Length: +1",                        Err(ContentLength)),
        ("1.1", false, "Content-Length: -1",                        Err(ContentLength)),
        ("1.1", false, "Content-Length: 0x1",                       Err(ContentLength)),
        ("1.1", false, "Content-Length: 1, 1",                      Err(ContentLength)),
        ("1.1", false, "Content-Length:",                           Err(ContentLength)),
        ("1.1", false, "Content-Length: 9223372036854775807",       Ok(Framing::Length(max))),
        ("1.1", false, "Content-Length: 9223372036854775808",       Err(ContentLength)),
        ("1.1", false, "Content-Length: 99999999999999999999",      Err(ContentLength)),
        ("1.1", false, "Content-Length: 1\nContent-Length: 2",      Err(ContentLengthConflict)),
        // 85: one number in two spellings is two statements; the same twice is one
        ("1.1", false, "Content-Length: 01",                        Ok(Framing::Length(1))),
        ("1.1", false, "Content-Length: 1\nContent-Length: 1",      Ok(Framing::Length(1))),
        ("1.1", false, "Content-Length: 1\nContent-Length: 01",     Err(ContentLengthConflict)),
        // 88
        ("1.0", false, "Transfer-Encoding: chunked",                Err(TransferEncoding)),
        // 92
        ("2",   false, "Transfer-Encoding: chunked",                Err(TransferEncoding)),
    ] {
        assert_eq!(framing(version, ended, fields), expected, "HTTP/{version} {fields}");
    }
    // 81: a body is framed whatever the method
    let read = read("GET / HTTP/1.1\nHost: a\nContent-Length: 3").unwrap();
    assert_eq!(read.framing, Framing::Length(3));
}

#[test]
fn a_head_over_a_limit_is_refused_and_never_cut() {
    // 27, 35, 65
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\nHost: a", "a".repeat(bytes - 1));
    assert!(read(&target(8192)).is_ok());
    refused(&target(8193), TargetTooLong);
    refused(&format!("GET /?{} HTTP/1.1\nHost: a", "a&".repeat(4096)), TargetTooLong);
    assert_eq!(TargetTooLong.status(), StatusCode::URI_TOO_LONG);
    // Over HTTP/2 the authority stands in the address: it is no part of the target there either.
    assert!(read(&format!("GET http://a.example/{} HTTP/2", "a".repeat(8191))).is_ok());
    assert!(get(&"A: 1\n".repeat(99)).is_ok());
    assert_eq!(get(&"A: 1\n".repeat(100)).err(), Some(TooManyFields));
    // `/`, `host: a` and line end, `a: ` and line end: 1 + 9 + 5.
    assert!(get(&format!("A: {}", "x".repeat(32_768 - 15))).is_ok());
    assert_eq!(get(&format!("A: {}", "x".repeat(32_768 - 14))).err(), Some(HeadTooLarge));
    assert_eq!(HeadTooLarge.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    refused(&format!("GET {} HTTP/1.1\nHost: a", "/a".repeat(129)), PathTooManySegments);
    let mut policy = policy();
    policy.limits.segments = 1;
    let two = Canonical::read(parts("GET /a/b HTTP/1.1\nHost: a"), true, false, &policy);
    assert_eq!(two.err(), Some(PathTooManySegments));
}
