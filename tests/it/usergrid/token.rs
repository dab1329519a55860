//! What a login answers, level by level, and what holds of every token that is issued.

use serde_json::{Map, Value};

use super::{
    ADMIN_TOKEN, APPLICATION_TOKEN, ORGANIZATION_TOKEN, Shop, UNCOUNTED, USER_TOKEN, grant,
    password,
};
use crate::harness::client::{bearer, get};

/// Names and kinds of all fields, sorted.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "flag".to_owned(),
        Value::Number(number) if number.is_i64() => "whole".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(text) if text.parse::<uuid::Uuid>().is_ok() => "uuid".to_owned(),
        Value::String(text) if text.starts_with("YWMt") && text.len() == 63 => "token".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(all) => format!("[{}]", all.iter().map(shape).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => object(fields),
    }
}

fn object(fields: &Map<String, Value>) -> String {
    let mut all: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}: {}", shape(value))).collect();
    all.sort();
    format!("{{{}}}", all.join(", "))
}

const ADMIN: &str = "activated: flag, adminUser: flag, applicationId: uuid, confirmed: flag, \
    disabled: flag, displayEmailAddress: text, email: text, htmldisplayEmailAddress: text, name: text, ";

#[test]
fn a_users_login_tells_the_user() {
    let shop = Shop::with(UNCOUNTED);
    let answer = shop.ask("POST /acme/shop/token", "", &grant("nora"));
    let body = answer.json();
    assert_eq!(
        shape(&body),
        "{access_token: token, expires_in: whole, token_type: text, user: {activated: flag, \
         colour: text, created: whole, email: text, modified: whole, name: text, picture: text, \
         type: text, username: text, uuid: uuid}}"
    );
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 604_800);
    let user = &body["user"];
    assert_eq!(user["uuid"], shop.word("nora-uuid"));
    assert_eq!(user["type"], "user");
    assert_eq!(user["username"], "nora");
    assert_eq!(user["name"], "nora of the shop");
    assert_eq!(user["email"], "nora@shop.example");
    assert_eq!(user["activated"], true);
    assert_eq!(user["colour"], "red");
    nothing_of_a_password(answer.text());
}

#[test]
fn an_application_clients_login_tells_the_application() {
    let shop = Shop::with(UNCOUNTED);
    let body = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
    let answer = shop.ask("POST /acme/shop/token", "", body);
    let told = answer.json();
    assert_eq!(
        shape(&told),
        "{access_token: token, application: uuid, expires_in: whole, token_type: text}"
    );
    assert_eq!(told["application"], shop.word("shop"));
    nothing_of_a_password(answer.text());
    assert!(!answer.text().contains(shop.word("app-secret")));
}

#[test]
fn an_organization_clients_login_tells_the_organization() {
    let shop = Shop::with(UNCOUNTED);
    let body = r#"{"grant_type":"client_credentials","client_id":"<org-id>","client_secret":"<org-secret>"}"#;
    let answer = shop.ask("POST /management/token", "", body);
    let told = answer.json();
    assert_eq!(
        shape(&told),
        format!(
            "{{access_token: token, expires_in: whole, organization: {{applications: \
             {{acme/sandbox: uuid, acme/shop: uuid}}, name: text, passwordHistorySize: whole, \
             properties: {{}}, users: {{olga: {{{ADMIN}properties: {{}}, username: text, \
             uuid: uuid}}}}, uuid: uuid}}, token_type: text}}"
        )
    );
    let organization = &told["organization"];
    assert_eq!(organization["name"], "acme");
    assert_eq!(organization["uuid"], shop.word("acme"));
    assert_eq!(organization["applications"]["acme/shop"], shop.word("shop"));
    nothing_of_a_password(answer.text());
    assert!(!answer.text().contains(shop.word("org-secret")));
}

