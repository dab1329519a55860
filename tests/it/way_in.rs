//! Who gets in, and what those hear who do not.

use super::harness::{
    Rows,
    backend::Backend,
    client::{Answer, bearer, get, request},
    gateway::{Gateway, Setup},
    http2::Http2,
    tokens::{self, Token},
};

const RULES: &str = r#"
[rules]
"GET  /status"         = "public"
"GET  /catalog/**"     = "guest"
"*    /orders/**"      = "authenticated"
"POST /orders"         = "role:buyer"
"*    /users/{id}/**"  = "self:{id} | role:support"
"*    /reports/**"     = "scope:reports & role:admin"
"*    /admin/**"       = "role:'night shift'"
"*    /closed/**"      = "deny"
"GET  /trial"          = { who = "role:admin", audit = 2099-01-01T00:00:00Z }
"GET  /over"           = { who = "authenticated", until = 2020-01-01T00:00:00Z }
"PUT  /small"          = { who = "authenticated", body = "10B" }
"#;

fn gateway(backend: &Backend) -> Gateway {
    Setup::new(&backend.url()).tables(RULES).start()
}

/// `HTTP/1.1` and `HTTP/2` must agree; a row names the caller, or a token, or nobody.
#[test]
#[rustfmt::skip] // a table is read by column
fn every_requirement_lets_in_whom_it_names_over_both_versions() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let expired = Token::expired("ann").text;
    let (forged, unknown) = (tokens::forged(), tokens::unknown());
    let table = [
        ("GET",    "/status",             "",       "200"),
        ("GET",    "/status",             &forged,  "200"),
        ("POST",   "/status",             "",       "403 no_rule"),
        ("GET",    "/catalog/1",          "",       "200"),
        ("GET",    "/catalog/1",          "ann",    "200"),
        ("GET",    "/catalog/1",          &forged,  "401 token_forged"),
        ("GET",    "/catalog/1",          &expired, "401 token_expired"),
        ("GET",    "/catalog/1",          &unknown, "401 token_unknown"),
        ("GET",    "/catalog/1",          "YWMt",   "401 token_malformed"),
        ("GET",    "/orders",             "",       "401 unauthenticated"),
        ("GET",    "/orders/",            "ann",    "200"),
        ("DELETE", "/orders/7",           "ann",    "200"),
        ("POST",   "/orders",             "ann",    "403 role_missing"),
        ("POST",   "/orders/",            "ann",    "403 role_missing"),
        ("POST",   "/orders",             "eve",    "200"),
        ("GET",    "/users/eve/cart",     "eve",    "200"),
        ("GET",    "/users/%65ve/cart",   "eve",    "200"),
        ("GET",    "/users/bob/cart",     "eve",    "403 role_missing"),
        ("GET",    "/users/Eve/cart",     "eve",    "403 role_missing"),
        ("GET",    "/users/bob/cart",     "sam",    "200"),
        ("GET",    "/reports/1",          "rob",    "403 role_missing"),
        ("GET",    "/reports/1",          "root",   "403 scope_missing"),
        ("GET",    "/admin",              "root",   "200"),
        ("GET",    "/admin",              "sam",    "403 role_missing"),
        ("GET",    "/closed",             "root",   "403 denied"),
        ("GET",    "/over",               "ann",    "403 rule_expired"),
        ("GET",    "/nowhere",            "",       "403 no_rule"),
        ("GET",    "/nowhere",            "ann",    "403 no_rule"),
        ("GET",    "/nowhere",            &forged,  "401 token_forged"),
        ("GET",    "/public/../admin",    "",       "400 path_dot_segment"),
        ("GET",    "/status%2Fx",         "",       "400 path_encoded_slash"),
    ];
    let mut h2 = Http2::connect(gate.address);
    let mut rows = Rows::default();
    for (method, target, who, verdict) in table {
        let token = if tokens::PEOPLE.iter().any(|(name, ..)| *name == who) { gate.token(who) } else { who };
        let field = if token.is_empty() { String::new() } else { bearer(token) };
        let one = gate.ask(request(method, target, &field, ""));
        rows.check(&format!("{method} {target} as {who}, HTTP/1.1"), &one.verdict(), verdict);
        let value = format!("Bearer {token}");
        let fields: Vec<_> = if token.is_empty() { vec![] } else { vec![("authorization", value.as_str())] };
        let two = h2.ask(method, target, &fields, "");
        rows.check(&format!("{method} {target} as {who}, HTTP/2"), &two.verdict(), verdict);
    }
}

