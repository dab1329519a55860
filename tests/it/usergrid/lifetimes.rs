//! How long a token lives: the default, the maximum, what a request and an application may ask for.

use super::{REVOKED, Shop, UNCOUNTED};
use crate::harness::until;

const OVER: &str = "400 illegal_argument: Your token age cannot be more than the maximum age of 604800000 milliseconds (IllegalArgumentException)";
const NO_NUMBER: &str =
    "400 illegal_argument: ttl must be a number >= 0 (IllegalArgumentException)";
const EXPIRED: &str =
    "401 expired_token: Unable to authenticate due to expired access token (SecurityException)";

/// The four ways to a token, each with what stands for its grant in JSON and in a form or a query.
const LEVELS: [(&str, &str, &str, &str); 4] = [
    (
        "/acme/shop/token",
        r#""grant_type":"password","username":"nora","password":"nora-pass-1""#,
        "grant_type=password&username=nora&password=nora-pass-1",
        "200 access_token expires_in=N token_type=Bearer user",
    ),
    (
        "/management/token",
        r#""grant_type":"password","username":"olga","password":"olga-pass-1""#,
        "grant_type=password&username=olga&password=olga-pass-1",
        "200 access_token expires_in=N passwordChanged token_type=Bearer user",
    ),
    (
        "/acme/shop/token",
        r#""grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>""#,
        "grant_type=client_credentials&client_id=<app-id>&client_secret=<app-secret>",
        "200 access_token application expires_in=N token_type=Bearer",
    ),
    (
        "/management/token",
        r#""grant_type":"client_credentials","client_id":"<org-id>","client_secret":"<org-secret>""#,
        "grant_type=client_credentials&client_id=<org-id>&client_secret=<org-secret>",
        "200 access_token expires_in=N organization token_type=Bearer",
    ),
];