#[test]
fn an_admins_login_tells_the_admin_and_its_organizations() {
    let shop = Shop::with(UNCOUNTED);
    for target in ["POST /management/token", "POST /token", "POST /management/me"] {
        let answer = shop.ask(target, "", &grant("olga"));
        let told = answer.json();
        assert_eq!(
            shape(&told),
            format!(
                "{{access_token: token, expires_in: whole, passwordChanged: whole, token_type: text, \
                 user: {{{ADMIN}organizations: {{acme: {{applications: {{acme/sandbox: uuid, \
                 acme/shop: uuid}}, name: text, passwordHistorySize: whole, properties: {{}}, users: \
                 {{olga: {{{ADMIN}properties: {{}}, username: text, uuid: uuid}}}}, uuid: uuid}}}}, \
                 properties: {{}}, username: text, uuid: uuid}}}}"
            ),
            "{target}"
        );
        let user = &told["user"];
        assert_eq!(user["uuid"], shop.word("olga-uuid"));
        assert_eq!(user["username"], "olga");
        assert_eq!(user["email"], "olga@acme.example");
        assert_eq!(user["name"], "Olga P");
        assert_eq!(user["activated"], true);
        assert_eq!(user["confirmed"], true);
        assert_eq!(user["disabled"], false);
        assert_eq!(user["adminUser"], true);
        assert_eq!(user["displayEmailAddress"], "Olga P <olga@acme.example>");
        assert_eq!(
            user["htmldisplayEmailAddress"],
            "Olga P &lt;<a href=\"mailto:olga@acme.example\">olga@acme.example</a>&gt;"
        );
        nothing_of_a_password(answer.text());
    }
}

