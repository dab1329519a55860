//! What a body is taken for: the first byte decides, whatever is declared.

use super::{APPLICATION_TOKEN, ORGANIZATION_TOKEN, Shop, UNCOUNTED, USER_TOKEN, WRONG};
use crate::harness::client::bearer;

const NORA: &str = r#"{"grant_type":"password","username":"nora","password":"nora-pass-1"}"#;
const NORA_FORM: &str = "grant_type=password&username=nora&password=nora-pass-1";
const AT: &str = "POST /acme/shop/token";

#[test]
#[rustfmt::skip] // a table is read by column
fn the_first_byte_of_a_body_says_what_it_is() {
    const NEITHER: &str = "400 json_parse: the body is neither JSON nor a form (JsonParseException)";
    const NOTHING: &str = "400 illegal_argument: missing json post data (IllegalArgumentException)";
    let shop = Shop::with(UNCOUNTED);
    shop.check(&[
        (AT, "",     NORA, USER_TOKEN),
        (AT, "json", NORA, USER_TOKEN),
        (AT, "form", NORA, USER_TOKEN),
        (AT, "Content-Type: application/json; charset=utf-8", NORA, USER_TOKEN),
        (AT, "Content-Type: text/plain", NORA, USER_TOKEN),
        (AT, "Content-Type: */*", NORA, USER_TOKEN),
        (AT, "Content-Type: application/x-www-form-urlencoded; charset=UTF-8", NORA_FORM, USER_TOKEN),
        (AT, "Content-Type: Application/X-WWW-Form-Urlencoded", NORA_FORM, USER_TOKEN),
        (AT, "form", NORA_FORM, USER_TOKEN),
        (AT, "Accept: text/html", NORA, USER_TOKEN),
        (AT, "",     NORA_FORM, NEITHER),
        (AT, "json", NORA_FORM, NEITHER),
        (AT, "json", r#"{"grant_type":"#, "400 json_parse: the body is no JSON at line 1 column 14 (JsonParseException)"),
        (AT, "json", "[]", WRONG),
        (AT, "json", "{}", WRONG),
        // No body at all, and an empty form.
        (AT, "",     "", NOTHING),
        (AT, "json", "", NOTHING),
        (AT, "form", "", WRONG),
        ("POST /management/token", "",     "", NOTHING),
        ("POST /management/token", "form", "", WRONG),
        ("GET /acme/shop/token",   "", "", WRONG),
        ("GET /management/token",  "", "", WRONG),
        ("GET /management/me",     "", "", WRONG),
        // Values of the wrong kind.
        (AT, "", r#"{"grant_type":"password","username":["nora"],"password":"x"}"#, "400 illegal_argument: username must be a text (IllegalArgumentException)"),
        (AT, "", r#"{"grant_type":"password","username":5,"password":"x"}"#, WRONG),
        (AT, "", r#"{"grant_type":{},"username":"nora","password":"x"}"#, "400 illegal_argument: grant_type must be a text (IllegalArgumentException)"),
    ]);
}

#[test]
fn a_body_may_come_in_chunks_after_a_100_and_from_http_1_0() {
    let shop = Shop::with(UNCOUNTED);
    let size = format!("{:x}", NORA.len());
    let chunked = format!(
        "POST /acme/shop/token HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n\
         {size}\r\n{NORA}\r\n0\r\n\r\n"
    );
    assert_eq!(super::tell(&shop.gate.ask(chunked)), USER_TOKEN);

    let length = NORA.len();
    let mut waiting = shop.gate.connect();
    waiting.send(format!(
        "POST /acme/shop/token HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    ));
    assert_eq!(waiting.head().word(1), "100");
    assert_eq!(super::tell(&waiting.ask(NORA)), USER_TOKEN);

    let old = format!(
        "POST /acme/shop/token HTTP/1.0\r\nHost: shop.example\r\nContent-Length: {length}\r\n\r\n{NORA}"
    );
    assert_eq!(super::tell(&shop.gate.ask(old)), USER_TOKEN);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn parameters_are_read_from_one_place() {
    let shop = Shop::with(UNCOUNTED);
    let client = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
    let client_form = "grant_type=client_credentials&client_id=<app-id>&client_secret=<app-secret>";
    let client_query = "GET /acme/shop/token?grant_type=client_credentials&client_id=<app-id>&client_secret=<app-secret>";
    shop.check(&[
        ("POST /acme/shop/token?grant_type=password&username=nora&password=nora-pass-1", "", "{}", WRONG),
        ("POST /acme/shop/token?username=nora&password=nora-pass-1", "", r#"{"grant_type":"password"}"#, WRONG),
        ("POST /acme/shop/token?password=wrong", "", NORA, USER_TOKEN),
        ("GET /acme/shop/token?grant_type=password&username=nora", "form", "password=nora-pass-1", WRONG),
        (AT, "", client, APPLICATION_TOKEN),
        (AT, "form", client_form, APPLICATION_TOKEN),
        (client_query, "", "", APPLICATION_TOKEN),
        (AT, "form + basic <app-id>:<app-secret>", "grant_type=client_credentials", APPLICATION_TOKEN),
        (AT, "json + basic <app-id>:<app-secret>", r#"{"grant_type":"client_credentials"}"#, APPLICATION_TOKEN),
        ("GET /acme/shop/token?grant_type=client_credentials", "basic <app-id>:<app-secret>", "", APPLICATION_TOKEN),
        // Basic wins over what the body says.
        (AT, "basic <org-id>:<org-secret>", client, ORGANIZATION_TOKEN),
        // A query has its blanks as `+`, a form too.
        ("GET /acme/shop/token?grant_type=password&username=nora%40shop.example&password=nora-pass-1", "", "", USER_TOKEN),
        (AT, "form", "grant_type=password&username=nora%40shop.example&password=nora%2Dpass%2D1", USER_TOKEN),
    ]);
}

/// RFC 6749 2.3.1 wants id and secret form-encoded before they become Basic credentials.
#[test]
fn a_standard_client_may_percent_encode_its_basic_credentials() {
    let mut shop = Shop::with(UNCOUNTED);
    let escaped: String = shop.word("app-secret").bytes().map(|it| format!("%{it:02X}")).collect();
    shop.learn("escaped-secret", &escaped);
    let escaped = shop.word("app-id").replace('Y', "%59");
    shop.learn("escaped-id", &escaped);
    let form = "grant_type=client_credentials";
    shop.check(&[
        (AT, "form + basic <app-id>:<escaped-secret>", form, APPLICATION_TOKEN),
        (AT, "form + basic <escaped-id>:<escaped-secret>", form, APPLICATION_TOKEN),
    ]);
}

/// A client whose token has died has no other way to a new one.
#[test]
#[rustfmt::skip] // a table is read by column
fn beside_a_grant_an_old_token_is_nothing() {
    let mut shop = Shop::with(UNCOUNTED);
    let dead = shop.log_in("/acme/shop/token", "nora");
    shop.learn("dead", &dead);
    shop.check(&[("PUT /acme/shop/users/me/revoketoken?token=<dead>", "bearer <dead>", "", "200 action=revoked user token")]);
    assert_eq!(shop.gate.ask(crate::harness::client::get("/acme/shop/users/me", &bearer(&dead))).status, 401);
    shop.check(&[
        (AT, "bearer <dead>", NORA, USER_TOKEN),
        (AT, "bearer blah", NORA, USER_TOKEN),
        ("POST /acme/shop/token?access_token=<dead>", "", NORA, USER_TOKEN),
        ("POST /acme/shop/token?access_token=<dead>", "form", NORA_FORM, USER_TOKEN),
        ("GET /acme/shop/token?access_token=<dead>&grant_type=password&username=nora&password=nora-pass-1", "", "", USER_TOKEN),
        (AT, "bearer <ben>", NORA, USER_TOKEN),
        (AT, "bearer <dead>", r#"{"grant_type":"password","username":"nora","password":"wrong"}"#, WRONG),
        // Basic with an empty password, which a common library sends beside a password grant.
        (AT, "form + basic nora:", NORA_FORM, USER_TOKEN),
        (AT, "form + basic <app-id>:", NORA_FORM, USER_TOKEN),
    ]);
    let whose = shop.ask(AT, "bearer <ben>", NORA).json();
    assert_eq!(whose["user"]["username"], "nora");
}