#[test]
#[rustfmt::skip]
fn a_credential_is_found_in_every_configured_source_and_two_that_differ_are_refused() {
    let backend = Backend::plain();
    let from = r#"[tokens]
        from = ["header", "query:access_token", "header:X-Api-Key", "cookie:session", "basic", "client-params"]"#;
    let gate = Setup::new(&backend.url()).tables(RULES).tables(from).start();
    let (ann, eve) = (gate.token("ann"), gate.token("eve"));
    let escaped = format!("%{:02X}{}", ann.as_bytes()[0], &ann[1..]);
    let table: Vec<(String, String, &str)> = vec![
        ("/orders".into(),                                  bearer(ann),                                  "200"),
        ("/orders".into(),                                  format!("authorization: bEARER   {ann}\r\n"), "200"),
        (format!("/orders?a=1&access_token={ann}"),         String::new(),                                "200"),
        (format!("/orders?access%5Ftoken={escaped}"),       String::new(),                                "200"),
        ("/orders".into(),                                  format!("X-Api-Key: {ann}\r\n"),              "200"),
        ("/orders".into(),                                  format!("Cookie: a=b; session={ann}\r\n"),    "200"),
        (format!("/orders?access_token={ann}"),             bearer(ann),                                  "200"),
        (format!("/orders?access_token={eve}"),             bearer(ann),                                  "400 credential_conflict"),
        ("/orders".into(),                                  format!("{}X-Api-Key: {eve}\r\n", bearer(ann)), "400 credential_conflict"),
        (format!("/orders?access_token={ann}&access_token={ann}"), String::new(),                         "400 credential_repeated"),
        ("/orders".into(),                                  format!("{}{}", bearer(ann), bearer(ann)),    "400 credential_repeated"),
        (format!("/orders?ACCESS_TOKEN={ann}"),             String::new(),                                "401 unauthenticated"),
        (format!("/orders?access_token[]={ann}"),           String::new(),                                "401 unauthenticated"),
        ("/catalog/1?access_token=".into(),                 String::new(),                                "401 credential_empty"),
        ("/catalog/1".into(),                               "Authorization:\r\n".into(),                  "401 credential_empty"),
        ("/catalog/1".into(),                               "Authorization: Bearer \r\n".into(),          "401 credential_empty"),
        ("/catalog/1".into(),                               "Authorization: Negotiate abc\r\n".into(),    "401 credential_scheme"),
        ("/catalog/1".into(),                               format!("Authorization: Bearer {ann}, Basic eDp5\r\n"), "401 credential_malformed"),
        ("/catalog/1".into(),                               "Authorization: Basic !!!\r\n".into(),        "401 credential_basic"),
        ("/catalog/1".into(),                               "Authorization: Basic Y2xpZW50OnNlY3JldA==\r\n".into(), "401 client_credentials"),
        ("/catalog/1?client_id=a&client_secret=b".into(),   String::new(),                                "401 client_credentials"),
        ("/catalog/1?client_id=a".into(),                   String::new(),                                "401 credential_incomplete"),
        ("/catalog/1".into(),                               format!("Cookie: session={ann}; session={ann}\r\n"), "400 credential_repeated"),
    ];
    let mut rows = Rows::default();
    for (target, fields, verdict) in table {
        let answer = gate.ask(get(&target, &fields));
        rows.check(&format!("{target} with {fields:?}"), &answer.verdict(), verdict);
    }
}

