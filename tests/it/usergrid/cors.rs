//! What browsers need: CORS on every answer, preflights answered without a credential, and scripts (JSONP)
//! where an operator allows them.

use super::{ADMIN_TOKEN, Shop, UNCOUNTED, USER_TOKEN, grant, tell};

#[test]
#[rustfmt::skip] // a table is read by column
fn any_origin_may_read_every_answer_and_without_cookies() {
    let mut shop = Shop::with(UNCOUNTED);
    shop.learn("wrong", r#"{"grant_type":"password","username":"nora","password":"wrong"}"#);
    for (line, fields, body, status) in [
        ("POST /acme/shop/token",  "", &*grant("nora"), 200),
        ("POST /acme/shop/token",  "", "<wrong>", 400),
        ("POST /management/token", "", "{}", 400),
        ("POST /acme/shop/token",  "", "{", 400),
        ("GET /acme/shop/orders",  "bearer <nora>", "", 200),
        ("GET /acme/shop/orders",  "", "", 401),
        ("GET /acme/shop/orders",  "bearer blah", "", 401),
        ("GET /acme/shop/orders?access_token=<ben>", "bearer <nora>", "", 400),
        ("GET /acme/shop/users/nobody", "bearer <olga>", "", 404),
        ("GET /acme/shop/users/nora/token", "bearer <ben>", "", 403),
        ("GET /system/x",          "", "", 401),
        ("DELETE /token",          "", "", 405),
    ] {
        for origin in ["https://shop.example", "null", "http://evil.example:8080"] {
            let fields = format!("Origin: {origin} + {fields}");
            let answer = shop.ask(line, fields.trim_end_matches(" + "), body);
            assert_eq!(answer.status, status, "{line}");
            assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{line}");
            assert_eq!(answer.field("access-control-allow-credentials"), None, "{line}");
        }
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_preflight_is_answered_whatever_it_carries() {
    let shop = Shop::with(UNCOUNTED);
    for target in [
        "/acme/shop/token", "/management/token", "/token", "/acme/shop/orders", "/acme/nope/orders", "/acme/shop/users/nora",
        "/acme/shop/orders?access_token=blah", "/acme/shop/orders?client_id=x&client_secret=y", "/management/me",
    ] {
        for more in ["", "bearer blah", "basic a:b"] {
            let fields = format!("Origin: https://shop.example + Access-Control-Request-Method: PUT + Access-Control-Request-Headers: authorization,content-type + {more}");
            let answer = shop.ask(&format!("OPTIONS {target}"), fields.trim_end_matches(" + "), "");
            assert_eq!(answer.status, 204, "{target} {more}");
            assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{target}");
            assert_eq!(answer.field("access-control-allow-methods"), Some("PUT"), "{target}");
            assert_eq!(answer.field("access-control-allow-headers"), Some("authorization,content-type"), "{target}");
            assert_eq!(answer.field("access-control-allow-credentials"), None, "{target}");
        }
    }
    assert!(shop.backend.received().is_empty());
}

#[test]
fn a_callback_is_nothing_unless_an_operator_allows_it() {
    let shop = Shop::with(UNCOUNTED);
    shop.check(&[
        ("POST /acme/shop/token?callback=fn", "", &grant("nora"), USER_TOKEN),
        ("POST /acme/shop/token?callback=fn", "", "{}", super::WRONG),
        ("GET /acme/shop/orders?callback=fn", "", "", super::DENIED),
    ]);
}

/// Script around `fn`, and the status that it has without.
#[test]
#[rustfmt::skip] // a table is read by column
fn a_callback_wraps_what_is_answered_here_where_it_is_allowed() {
    let shop = Shop::with(&format!("{UNCOUNTED}\njsonp = true"));
    for (line, fields, body, status, key) in [
        ("GET /acme/shop/token?grant_type=password&username=nora&password=nora-pass-1&callback=fn", "", "", 200, "access_token"),
        ("POST /acme/shop/token?callback=fn", "", &*grant("nora"), 200, "access_token"),
        ("POST /management/token?callback=fn", "", &*grant("olga"), 200, "access_token"),
        ("GET /management/me?callback=fn", "bearer <olga>", "", 200, "access_token"),
        ("POST /acme/shop/token?callback=fn", "", "{}", 400, "error"),
        ("GET /acme/shop/users/nora/token?callback=fn", "bearer <ben>", "", 403, ""),
        ("GET /acme/shop/orders?callback=fn", "", "", 401, "error"),
        ("GET /acme/shop/orders?callback=fn&access_token=blah", "", "", 401, "error"),
        ("GET /acme/shop/users/nobody?callback=fn", "bearer <olga>", "", 404, "error"),
        ("GET /acme/shop/users/me?callback=fn", "bearer <nora>", "", 200, "action"),
    ] {
        let answer = shop.ask(line, fields, body);
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.field("content-type"), Some("application/javascript"), "{line}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{line}");
        let inner = answer.text().strip_prefix("fn(").and_then(|text| text.strip_suffix(')'));
        let told: serde_json::Value = serde_json::from_str(inner.unwrap()).unwrap();
        assert!(key.is_empty() || told.get(key).is_some(), "{line}: {told}");
    }
    // What only a superuser could do is never wrapped.
    let system = shop.ask("GET /system/x?callback=fn", "", "");
    assert_eq!(tell(&system), "401 unauthorized: No system access authorized (SecurityException)");
    // H13: a name, and nothing that could be more script.
    for name in ["alert(1)", "a;b", "%3Cscript%3E", "a%20b", "1a", "", "a-b", "a%5B0%5D", &"a".repeat(65), "%E2%80%A8"] {
        let line = format!("POST /management/token?callback={name}");
        assert_eq!(tell(&shop.ask(&line, "", &grant("olga"))), ADMIN_TOKEN, "{name}");
    }
    for name in ["jQuery123_456", "_a.b.c", "$"] {
        let answer = shop.ask(&format!("POST /management/token?callback={name}"), "", &grant("olga"));
        assert!(answer.text().starts_with(&format!("{name}({{")), "{name}: {}", answer.text());
    }
}
