//! The gauntlet's rows for credentials. Two of them have nothing to read here: a body is the backend's (38),
//! and no JWT is opened (51), its text is a token that somebody issued or nobody did. The whole gateway shows
//! both, in tests/it/believed.rs.

use proptest::prelude::*;

use super::*;
use crate::request::tests::read;
use CredentialError::*;

/// Every kind of source at once.
fn every() -> Sources {
    Sources::new(vec![
        Source::Header,
        Source::Query("access_token".to_owned()),
        Source::Basic,
        Source::ClientParams,
        Source::Field(HeaderName::from_static("x-api-key")),
        Source::Cookie("session".to_owned()),
    ])
}

/// `GET /?query` with these field lines.
fn request(query: &str, fields: &str) -> crate::request::Canonical {
    read(&format!("GET /{query} HTTP/1.1\nHost: a\n{fields}")).unwrap()
}

fn token(text: &str, source: usize) -> Result<Option<Found>, CredentialError> {
    Ok(Some(Found { credential: Credential::Token(Secret::new(text)), source }))
}

fn client(id: &str, secret: &str, source: usize) -> Result<Option<Found>, CredentialError> {
    let credential = Credential::Client { id: id.to_owned(), secret: Secret::new(secret) };
    Ok(Some(Found { credential, source }))
}

#[track_caller]
fn finds(query: &str, fields: &str, expected: Result<Option<Found>, CredentialError>) {
    let found = every().extract(&request(query, fields));
    assert_eq!(found, expected, "{query} {fields}");
}

