//! Logins that fail: the two shapes of errors, and what each situation is told.

use super::{DENIED, Shop, UNCOUNTED, USER_TOKEN, WRONG, client_id, grant};

const USER: &str = "POST /acme/shop/token";
const ADMIN: &str = "POST /management/token";

#[test]
#[rustfmt::skip] // a table is read by column
fn a_grant_that_proves_nobody_is_invalid() {
    let shop = Shop::with(UNCOUNTED);
    let mut rows = Vec::new();
    for body in [
        r#"{"grant_type":"password","username":"nora","password":"wrong"}"#,
        r#"{"grant_type":"password","username":"olga","password":"wrong"}"#,
        r#"{"grant_type":"password","username":"nobody","password":"nora-pass-1"}"#,
        r#"{"grant_type":"password","username":"nobody@shop.example","password":"x"}"#,
        r#"{"grant_type":"password","username":"0b5c1f60-7d2a-11ee-8a11-0123456789ab","password":"x"}"#,
        r#"{"grant_type":"password","username":"nora"}"#,
        r#"{"grant_type":"password","password":"nora-pass-1"}"#,
        r#"{"grant_type":"password","username":"","password":""}"#,
        r#"{"grant_type":"password","username":"gina-nobody","password":"gina-pass-1"}"#,
        r#"{"grant_type":"PASSWORD","username":"nora","password":"nora-pass-1"}"#,
        r#"{"grant_type":"refresh_token","refresh_token":"x"}"#,
        r#"{"grant_type":"authorization_code","code":"x"}"#,
        r#"{"grant_type":"pin","username":"nora","pin":"1234"}"#,
        r#"{"username":"nora","password":"nora-pass-1"}"#,
        r#"{"grant_type":"","username":"nora","password":"nora-pass-1"}"#,
        "{}",
        r#"{"grant_type":"client_credentials"}"#,
        r#"{"grant_type":"client_credentials","client_id":"<app-id>"}"#,
        r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":""}"#,
        r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"YXA6AAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
        r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<org-secret>"}"#,
        r#"{"grant_type":"client_credentials","client_id":"<org-id>","client_secret":"<app-secret>"}"#,
        r#"{"grant_type":"client_credentials","client_id":"<app-id>A","client_secret":"<app-secret>"}"#,
        r#"{"grant_type":"client_credentials","client_id":"<shop>","client_secret":"<app-secret>"}"#,
        r#"{"grant_type":"client_credentials","client_id":"YXA6C1wfYH0qEe6KEQEjRWeJqw","client_secret":"<app-secret>"}"#,
        r#"{"grant_type":"client_credentials","client_id":"YXB7C1wfYH0qEe6KEQEjRWeJqw","client_secret":"x"}"#,
    ] {
        rows.extend([(USER, "", body, WRONG), (ADMIN, "", body, WRONG), ("POST /token", "", body, WRONG)]);
    }
    shop.check(&rows);
    shop.check(&[
        // Each level by its own endpoint.
        (ADMIN, "", &grant("nora"), WRONG),
        (USER,  "", &grant("olga"), WRONG),
        ("POST /acme/sandbox/token", "", &grant("nora"), WRONG),
        ("POST /globex/sandbox/token", "", &grant("nora"), WRONG),
        (USER, "form", "grant_type=password&username=nora&password=wrong", WRONG),
        ("GET /acme/shop/token?grant_type=password&username=nora&password=wrong", "", "", WRONG),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_wrong_client_is_told_by_the_place_where_it_stood() {
    const QUERY: &str = "401 invalid_client: Unable to authenticate (OAuth) (SecurityException)";
    const BASIC: &str = "401 auth_invalid_credentials: Unable to authenticate due to invalid client credentials (SecurityException)";
    let shop = Shop::with(UNCOUNTED);
    let form = "grant_type=client_credentials";
    shop.check(&[
        ("GET /acme/shop/token?grant_type=client_credentials&client_id=<app-id>&client_secret=wrong",  "", "", QUERY),
        ("GET /management/token?grant_type=client_credentials&client_id=<org-id>&client_secret=wrong", "", "", QUERY),
        ("GET /token?grant_type=client_credentials&client_id=x&client_secret=wrong", "", "", QUERY),
        ("GET /acme/shop/orders?client_id=<app-id>&client_secret=wrong", "", "", QUERY),
        ("GET /management/orgs/acme?client_id=<org-id>&client_secret=wrong", "", "", QUERY),
        (USER,  "form + basic <app-id>:wrong", form, BASIC),
        (ADMIN, "form + basic <org-id>:wrong", form, BASIC),
        (USER,  "form + basic nora:nora-pass-1", form, BASIC),
        ("GET /acme/shop/token?grant_type=client_credentials", "basic <app-id>:wrong", "", BASIC),
        ("GET /acme/shop/orders", "basic <app-id>:wrong", "", BASIC),
        ("GET /acme/shop/orders", "basic nora:nora-pass-1", "", BASIC),
        ("GET /acme/sandbox/orders", "basic superuser:test", "", BASIC),
        // A password beside a wrong client is refused as well; beside the right one it is judged.
        (USER,  "form + basic <app-id>:wrong", "grant_type=password&username=nora&password=nora-pass-1", BASIC),
        (ADMIN, "form + basic <org-id>:wrong", "grant_type=password&username=olga&password=olga-pass-1", BASIC),
        (USER,  "form + basic <app-id>:<app-secret>", "grant_type=password&username=nora&password=nora-pass-1", USER_TOKEN),
        (USER,  "form + basic <app-id>:<app-secret>", "grant_type=password&username=nora&password=wrong", WRONG),
    ]);
}

/// H12: only organizations and applications have clients; nobody's UUID and password are one.
#[test]
#[rustfmt::skip] // a table is read by column
fn admins_and_users_are_no_clients() {
    const QUERY: &str = "401 invalid_client: Unable to authenticate (OAuth) (SecurityException)";
    let mut shop = Shop::with(UNCOUNTED);
    let olga = client_id("YWQ6", shop.word("olga-uuid"));
    let nora = client_id("YXU6", shop.word("nora-uuid"));
    shop.learn("admin-client", &olga);
    shop.learn("user-client", &nora);
    shop.check(&[
        (ADMIN, "", r#"{"grant_type":"client_credentials","client_id":"<admin-client>","client_secret":"olga-pass-1"}"#, WRONG),
        (USER,  "", r#"{"grant_type":"client_credentials","client_id":"<user-client>","client_secret":"nora-pass-1"}"#, WRONG),
        ("GET /management/users/olga?client_id=<admin-client>&client_secret=olga-pass-1", "", "", QUERY),
        ("GET /acme/shop/users/nora?client_id=<user-client>&client_secret=nora-pass-1", "", "", QUERY),
    ]);
}

/// Only after the right password is anybody told what keeps an account out.
#[test]
#[rustfmt::skip] // a table is read by column
fn an_account_that_is_shut_out_is_told_to_its_owner_alone() {
    const NOT_ACTIVATED: &str = "400 invalid_grant: user not activated";
    const DISABLED: &str = "400 invalid_grant: user disabled";
    let shop = Shop::with(UNCOUNTED);
    let wrong = r#"{"grant_type":"password","username":"nora","password":"wrong"}"#;
    let nora = &*grant("nora");
    shop.check(&[
        ("POST /acme/shop/users/nora/deactivate", "bearer <olga>", "{}", "200 action=Deactivate user"),
        (USER, "", nora, NOT_ACTIVATED),
        (USER, "", wrong, WRONG),
        ("GET /acme/shop/users/nora/token", "bearer <olga>", "", NOT_ACTIVATED),
        ("PUT /acme/shop/users/nora", "bearer <olga>", r#"{"disabled":true}"#, "200 action=put"),
        // Not activated comes first.
        (USER, "", nora, NOT_ACTIVATED),
        ("POST /acme/shop/users/nora/activate", "bearer <olga>", "{}", "200 action=Activate user"),
        (USER, "", nora, DISABLED),
        (USER, "", wrong, WRONG),
        ("GET /acme/shop/users/nora/token", "bearer <olga>", "", DISABLED),
        ("PUT /acme/shop/users/nora", "bearer <olga>", r#"{"disabled":false}"#, "200 action=put"),
        (USER, "", nora, USER_TOKEN),
    ]);
}

/// Who may have a token for somebody else; the platform's refusal is empty.
#[test]
#[rustfmt::skip] // a table is read by column
fn a_token_for_another_user_is_for_administrators() {
    let mut shop = Shop::with(UNCOUNTED);
    let client = |id: &str, secret: &str| format!(r#"{{"grant_type":"client_credentials","client_id":"<{id}>","client_secret":"<{secret}>"}}"#);
    for (word, body) in [("app", client("app-id", "app-secret")), ("org", client("org-id", "org-secret"))] {
        let told = shop.ask("POST /management/token", "", &body).json();
        shop.learn(word, told["access_token"].as_str().unwrap());
    }
    shop.check(&[
        ("GET /acme/shop/users/nora/token", "bearer <olga>", "", USER_TOKEN),
        ("GET /acme/shop/users/nora/token", "bearer <app>",  "", USER_TOKEN),
        ("GET /acme/shop/users/nora/token", "bearer <org>",  "", USER_TOKEN),
        ("GET /acme/shop/users/nora/token?client_id=<app-id>&client_secret=<app-secret>", "", "", USER_TOKEN),
        ("GET /acme/shop/users/nora@shop.example/token", "bearer <olga>", "", USER_TOKEN),
        ("GET /acme/shop/users/<nora-uuid>/token?ttl=60000", "bearer <olga>", "", "200 access_token expires_in=60 token_type=Bearer user"),
        ("GET /acme/shop/users/nora/token?ttl=604800001", "bearer <olga>", "", "400 illegal_argument: Your token age cannot be more than the maximum age of 604800000 milliseconds (IllegalArgumentException)"),
        ("GET /acme/shop/users/nobody/token", "bearer <olga>", "", "404 service_resource_not_found: Service resource not found (ServiceResourceNotFoundException)"),
        ("GET /acme/shop/users/nora/token", "bearer <ben>",  "", "403"),
        ("GET /acme/shop/users/nora/token", "bearer <nora>", "", "403"),
        ("GET /acme/shop/users/nora/token", "",              "", "403"),
        ("GET /acme/shop/users/nora/token", "bearer <gina>", "", "403"),
        ("GET /acme/shop/users/nora/token?access_token=blah", "", "", super::CORRUPT),
    ]);
    assert_eq!(shop.ask("GET /acme/shop/users/nora/token", "bearer <ben>", "").text(), "{}");
    let token = shop.ask("GET /acme/shop/users/nora/token", "bearer <olga>", "").json();
    assert_eq!(token["user"]["uuid"], shop.word("nora-uuid"));
    shop.learn("given", token["access_token"].as_str().unwrap());
    assert_eq!(shop.ask("GET /acme/shop/users/me", "bearer <given>", "").json()["entities"][0]["username"], "nora");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_only_the_platforms_superuser_could_do_asks_for_basic() {
    const SYSTEM: &str = "401 unauthorized: No system access authorized (SecurityException)";
    let shop = Shop::with(UNCOUNTED);
    for (line, fields) in [
        ("GET /management/orgs", "bearer <olga>"), ("GET /management/users", ""),
        ("GET /system/database/setup", ""), ("PUT /system/database/setup", "bearer <olga>"),
    ] {
        let answer = shop.ask(line, fields, "");
        assert_eq!(super::tell(&answer), SYSTEM, "{line}");
        assert_eq!(answer.field("www-authenticate"), Some("Basic realm=\"Usergrid Authentication\""), "{line}");
    }
    for (line, fields) in [
        ("GET /acme/shop/orders", ""), ("GET /acme/shop/orders", "bearer blah"),
        ("GET /acme/shop/orders", "basic a:b"), ("GET /management/orgs/acme", ""),
        ("GET /management/orgs/acme", "bearer <gina>"),
    ] {
        let answer = shop.ask(line, fields, "");
        assert_eq!(answer.status, 401, "{line}");
        // At Basic a browser asks its user for a password, and nobody has one that would do.
        let challenge = answer.field("www-authenticate").unwrap_or("Bearer");
        assert!(challenge.starts_with("Bearer"), "{line} {fields}: {challenge}");
    }
    shop.check(&[("GET /acme/shop/orders", "", "", DENIED)]);
}