#[test]
#[rustfmt::skip] // a table is read by column
fn every_level_may_ask_for_a_life_of_its_own_in_a_body() {
    let shop = Shop::with(UNCOUNTED);
    for (at, grant, _, answer) in LEVELS {
        let line = format!("POST {at}");
        for (ttl, expected) in [
            ("604800000",               "604800"),
            ("\"604800000\"",           "604800"),
            ("500000",                  "500"),
            ("\"500000\"",              "500"),
            ("1999",                    "1"),
            ("1000",                    "1"),
            ("999",                     "0"),
            ("1",                       "0"),
            ("null",                    "604800"),
            ("\"\"",                    "604800"),
            // Never: RFC-less seconds of the platform.
            ("0",                       "9223372036854775"),
            ("\"0\"",                   "9223372036854775"),
            ("604800001",               OVER),
            ("\"604800001\"",           OVER),
            ("9223372036854775807",     OVER),
            ("\"9223372036854775807\"", OVER),
            ("9223372036854775808",     OVER),
            ("18446744073709551616",    OVER),
            ("\"99999999999999999999999999\"", OVER),
            ("99999999999999999999999999", OVER),
            ("\"derp\"",                NO_NUMBER),
            ("-1",                      NO_NUMBER),
            ("\"-1\"",                  NO_NUMBER),
            ("-1000",                   NO_NUMBER),
            ("-9223372036854775809",    NO_NUMBER),
            ("1.5",                     NO_NUMBER),
            ("\"1e3\"",                 NO_NUMBER),
            ("\"0x10\"",                NO_NUMBER),
            ("\"7d\"",                  NO_NUMBER),
            ("true",                    NO_NUMBER),
            ("[1000]",                  NO_NUMBER),
            ("{}",                      NO_NUMBER),
        ] {
            let expected = if expected.starts_with("400") { expected.to_owned() } else { answer.replace('N', expected) };
            shop.check(&[(&line, "", &format!("{{{grant},\"ttl\":{ttl}}}"), &expected)]);
        }
        shop.check(&[(&line, "", &format!("{{{grant}}}"), &answer.replace('N', "604800"))]);
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn and_in_a_form_or_a_query() {
    let shop = Shop::with(UNCOUNTED);
    for (at, json, form, answer) in LEVELS {
        let seconds = |seconds: &str| answer.replace('N', seconds);
        let (five, nine, never) = (seconds("5"), seconds("9"), seconds("9223372036854775"));
        let post = format!("POST {at}");
        let over = format!("{form}&ttl=604800001");
        let bad = format!("{form}&ttl=derp");
        shop.check(&[
            (&post, "form", &format!("{form}&ttl=5000"), &five),
            (&post, "form", &format!("{form}&ttl=0"), &never),
            (&post, "form", &over, OVER),
            (&post, "form", &bad, NO_NUMBER),
            (&post, "form", &format!("{form}&ttl=-1"), NO_NUMBER),
            (&format!("GET {at}?{form}&ttl=5000"), "", "", &five),
            (&format!("GET {at}?{form}&ttl=0"), "", "", &never),
            (&format!("GET {at}?{over}"), "", "", OVER),
            (&format!("GET {at}?{bad}"), "", "", NO_NUMBER),
            (&format!("GET {at}?{form}&ttl=-1000"), "", "", NO_NUMBER),
            // A body that says nothing of it leaves it to the query; one that does has the say.
            (&format!("{post}?ttl=5000"), "", &format!("{{{json}}}"), &five),
            (&format!("{post}?ttl=5000"), "form", form, &five),
            (&format!("{post}?ttl=5000"), "", &format!("{{{json},\"ttl\":9000}}"), &nine),
            (&format!("{post}?ttl=5000"), "form", &format!("{form}&ttl=9000"), &nine),
            (&format!("{post}?ttl=derp"), "", &format!("{{{json}}}"), NO_NUMBER),
            (&format!("{post}?ttl=604800001"), "", &format!("{{{json}}}"), OVER),
        ]);
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_application_has_a_default_and_a_maximum_of_its_own_for_its_users() {
    const PUT: &str = "200 action=put";
    const BAD: &str = "400 illegal_argument: accesstokenttl must be a number >= 0 (IllegalArgumentException)";
    const LONG: &str = "400 illegal_argument: accesstokenttl cannot be more than 31536000000 milliseconds (IllegalArgumentException)";
    const OVER_OWN: &str = "400 illegal_argument: Your token age cannot be more than the maximum age of 1800000 milliseconds (IllegalArgumentException)";
    let shop = Shop::with(UNCOUNTED);
    let nora = r#"{"grant_type":"password","username":"nora","password":"nora-pass-1"}"#;
    let nora_for = |ttl: &str| format!(r#"{{"grant_type":"password","username":"nora","password":"nora-pass-1","ttl":{ttl}}}"#);
    let app = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
    let org = r#"{"grant_type":"client_credentials","client_id":"<org-id>","client_secret":"<org-secret>"}"#;
    let olga = r#"{"grant_type":"password","username":"olga","password":"olga-pass-1"}"#;
    let user = |seconds: &str| format!("200 access_token expires_in={seconds} token_type=Bearer user");
    const AT: &str = "POST /acme/shop/token";
    shop.check(&[
        (AT, "", nora, &user("604800")),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"1800000"}"#, PUT),
        (AT, "", nora, &user("1800")),
        (AT, "", &nora_for("1800000"), &user("1800")),
        (AT, "", &nora_for("60000"), &user("60")),
        (AT, "", &nora_for("1800001"), OVER_OWN),
        (AT, "", &nora_for("604800000"), OVER_OWN),
        // For the users of this application only.
        (AT, "", app, super::APPLICATION_TOKEN),
        (AT, "", org, super::ORGANIZATION_TOKEN),
        ("POST /management/token", "", olga, super::ADMIN_TOKEN),
        ("GET /acme/shop/users/nora/token", "bearer <olga>", "", &user("1800")),
        // As a number, longer than the platform's week, up to a year.
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":31536000000}"#, PUT),
        (AT, "", nora, &user("31536000")),
        (AT, "", &nora_for("31536000000"), &user("31536000")),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":31536000001}"#, LONG),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"99999999999999999999"}"#, LONG),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"derp"}"#, BAD),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":-1}"#, BAD),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"1.5"}"#, BAD),
        (AT, "", nora, &user("31536000")),
        // Never.
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":0}"#, PUT),
        (AT, "", nora, &user("9223372036854775")),
        (AT, "", &nora_for("60000"), &user("60")),
        (AT, "", app, super::APPLICATION_TOKEN),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"0"}"#, PUT),
        // Who may say so.
        ("PUT /acme/shop", "", r#"{"accesstokenttl":1000}"#, super::DENIED),
        ("PUT /acme/shop", "bearer <nora>", r#"{"accesstokenttl":1000}"#, super::DENIED),
        ("PUT /acme/shop", "bearer <gina>", r#"{"accesstokenttl":1000}"#, super::DENIED),
        ("PUT /acme/shop?client_id=<app-id>&client_secret=<app-secret>", "", r#"{"accesstokenttl":2000}"#, PUT),
        (AT, "", nora, &user("2")),
        ("PUT /acme/shop?client_id=<org-id>&client_secret=<org-secret>", "", r#"{"accesstokenttl":3000}"#, PUT),
        (AT, "", nora, &user("3")),
    ]);
    let entity = shop.ask("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"1800000"}"#).json()["entities"][0].take();
    assert_eq!(entity["accesstokenttl"], 1_800_000);
    assert_eq!(entity["uuid"], shop.word("shop"));
    assert_eq!(entity["type"], "application");
    assert_eq!(entity["name"], "acme/shop");
    assert_eq!(entity["organizationName"], "acme");
    assert_eq!(entity["applicationName"], "shop");
}

/// A lifetime is inside its token.
#[test]
fn a_changed_lifetime_is_for_new_tokens() {
    let shop = Shop::with(UNCOUNTED);
    let short = r#"{"accesstokenttl":1}"#;
    shop.check(&[("PUT /acme/shop", "bearer <olga>", short, "200 action=put")]);
    let new = shop.log_in("/acme/shop/token", "nora");
    let by_new = crate::harness::client::bearer(&new);
    until("the new token's end", || {
        let answer = shop.gate.ask(crate::harness::client::get("/acme/shop/orders", &by_new));
        (answer.status == 401).then(|| assert_eq!(super::tell(&answer), EXPIRED))
    });
    shop.check(&[("GET /acme/shop/orders", "bearer <nora>", "", super::HELLO)]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn tokens_end_at_their_time_whoever_has_them() {
    let mut shop = Shop::with(UNCOUNTED);
    for (at, grant, ..) in LEVELS {
        let told = shop.ask(&format!("POST {at}"), "", &format!("{{{grant},\"ttl\":900}}")).json();
        shop.learn("short", told["access_token"].as_str().unwrap());
        until("the token's end", || {
            let answer = shop.ask("GET /acme/shop/orders", "bearer <short>", "");
            (answer.status != 200).then(|| assert_eq!(super::tell(&answer), EXPIRED, "{at}"))
        });
        // Use did not lengthen it, and nothing else does.
        shop.check(&[
            ("GET /management/me", "bearer <short>", "", EXPIRED),
            ("GET /acme/shop/orders?access_token=<short>", "", "", EXPIRED),
            // Not even a guest's permission helps it.
            ("GET /acme/sandbox/orders", "bearer <short>", "", EXPIRED),
        ]);
    }
}

#[test]
fn a_token_that_never_expires_can_be_revoked() {
    let mut shop = Shop::with(UNCOUNTED);
    let body = r#"{"grant_type":"password","username":"nora","password":"nora-pass-1","ttl":0}"#;
    let told = shop.ask("POST /acme/shop/token", "", body).json();
    shop.learn("ever", told["access_token"].as_str().unwrap());
    let revoke = "PUT /acme/shop/users/nora/revoketoken?token=<ever>";
    shop.check(&[
        ("GET /acme/shop/orders", "bearer <ever>", "", super::HELLO),
        (revoke, "bearer <nora>", "", "200 action=revoked user token"),
        ("GET /acme/shop/orders", "bearer <ever>", "", REVOKED),
    ]);
    let olga = r#"{"grant_type":"password","username":"olga","password":"olga-pass-1","ttl":0}"#;
    let told = shop.ask("POST /management/token", "", olga).json();
    shop.learn("ever", told["access_token"].as_str().unwrap());
    let own = shop.ask("GET /management/me", "bearer <ever>", "").json();
    assert_eq!(own["expires_in"], 9_223_372_036_854_775_i64);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_operator_may_forbid_tokens_that_never_expire() {
    const NOT_NEVER: &str = "400 illegal_argument: accesstokenttl cannot be 0: tokens have to expire here (IllegalArgumentException)";
    let shop = Shop::with(&format!("{UNCOUNTED}\nnever-expire = \"deny\""));
    for (at, json, form, answer) in LEVELS {
        shop.check(&[
            (&format!("POST {at}"), "", &format!("{{{json},\"ttl\":0}}"), OVER),
            (&format!("POST {at}?ttl=0"), "", &format!("{{{json}}}"), OVER),
            (&format!("GET {at}?{form}&ttl=0"), "", "", OVER),
            (&format!("POST {at}"), "", &format!("{{{json}}}"), &answer.replace('N', "604800")),
        ]);
    }
    shop.check(&[
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":0}"#, NOT_NEVER),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":"0"}"#, NOT_NEVER),
    ]);
}

/// What an application was granted before does not stand against it, and keeps nobody out.
#[test]
fn forbidding_them_later_leaves_the_default() {
    let mut shop = Shop::with(UNCOUNTED);
    let nora = super::grant("nora");
    let never = "200 access_token expires_in=9223372036854775 token_type=Bearer user";
    shop.check(&[
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":0}"#, "200 action=put"),
        ("POST /acme/shop/token", "", &nora, never),
    ]);
    shop.gate.kill();
    let text = std::fs::read_to_string(&shop.gate.config).unwrap();
    shop.gate.rewrite(&text.replace("[usergrid]\n", "[usergrid]\nnever-expire = \"deny\"\n"));
    shop.gate.start_again();
    let long =
        r#"{"grant_type":"password","username":"nora","password":"nora-pass-1","ttl":604800001}"#;
    shop.check(&[
        ("POST /acme/shop/token", "", &nora, super::USER_TOKEN),
        ("POST /acme/shop/token", "", long, OVER),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn default_and_maximum_are_the_operators_to_say() {
    let keys = "default-ttl = \"1h\"\nmax-ttl = \"2h\"\naccesstokenttl-max = \"3h\"";
    let shop = Shop::with(&format!("{UNCOUNTED}\n{keys}"));
    let over = OVER.replace("604800000", "7200000");
    for (at, json, _, answer) in LEVELS {
        let line = format!("POST {at}");
        shop.check(&[
            (&line, "", &format!("{{{json}}}"), &answer.replace('N', "3600")),
            (&line, "", &format!("{{{json},\"ttl\":7200000}}"), &answer.replace('N', "7200")),
            (&line, "", &format!("{{{json},\"ttl\":7200001}}"), &over),
        ]);
    }
    shop.check(&[
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":10800000}"#, "200 action=put"),
        ("POST /acme/shop/token", "", &super::grant("nora"), "200 access_token expires_in=10800 token_type=Bearer user"),
        ("PUT /acme/shop", "bearer <olga>", r#"{"accesstokenttl":10800001}"#,
         "400 illegal_argument: accesstokenttl cannot be more than 10800000 milliseconds (IllegalArgumentException)"),
    ]);
}