#[test]
fn every_reason_has_its_own_word_and_is_400_or_401() {
    let mut words: Vec<&str> = CredentialError::ALL.iter().map(|error| error.reason()).collect();
    words.dedup();
    assert_eq!(words.len(), CredentialError::ALL.len());
    for error in CredentialError::ALL {
        let expected = if matches!(error, Conflict | Repeated | Separator) { 400 } else { 401 };
        assert_eq!(error.status().as_u16(), expected, "{error}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn the_authorization_field_holds_one_scheme_and_one_credential() {
    finds("", "",                                                      Ok(None));
    // 45
    finds("", "Authorization: Bearer abc",                             token("abc", 0));
    finds("", "Authorization: bearer abc",                             token("abc", 0));
    finds("", "Authorization: BEARER abc",                             token("abc", 0));
    finds("", "Authorization: Bearer   abc",                           token("abc", 0));
    finds("", "Authorization: Bearer a-b.c_d~e+f/g==",                 token("a-b.c_d~e+f/g==", 0));
    finds("", "Authorization: Bearer\tabc",                            Err(Malformed));
    finds("", "Authorization: Bearer \tabc",                           Err(Malformed));
    // 43: `get` would have shown the first alone
    finds("", "Authorization: Bearer abc\nAuthorization: Bearer abc",  Err(Repeated));
    finds("", "Authorization: Bearer abc\nAuthorization: Basic x",     Err(Repeated));
    // 36
    finds("", "Authorization:",                                        Err(Empty));
    finds("", "Authorization: Bearer",                                 Err(Empty));
    finds("", "Authorization: Basic",                                  Err(Empty));
    // 37, 44
    finds("", "Authorization: Bearer a, Basic b",                      Err(Malformed));
    finds("", "Authorization: Bearer a,Bearer b",                      Err(Malformed));
    finds("", "Authorization: Bearer a b",                             Err(Malformed));
    finds("", "Authorization: Bearer \"a\"",                           Err(Malformed));
    finds("", "Authorization: Bearer a:b",                             Err(Malformed));
    finds("", "Authorization: Bearer a*",                              Err(Malformed));
    finds("", "Authorization: Bearer {a}|",                            Err(Malformed));
    finds("", "Authorization: Bearer a%20",                            Err(Malformed));
    finds("", &format!("Authorization: Bearer {}", "a".repeat(4097)),  Err(Malformed));
    finds("", &format!("Authorization: Bearer {}", "a".repeat(4096)),  token(&"a".repeat(4096), 0));
    // 46: `to_str` would have failed, and the failure been taken for absence
    finds("", "Authorization: Bearer caf\\xe9",                        Err(Malformed));
    finds("", "Authorization: B\\xe9arer abc",                         Err(Malformed));
    // 51: text like any other
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.";
    finds("", &format!("Authorization: Bearer {unsigned}"),            token(unsigned, 0));
    // 48
    finds("", "Authorization: Negotiate abc",                          Err(Scheme));
    finds("", "Authorization: Digest a=\"b\"",                         Err(Scheme));
    finds("", "Authorization: abc",                                    Err(Scheme));
    finds("", "Authorization: Bearerabc",                              Err(Scheme));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn basic_is_strict_base64_of_a_name_and_a_password() {
    // 47
    finds("", "Authorization: Basic YTpi",         client("a", "b", 2));
    finds("", "Authorization: bAsIc YTpi",         client("a", "b", 2));
    finds("", "Authorization: Basic YTpiOmM=",     client("a", "b:c", 2));
    finds("", "Authorization: Basic w6k6Yg==",     client("é", "b", 2));
    finds("", "Authorization: Basic YTo=",         client("a", "", 2));
    finds("", "Authorization: Basic YTpiOmM",      Err(Basic)); // no padding
    finds("", "Authorization: Basic YTpiOmN=",     Err(Basic)); // spare bits
    finds("", "Authorization: Basic YTp_",         Err(Basic)); // the other alphabet
    finds("", "Authorization: Basic YWI=",         Err(Basic)); // no colon
    finds("", "Authorization: Basic OmI=",         Err(Basic)); // no name
    finds("", "Authorization: Basic YTpiAA==",     Err(Basic)); // NUL
    finds("", "Authorization: Basic YTpiCg==",     Err(Basic)); // line feed
    finds("", "Authorization: Basic 6To=",         Err(Basic)); // not UTF-8
    finds("", "Authorization: Basic !!",           Err(Basic));
    finds("", "Authorization: Basic YTpi, x",      Err(Basic));
}

#[test]
fn a_scheme_is_accepted_only_where_it_is_configured() {
    let bearer = request("", "Authorization: Bearer abc");
    let basic = request("", "Authorization: Basic YTpi");
    let only = |source| Sources::new(vec![source]);
    assert_eq!(only(Source::Header).extract(&bearer), token("abc", 0));
    assert_eq!(only(Source::Header).extract(&basic), Err(Scheme));
    assert_eq!(only(Source::Basic).extract(&basic), client("a", "b", 0));
    assert_eq!(only(Source::Basic).extract(&bearer), Err(Scheme));
    // Where neither is, the field is not ours to read; it is removed all the same.
    let query = only(Source::Query("t".to_owned()));
    assert_eq!(query.extract(&bearer), Ok(None));
    let mut bearer = bearer;
    query.strip(&mut bearer.fields, &mut bearer.query);
    assert!(bearer.fields.is_empty());
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_parameter_holds_one_credential() {
    finds("?access_token=abc",                      "", token("abc", 1));
    finds("?a=1&access_token=abc&b",                "", token("abc", 1));
    // 31
    finds("?access_token=good&access_token=evil",   "", Err(Repeated));
    finds("?access_token=abc&access_token=abc",     "", Err(Repeated));
    finds("?access_token=abc&access%5Ftoken=abc",   "", Err(Repeated));
    // 33: an encoded name is the name; a look-alike is nobody's
    finds("?access%5Ftoken=abc",                    "", token("abc", 1));
    finds("?ACCESS_TOKEN=abc",                      "", Ok(None));
    finds("?access_token[]=abc",                    "", Ok(None));
    finds("?access.token=abc",                      "", Ok(None));
    finds("?access%20token=abc",                    "", Ok(None));
    finds("?access+token=abc",                      "", Ok(None));
    // 34
    finds("?a=1;access_token=x",                    "", Err(Separator));
    finds("?a;access_token=x",                      "", Err(Separator));
    finds("?a=1;access%5ftoken=x",                  "", Err(Separator));
    finds("?a=1;ACCESS_TOKEN=x",                    "", Err(Separator));
    finds("?access_token;a=1",                      "", Err(Separator));
    finds("?a=1;b;client_secret",                   "", Err(Separator));
    finds("?access_token=abc;a=1",                  "", Err(Malformed));
    finds("?a=1;b=2",                               "", Ok(None));
    // 35
    finds(&format!("?{}access_token=abc", "a=1&".repeat(200)), "", token("abc", 1));
    // 36
    finds("?access_token=",                         "", Err(Empty));
    finds("?access_token",                          "", Err(Empty));
    finds("?a&access_token&b",                      "", Err(Empty));
    // 41
    finds("?access_token=a+b",                      "", token("a+b", 1));
    finds("?access_token=a%2Bb%3D",                 "", token("a+b=", 1));
    finds("?access_token=a%20b",                    "", Err(Malformed));
    finds("?access_token=a%zz",                     "", Err(Malformed));
    finds("?access_token=%ff",                      "", Err(Malformed));
    finds("?access_token=a%0d%0a",                  "", Err(Malformed));
    finds("?access_token=a%2561",                   "", Err(Malformed));
    // 37
    finds("?access_token=a:b",                      "", Err(Malformed));
    finds(&format!("?access_token={}", "a".repeat(4097)), "", Err(Malformed));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn client_parameters_go_together() {
    // 39
    finds("?client_id=a&client_secret=b",               "", client("a", "b", 3));
    finds("?client_secret=b%3A&x&client%5fid=%61",      "", client("a", "b:", 3));
    finds("?client_id=a",                               "", Err(Incomplete));
    finds("?client_secret=b",                           "", Err(Incomplete));
    finds("?client_id=&client_secret=",                 "", Err(Empty));
    finds("?client_id=a&client_secret=",                "", Err(Empty));
    finds("?client_id=a&client_id=a&client_secret=b",   "", Err(Repeated));
    finds("?client_id=a&client_secret=%00",             "", Err(Malformed));
    finds("?client_id=a&client_secret=%zz",             "", Err(Malformed));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_field_or_a_cookie_holds_one_credential() {
    finds("", "X-Api-Key: abc",                         token("abc", 4));
    finds("", "x-api-key: abc",                         token("abc", 4));
    finds("", "X-Api-Key:",                             Err(Empty));
    finds("", "X-Api-Key: a b",                         Err(Malformed));
    finds("", "X-Api-Key: caf\\xe9",                    Err(Malformed));
    finds("", "X-Api-Key: abc\nX-Api-Key: abc",         Err(Repeated));
    finds("", "X_Api_Key: abc",                         Ok(None));
    // 50
    finds("", "Cookie: session=abc",                    token("abc", 5));
    finds("", "Cookie: a=1; session=abc;b=2",           token("abc", 5));
    finds("", "Cookie: a=1\nCookie: session=abc",       token("abc", 5));
    finds("", "Cookie: session=abc; session=abc",       Err(Repeated));
    finds("", "Cookie: session=abc\nCookie: session=d", Err(Repeated));
    finds("", "Cookie: session=",                       Err(Empty));
    finds("", "Cookie: session",                        Err(Empty));
    finds("", "Cookie: session=\"abc\"",                Err(Malformed));
    finds("", "Cookie: session=a b",                    Err(Malformed));
    finds("", "Cookie: Session=abc; sessions=d; x",     Ok(None));
    finds("", "Cookie: a=\\xe9; session=abc",           token("abc", 5));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn two_sources_stand_together_only_when_they_say_the_same() {
    // 32
    finds("?access_token=abc", "Authorization: Bearer abc",            token("abc", 0));
    finds("?access_token=abc", "X-Api-Key: abc\nCookie: session=abc",  token("abc", 1));
    finds("?access_token=abc", "Authorization: Bearer xyz",            Err(Conflict));
    finds("?access_token=abc", "Authorization: Basic YTpi",            Err(Conflict));
    finds("?access_token=abc", "Authorization:",                       Err(Conflict));
    finds("?access_token=",    "Authorization: Bearer abc",            Err(Conflict));
    finds("?access_token=",    "Authorization:",                       Err(Conflict));
    finds("?access_token=abc", "X-Api-Key: abc\nCookie: session=d",    Err(Conflict));
    finds("?client_id=a&client_secret=b", "Authorization: Basic YTpi", client("a", "b", 2));
    finds("?client_id=a&client_secret=c", "Authorization: Basic YTpi", Err(Conflict));
    // what is wrong with the request comes before what is wrong with a credential
    finds("?access_token=&access_token=", "X-Api-Key:",                Err(Repeated));

    // the order of the file names the source, also against the Authorization field
    let sources = Sources::new(vec![Source::Query("t".to_owned()), Source::Header]);
    let found = sources.extract(&request("?t=abc", "Authorization: Bearer abc"));
    assert_eq!(found, token("abc", 0));
}

/// What is left of a request after stripping.
#[track_caller]
fn strips(query: &str, fields: &str, left: (&str, &[&str])) {
    let mut request = request(query, fields);
    every().strip(&mut request.fields, &mut request.query);
    let query = request.query.as_str().map(|query| format!("?{query}")).unwrap_or_default();
    let mut lines: Vec<String> = request
        .fields
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    assert_eq!((query.as_str(), lines), (left.0, left.1.iter().map(ToString::to_string).collect()));
    assert_eq!(every().extract(&request), Ok(None));
}

#[test]
#[rustfmt::skip] // a table is read by column
fn nothing_credential_shaped_is_left() {
    strips("", "Authorization: Bearer a\nAuthorization: Negotiate b\nAccept: x", ("", &["accept: x"]));
    // 49
    strips("", "X-Authorization: a\nX_Authorization: a\nX-Access-Token: a\nX.Access.Token: a", ("", &[]));
    strips("", "X-Api-Key: a\nX-API-KEY: b\nx_api_key: c\nX.Api-Key-: d\nX-Api-Keys: e", ("", &["x-api-keys: e"]));
    strips("", "Cookie: session=a",                             ("", &[]));
    strips("", "Cookie: session=a; session=b; session",         ("", &[]));
    strips("", "Cookie: a=1;  session=b;c=\\xe9; d",            ("", &["cookie: a=1; c=\u{FFFD}; d"]));
    strips("", "Cookie: a=1;b=2 ;  c",                          ("", &["cookie: a=1;b=2 ;  c"]));
    // 33
    for name in [
        "access_token", "access%5Ftoken", "access%5ftoken", "%61ccess_token", "ACCESS_TOKEN", "accessToken", "access.token",
        "access-token", "access%20token", "access+token", "access_token[]", "access_token%5B%5D", "access_token[0]",
        "access_token[a][b]", "access%255Ftoken", "%25access_token", "_access_token_", "client_id", "Client.Secret", "access%E2%80%8B_token",
    ] {
        strips(&format!("?{name}=a"), "",                       ("", &[]));
        strips(&format!("?b=%41&{name}=a&{name}&c=+"), "",      ("?b=%41&c=+", &[]));
    }
    // 34: on a public route nobody judges it, so the whole pair goes
    strips("?a=1;access_token=x&b=2", "",                       ("?b=2", &[]));
    // what is no credential stays
    strips("?token=a&access=b&access_tokens=c&my_access_token=d&access_token_=e&a=1;b=2", "",
           ("?token=a&access=b&access_tokens=c&my_access_token=d&a=1;b=2", &[]));
}

#[test]
fn a_parameter_that_is_not_configured_is_the_backends() {
    let sources = Sources::new(vec![Source::Header]);
    let mut request = request("?access_token=a;client_id=b", "X-Api-Key: c\nCookie: session=d");
    assert_eq!(sources.extract(&request), Ok(None));
    sources.strip(&mut request.fields, &mut request.query);
    assert_eq!(request.query.as_str(), Some("access_token=a;client_id=b"));
    assert_eq!(request.fields.len(), 2);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_logged_query_shows_no_credential() {
    for (query, logged) in [
        ("",                                    ""),
        ("a=1&&b",                              "a=1&&b"),
        ("access_token=abc",                    "access_token=•••"),
        ("a=1&access%5Ftoken=abc&b=2",          "a=1&access%5Ftoken=•••&b=2"),
        ("ACCESS_TOKEN=abc&access_token[]=d",   "ACCESS_TOKEN=•••&access_token[]=•••"),
        ("client_id=a&client_secret=b=c",       "client_id=•••&client_secret=•••"),
        ("a=1;access_token=abc",                "a=•••"),
        ("access_token",                        "access_token"),
        // never readable, logged all the same
        ("%zz=1&access_token=%ff é",            "%zz=1&access_token=•••"),
    ] {
        assert_eq!(every().redact_query(query), logged, "{query}");
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_logged_login_shows_no_password_and_a_logout_no_token() {
    for (query, logged) in [
        ("grant_type=password&username=nora&password=x", "grant_type=password&username=nora&password=•••"),
        ("token=x&a=1",                                  "token=•••&a=1"),
        ("Pass%57ord=x&new-password=y&pin[]=1",          "Pass%57ord=•••&new-password=•••&pin[]=•••"),
        ("a=1;token=x",                                  "a=•••"),
        ("access_token=x&client_secret=y",               "access_token=•••&client_secret=•••"),
        ("tokens=x&pinned=y",                            "tokens=x&pinned=y"),
    ] {
        assert_eq!(every().of_usergrid().redact_query(query), logged, "{query}");
        // Also where none of it is a source.
        let header = Sources::new(vec![Source::Header]).of_usergrid();
        assert_eq!(header.redact_query(query), logged, "{query}");
        if !query.contains([';', '_']) {
            assert_eq!(every().redact_query(query), query, "the backend's own, without tenants");
        }
    }
}

proptest! {
    #[test]
    fn what_is_stripped_and_only_that_is_hidden_from_logs(
        names in prop::collection::vec("(access|client|a)[_.+;-]?(5[fF])?(token|id|secret|b)?(\\[\\])?[;&]?", 0..5),
    ) {
        let query: String = names.iter().map(|name| format!("{name}=SECRET&")).collect();
        let Ok(mut request) = read(&format!("GET /?{query} HTTP/1.1\nHost: a")) else { return Ok(()) };
        every().strip(&mut request.fields, &mut request.query);
        let stripped = request.query.clone();
        prop_assert_eq!(every().extract(&request), Ok(None));
        every().strip(&mut request.fields, &mut request.query);
        prop_assert_eq!(&request.query, &stripped);
        let secrets = |text: &str| text.matches("SECRET").count();
        let logged = every().redact_query(&query);
        prop_assert_eq!(secrets(&logged), secrets(stripped.as_str().unwrap_or_default()));
    }
}

#[test]
fn errors_and_debug_lines_hold_no_credential() {
    let found = every().extract(&request("?access_token=hunter2", ""));
    assert!(!format!("{found:?}").contains("hunter2"));
}