fn nothing_of_a_password(text: &str) {
    for word in
        ["pass-1", "\"password\"", "argon2", "hash", "client_secret", "\"error\"", "refresh"]
    {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

/// A name, an address, a UUID; in any case.
#[test]
#[rustfmt::skip] // a table is read by column
fn somebody_is_named_by_username_address_and_uuid() {
    let shop = Shop::with(UNCOUNTED);
    for (name, at, expected) in [
        ("nora",               "/acme/shop/token",  USER_TOKEN),
        ("NORA",               "/acme/shop/token",  USER_TOKEN),
        ("nora@shop.example",  "/acme/shop/token",  USER_TOKEN),
        ("Nora@Shop.Example",  "/acme/shop/token",  USER_TOKEN),
        ("<nora-uuid>",        "/acme/shop/token",  USER_TOKEN),
        ("olga",               "/management/token", ADMIN_TOKEN),
        ("OLGA",               "/management/token", ADMIN_TOKEN),
        ("olga@acme.example",  "/management/token", ADMIN_TOKEN),
        ("<olga-uuid>",        "/management/token", ADMIN_TOKEN),
    ] {
        let who = if expected == USER_TOKEN { "nora" } else { "olga" };
        let body = format!(r#"{{"grant_type":"password","username":"{name}","password":"{}"}}"#, password(who));
        shop.check(&[(&format!("POST {at}"), "", &body, expected)]);
    }
    // The Node library's spelling.
    shop.check(&[
        ("POST /acme/shop/token",  "", r#"{"grant_type":"password","email":"nora@shop.example","password":"nora-pass-1"}"#, USER_TOKEN),
        ("POST /management/token", "", r#"{"grant_type":"password","email":"olga@acme.example","password":"olga-pass-1"}"#, ADMIN_TOKEN),
    ]);
}

/// A client's credentials make its own token, whichever endpoint is asked.
#[test]
fn the_endpoint_does_not_restrict_the_client() {
    let shop = Shop::with(UNCOUNTED);
    let client = |id, secret| {
        format!(
            r#"{{"grant_type":"client_credentials","client_id":"<{id}>","client_secret":"<{secret}>"}}"#
        )
    };
    let (app, org) = (client("app-id", "app-secret"), client("org-id", "org-secret"));
    for at in [
        "POST /management/token",
        "POST /token",
        "POST /acme/shop/token",
        "POST /acme/sandbox/token",
        "POST /globex/sandbox/token",
        "POST /globex/nope/token",
    ] {
        shop.check(&[(at, "", &app, APPLICATION_TOKEN), (at, "", &org, ORGANIZATION_TOKEN)]);
        let told = shop.ask(at, "", &app).json();
        assert_eq!(told["application"], shop.word("shop"), "{at}");
        let token = bearer(told["access_token"].as_str().unwrap());
        assert_eq!(shop.gate.ask(get("/acme/shop/orders", &token)).status, 200, "{at}");
        assert_eq!(shop.gate.ask(get("/acme/sandbox/orders", &token)).status, 401, "{at}");
    }
    // Where its own organization has no such application, it is told so.
    const NOPE: &str = "404 organization_application_not_found: Could not find application for acme/nope from URI: acme/nope/token (OrganizationApplicationNotFoundException)";
    shop.check(&[
        ("POST /acme/nope/token", "", &app, NOPE),
        ("POST /acme/nope/token", "", &org, NOPE),
    ]);
}

#[test]
fn each_login_issues_a_token_of_its_own_and_earlier_ones_live_on() {
    let shop = Shop::with(UNCOUNTED);
    let mut tokens: Vec<String> = (0..5).map(|_| shop.log_in("/acme/shop/token", "nora")).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 5);
    let changed = r#"{"oldpassword":"nora-pass-1","newpassword":"nora-pass-2"}"#;
    shop.check(&[
        ("PUT /acme/shop/users/nora/password", "", changed, "200 action=set user password"),
        ("POST /acme/shop/token", "", &grant("nora"), super::WRONG),
    ]);
    for token in &tokens {
        assert_eq!(shop.gate.ask(get("/acme/shop/users/me", &bearer(token))).status, 200);
    }
}

/// H2: a live admin token without a grant gets itself back, and nothing lengthens its life.
#[test]
#[rustfmt::skip] // a table is read by column
fn an_admins_token_gets_itself_back_and_no_other_does() {
    const NO_ADMIN: &str = "401 unauthorized: No admin user access authorized (SecurityException)";
    let mut shop = Shop::with(UNCOUNTED);
    let short = shop.ask("POST /management/token", "", r#"{"grant_type":"password","username":"olga","password":"olga-pass-1","ttl":100000}"#).json();
    shop.learn("short", short["access_token"].as_str().unwrap());
    for (line, fields, body) in [
        ("GET /management/me",    "bearer <short>", ""),
        ("GET /management/token", "bearer <short>", ""),
        ("GET /token",            "bearer <short>", ""),
        ("GET /management/me?access_token=<short>",    "", ""),
        ("GET /management/token?access_token=<short>", "", ""),
        ("GET /management/me",    "bearer <short>", "{}"),
        ("POST /management/me",   "bearer <short>", ""),
        ("POST /management/me",   "bearer <short>", "{}"),
        ("POST /management/me",   "form + bearer <short>", ""),
        ("GET /management/me?ttl=600000", "bearer <short>", ""),
        ("POST /management/me?ttl=600000", "bearer <short>", r#"{"ttl":600000}"#),
    ] {
        let answer = shop.ask(line, fields, body);
        assert_eq!(answer.status, 200, "{line} {body}: {}", answer.text());
        let told = answer.json();
        assert_eq!(told["access_token"], shop.word("short"), "{line} {body}");
        let left = told["expires_in"].as_i64().unwrap();
        assert!((60..=100).contains(&left), "{line} {body}: {left}");
        assert_eq!(told["user"]["username"], "olga", "{line} {body}");
        assert_eq!(told["passwordChanged"], short["passwordChanged"], "{line} {body}");
        assert_eq!(told["token_type"], "Bearer");
    }
    let client = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
    let app = shop.ask("POST /acme/shop/token", "", client).json();
    shop.learn("app", app["access_token"].as_str().unwrap());
    shop.check(&[
        ("GET /management/me",    "bearer <nora>", "", NO_ADMIN),
        ("GET /management/token", "bearer <nora>", "", NO_ADMIN),
        ("GET /management/token?access_token=<nora>", "", "", NO_ADMIN),
        ("GET /management/me",    "bearer <app>", "", NO_ADMIN),
        // Beside a grant the token is nothing: whoever logs in is who the password says.
        ("POST /management/token", "bearer <short>", &grant("gina"), ADMIN_TOKEN),
        ("POST /management/token", "bearer <short>", &grant("nora"), super::WRONG),
        // The application's endpoint gives nobody anything for a token.
        ("GET /acme/shop/token",   "bearer <nora>", "", super::WRONG),
        ("GET /acme/shop/token",   "bearer <short>", "", super::WRONG),
    ]);
    let gina = shop.ask("POST /management/token", "bearer <short>", &grant("gina")).json();
    assert_eq!(gina["user"]["username"], "gina");
}

#[test]
fn the_token_in_an_admins_own_record_is_the_one_presented() {
    let shop = Shop::with(UNCOUNTED);
    for who in ["olga", "olga@acme.example", "<olga-uuid>", "me"] {
        let told = shop.ask(&format!("GET /management/users/{who}"), "bearer <olga>", "").json();
        assert_eq!(told["data"]["token"], shop.word("olga"), "{who}");
        assert_eq!(told["action"], "get admin user");
    }
}