#[test]
fn a_refusal_says_what_happened_and_challenges_as_rfc_6750_asks() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let none = gate.ask(get("/orders", ""));
    assert_eq!(none.field("www-authenticate"), Some(r#"Bearer realm="tollgate""#));
    let expired = gate.ask(get("/orders", &bearer(&Token::expired("ann").text)));
    assert_eq!(
        expired.field("www-authenticate"),
        Some(
            r#"Bearer realm="tollgate", error="invalid_token", error_description="the token has expired""#
        )
    );
    let lacking = gate.ask(request("POST", "/orders", &gate.bearer("ann"), ""));
    let challenge = lacking.field("www-authenticate").unwrap();
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    let no_rule = gate.ask(get("/nowhere", ""));
    assert_eq!(no_rule.field("www-authenticate"), None);
    for (answer, reason, error) in [
        (&none, "unauthenticated", "http_request_denied"),
        (&expired, "token_expired", "http_request_denied"),
        (&no_rule, "no_rule", "http_request_denied"),
    ] {
        let body = answer.json();
        assert_eq!(body["reason"], reason);
        assert_eq!(Some(body["request_id"].as_str().unwrap()), answer.field("x-request-id"));
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let status = format!(r#"tollgate; error={error}; details="{reason}""#);
        assert_eq!(answer.field("proxy-status"), Some(status.as_str()));
    }
}

#[test]
fn an_audited_rule_lets_everyone_through_and_the_log_says_who_would_not_have_passed() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    for (fields, who, would) in [
        (String::new(), None, Some("unauthenticated")),
        (gate.bearer("ann"), Some("ann"), Some("role_missing")),
        (gate.bearer("root"), Some("root"), None),
    ] {
        let answer = gate.ask(get("/trial", &fields));
        assert_eq!(answer.verdict(), "200");
        assert_eq!(backend.last().field("x-auth-subject"), who);
        assert_eq!(gate.access_line(&answer)["would_deny"].as_str(), would);
    }
    let bad = gate.ask(get("/trial", &bearer(&tokens::forged())));
    assert_eq!(bad.verdict(), "401 token_forged", "an audit never waives a bad credential");
    assert_eq!(gate.metric(r#"tollgate_would_deny_total{reason="role_missing"}"#), 1.0);
}

#[test]
fn preflights_are_answered_here_and_refusals_carry_the_fields_too() {
    let backend = Backend::plain();
    let cors = "[cors]\norigins = [\"https://app.example\"]\ncredentials = true";
    let gate = Setup::new(&backend.url()).tables(RULES).tables(cors).start();
    let asks = "Access-Control-Request-Method: POST\r\n";
    let ours = "Origin: https://app.example\r\n";
    let preflight = gate.ask(request("OPTIONS", "/orders", &format!("{ours}{asks}"), ""));
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.field("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(preflight.field("access-control-allow-methods"), Some("POST"));
    let stranger = format!("Origin: https://evil.example\r\n{asks}");
    let stranger = gate.ask(request("OPTIONS", "/orders", &stranger, ""));
    assert_eq!(stranger.status, 204);
    assert_eq!(stranger.field("access-control-allow-origin"), None);
    let refused = gate.ask(get("/orders", ours));
    assert_eq!(refused.verdict(), "401 unauthenticated");
    assert_eq!(refused.field("access-control-allow-origin"), Some("https://app.example"));
    assert!(refused.head.all("vary").contains(&"Origin"));
    let plain = gate.ask(request("OPTIONS", "/orders", ours, ""));
    assert_eq!(plain.verdict(), "401 unauthenticated", "without a method asked for, no preflight");
    assert!(backend.received().is_empty(), "nothing of this concerns the backend");
}

/// Rows of raw bytes, each on a connection of its own.
#[test]
#[rustfmt::skip]
fn what_two_programs_could_read_differently_is_refused() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let host = "Host: shop.example\r\n";
    let ann = gate.bearer("ann");
    let long = "a".repeat(9000);
    let segments = "/a".repeat(129);
    let fields: String = (0..101).map(|n| format!("X-F{n}: 1\r\n")).collect();
    let wide = format!("X-Wide: {}\r\n", "b".repeat(33_000));
    let table: Vec<(String, &str)> = vec![
        (format!("GET /status HTTP/1.1\r\n{host}{host}\r\n"),                          "400 host_repeated"),
        ("GET /status HTTP/1.1\r\n\r\n".into(),                                        "400 host_missing"),
        ("GET /status HTTP/1.1\r\nHost:\r\n\r\n".into(),                               "400 host_missing"),
        ("GET /status HTTP/1.1\r\nHost: a/../b@c\r\n\r\n".into(),                      "400 host_userinfo"),
        ("GET /status HTTP/1.1\r\nHost: a b\r\n\r\n".into(),                           "400 host_malformed"),
        ("GET /status HTTP/1.1\r\nHost: SHOP.example.:80\r\n\r\n".into(),              "200"),
        (format!("GET status HTTP/1.1\r\n{host}\r\n"),                                 "400 target_form"),
        (format!("GET @evil.example HTTP/1.1\r\n{host}\r\n"),                          "400 target_form"),
        (format!("GET * HTTP/1.1\r\n{host}\r\n"),                                      "400 target_form"),
        (format!("GET http://shop.example/status HTTP/1.1\r\n{host}\r\n"),             "200"),
        (format!("GET http://other.example/status HTTP/1.1\r\n{host}\r\n"),            "400 host_conflict"),
        (format!("GET https://shop.example/status HTTP/1.1\r\n{host}\r\n"),            "400 target_scheme"),
        (format!("GET http://u:p@shop.example/status HTTP/1.1\r\n{host}\r\n"),         "400 host_userinfo"),
        // A fragment is cut before anybody sees it: neither judged nor sent.
        (format!("GET /status#x HTTP/1.1\r\n{host}\r\n"),                              "200"),
        (format!("CONNECT shop.example:443 HTTP/1.1\r\n{host}\r\n"),                   "405 method_not_allowed"),
        (format!("TRACE /status HTTP/1.1\r\n{host}\r\n"),                              "405 method_not_allowed"),
        (format!("get /status HTTP/1.1\r\n{host}\r\n"),                                "501 method_unknown"),
        (format!("PROPFIND /status HTTP/1.1\r\n{host}\r\n"),                           "501 method_unknown"),
        (format!("GET /{long} HTTP/1.1\r\n{host}\r\n"),                                "414 target_too_long"),
        (format!("GET {segments} HTTP/1.1\r\n{host}\r\n"),                             "414 path_too_many_segments"),
        (format!("GET /status HTTP/1.1\r\n{host}{fields}\r\n"),                        "431 too_many_fields"),
        (format!("GET /status HTTP/1.1\r\n{host}{wide}\r\n"),                          "431 head_too_large"),
        (format!("GET /status HTTP/1.1\r\n{host}Expect: a-miracle\r\n\r\n"),           "417 expectation"),
        (format!("GET /status HTTP/1.1\r\n{host}Connection: x-auth-subject\r\n\r\n"),  "400 connection_names_field"),
        (format!("GET /orders HTTP/1.1\r\n{host}{ann}Connection: Authorization\r\n\r\n"), "400 connection_names_field"),
        (format!("PUT /orders/1 HTTP/1.1\r\n{host}{ann}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "400 transfer_encoding"),
        (format!("PUT /orders/1 HTTP/1.1\r\n{host}{ann}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400 transfer_encoding"),
        (format!("PUT /orders/1 HTTP/1.1\r\n{host}{ann}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), "400 transfer_encoding"),
        (format!("PUT /orders/1 HTTP/1.1\r\n{host}{ann}Content-Length: +1\r\n\r\nx"),  "400 content_length"),
        (format!("PUT /orders/1 HTTP/1.1\r\n{host}{ann}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), "400 content_length_conflict"),
        (format!("PUT /orders/1 HTTP/1.0\r\n{host}{ann}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400 transfer_encoding"),
        (format!("GET /status HTTP/1.1\r\n{host} X-Folded: 1\r\n\r\n"),                "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n{host}X-Space : 1\r\n\r\n"),                 "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n{host}X-Nul: a\0b\r\n\r\n"),                 "400 head_malformed"),
        (format!("GET /sta\0tus HTTP/1.1\r\n{host}\r\n"),                              "400 head_malformed"),
        // 67, with the folded line, the blank and the NUL above
        (format!("GET /status HTTP/1.1\r\n{host}: 1\r\n\r\n"),                         "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n: 1\r\n{host}\r\n"),                         "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n{host}X Name: 1\r\n\r\n"),                   "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n{host}X-Bare: a\rb\r\n\r\n"),                "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n{host}X-Bare: a\rX-Other: b\r\n\r\n"),       "400 head_malformed"),
        (format!("GET /status HTTP/1.1\r\n{host}X\rBare: a\r\n\r\n"),                  "400 head_malformed"),
        (format!("GET /sta\rtus HTTP/1.1\r\n{host}\r\n"),                              "400 head_malformed"),
        (format!("GET /status?a%zz=1 HTTP/1.1\r\n{host}\r\n"),                         "400 query_bad_name"),
    ];
    let mut rows = Rows::default();
    for (bytes, verdict) in table {
        let shown: String = bytes.chars().take(120).collect();
        let answer = gate.ask(&bytes);
        rows.check(&format!("{shown:?}"), &answer.verdict(), verdict);
    }
    let reached: Vec<_> = backend.received().iter().map(|received| received.line().to_owned()).collect();
    assert_eq!(reached, ["GET /status"; 3], "only the good ones reach the backend");
}

#[test]
fn content_length_beside_chunked_never_makes_two_requests_of_one() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut client = gate.connect();
    let smuggled = "0\r\n\r\nGET /closed HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let head = format!(
        "PUT /orders/1 HTTP/1.1\r\nHost: shop.example\r\n{}Content-Length: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        gate.bearer("ann"),
        smuggled.len(),
    );
    let answer = client.ask(format!("{head}{smuggled}"));
    if answer.status == 200 {
        let received = backend.last();
        assert!(received.body.is_empty() && received.raw_body == b"0\r\n\r\n", "{received:?}");
    }
    assert!(client.rest().is_empty(), "the connection closes; what follows is no request");
    assert!(backend.received().len() <= 1);
}

#[test]
fn a_body_beyond_its_rule_is_413_declared_or_not() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let ann = gate.bearer("ann");
    assert_eq!(gate.ask(request("PUT", "/small", &ann, "0123456789")).verdict(), "200");
    let declared = gate.ask(request("PUT", "/small", &ann, "01234567890"));
    assert_eq!(declared.verdict(), "413 body_too_large");
    let chunked = format!("{ann}Transfer-Encoding: chunked\r\n");
    let chunks = format!(
        "{}8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n",
        request("PUT", "/small", &chunked, "")
    );
    assert_eq!(gate.ask(chunks).verdict(), "413 body_too_large");
    let mut h2 = Http2::connect(gate.address);
    let ann = format!("Bearer {}", gate.token("ann"));
    let answer = h2.ask("PUT", "/small", &[("authorization", &ann)], "01234567890");
    assert_eq!(answer.verdict(), "413 body_too_large");
}

#[test]
#[rustfmt::skip]
fn http2_requests_obey_the_same_reading() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut h2 = Http2::connect(gate.address);
    type Fields = &'static [(&'static str, &'static str)];
    let table: [(&str, &str, Fields, &str); 6] = [
        ("GET",   "/status",       &[("host", "other.example")], "400 host_conflict"),
        ("GET",   "/status",       &[("host", "shop.example")],  "200"),
        ("TRACE", "/status",       &[],                          "405 method_not_allowed"),
        ("GET",   "/a//b",         &[],                          "400 path_empty_segment"),
        ("GET",   "/%61dmin/;x",   &[],                          "400 path_semicolon"),
        ("GET",   "/status",       &[("expect", "a-miracle")],   "417 expectation"),
    ];
    let mut rows = Rows::default();
    for (method, target, fields, verdict) in table {
        let answer = h2.ask(method, target, fields, "");
        rows.check(&format!("{method} {target} {fields:?}"), &answer.verdict(), verdict);
    }
    let (ann, eve) = (gate.token("ann"), gate.token("eve"));
    let (ann, eve) = (format!("Bearer {ann}"), format!("Bearer {eve}"));
    let answer = h2.get("/orders", &[("authorization", &ann), ("authorization", &eve)]);
    assert_eq!(answer.verdict(), "400 credential_repeated");
    let status = r#"tollgate; error=http_request_denied; details="credential_repeated""#;
    assert_eq!(answer.fields["x-request-id"].len(), 26);
    assert_eq!(answer.fields["proxy-status"], status);
}

#[test]
fn a_refusal_of_head_over_http2_has_the_length_of_its_text_and_no_text() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut h2 = Http2::connect(gate.address);
    let length = h2.get("/orders", &[]).text().len().to_string();
    let answer = h2.ask("HEAD", "/orders", &[], "");
    assert_eq!((answer.status.as_u16(), answer.text()), (401, ""));
    assert_eq!(answer.fields["content-length"], length.as_str());
    assert_eq!(h2.get("/status", &[]).status.as_u16(), 200, "the connection goes on");
}

#[test]
fn every_answer_has_an_id_of_its_own_and_the_clients_is_not_taken() {
    let backend = Backend::plain();
    let gate = gateway(&backend);
    let mut client = gate.connect();
    let ids: Vec<String> = (0..3)
        .map(|_| client.ask(get("/status", "X-Request-Id: forged\r\n")))
        .map(|answer: Answer| answer.field("x-request-id").unwrap().to_owned())
        .collect();
    assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
    assert_eq!(backend.last().field("x-request-id"), Some(ids[2].as_str()));
}
