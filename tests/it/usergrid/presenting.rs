//! Presenting credentials: where they may stand, what counts as absent, what conflicts, and what a bad one
//! is told. None of them comes to the backend.

use super::{CORRUPT, DENIED, HELLO, REVOKED, Shop, UNCOUNTED, grant};
use crate::harness::{tokens, until};

const ORDERS: &str = "GET /acme/shop/orders";
const CONFLICT: &str =
    "400 invalid_request: the request carries two credentials (SecurityException)";
const REPEATED: &str =
    "400 invalid_request: a credential is given more than once (SecurityException)";
const SYNTAX: &str = "401 auth_bad_credentials_syntax: ";

#[test]
#[rustfmt::skip] // a table is read by column
fn a_credential_may_stand_in_four_places() {
    let shop = Shop::with(UNCOUNTED);
    let form = "access_token=<nora>";
    shop.check(&[
        (ORDERS, "bearer <nora>", "", HELLO),
        (ORDERS, "Authorization: bearer <nora>", "", HELLO),
        (ORDERS, "Authorization: BEARER <nora>", "", HELLO),
        (ORDERS, "Authorization: Bearer   <nora>", "", HELLO),
        ("GET /acme/shop/orders?access_token=<nora>", "", "", HELLO),
        ("GET /acme/shop/orders?a=1&access_token=<nora>&b=2", "", "", HELLO),
        ("GET /acme/shop/orders?access%5Ftoken=<nora>", "", "", HELLO),
        ("GET /acme/shop/orders?client_id=<app-id>&client_secret=<app-secret>", "", "", HELLO),
        ("GET /acme/shop/orders?client_id=<org-id>&client_secret=<org-secret>", "", "", HELLO),
        ("GET /acme/shop/orders?grant_type=client_credentials&client_id=<app-id>&client_secret=<app-secret>", "", "", HELLO),
        (ORDERS, "basic <app-id>:<app-secret>", "", HELLO),
        (ORDERS, "basic <org-id>:<org-secret>", "", HELLO),
        ("POST /acme/shop/orders", "bearer <nora>", r#"{"a":1}"#, HELLO),
        ("DELETE /acme/shop/orders", "bearer <nora>", "{}", HELLO),
        // A body and other names hold none.
        ("POST /acme/shop/orders", "form", form, DENIED),
        ("GET /acme/shop/orders?token=<nora>", "", "", DENIED),
        ("GET /acme/shop/orders?Access_Token=<nora>", "", "", DENIED),
        (ORDERS, "", "", DENIED),
    ]);
    let lines: Vec<String> = shop.backend.received().iter().map(|it| it.line().to_owned()).collect();
    assert_eq!(lines[4..8], [
        "GET /acme/shop/orders", "GET /acme/shop/orders?a=1&b=2", "GET /acme/shop/orders", "GET /acme/shop/orders",
    ]);
    assert_eq!(lines[9], "GET /acme/shop/orders?grant_type=client_credentials");
    shop.nothing_secret_came();
}

/// What clients in the field send for nothing; the sandbox is open to guests.
#[test]
#[rustfmt::skip] // a table is read by column
fn empty_parameters_count_as_absent() {
    let shop = Shop::with(UNCOUNTED);
    shop.check(&[
        ("GET /acme/sandbox/orders?access_token=", "", "", HELLO),
        ("GET /acme/sandbox/orders?access_token", "", "", HELLO),
        ("GET /acme/sandbox/orders?client_id=&client_secret=", "", "", HELLO),
        ("GET /acme/sandbox/orders?access_token=&client_id=&client_secret=", "", "", HELLO),
        ("GET /acme/shop/orders?access_token=", "", "", DENIED),
        ("GET /acme/shop/orders?access_token=", "bearer <nora>", "", HELLO),
        ("GET /acme/shop/orders?client_id=&client_secret=", "bearer <nora>", "", HELLO),
        ("GET /acme/shop/orders?access_token=&client_id=<app-id>&client_secret=<app-secret>", "", "", HELLO),
        ("GET /acme/shop/orders?access_token=<nora>&client_id=&client_secret=", "", "", HELLO),
        ("POST /acme/shop/token?access_token=", "", &grant("nora"), super::USER_TOKEN),
        ("GET /management/orgs/acme?access_token=", "bearer <olga>", "", "200 duration organization timestamp"),
    ]);
    for request in shop.backend.received() {
        assert!(!request.line().contains("access_token"), "{}", request.line());
        assert!(!request.line().contains("client_"), "{}", request.line());
    }
    shop.nothing_secret_came();
}

#[test]
#[rustfmt::skip] // a table is read by column
fn two_credentials_conflict_unless_they_are_one() {
    let shop = Shop::with(UNCOUNTED);
    shop.check(&[
        ("GET /acme/shop/orders?access_token=<nora>", "bearer <nora>", "", HELLO),
        ("GET /acme/shop/orders?client_id=<app-id>&client_secret=<app-secret>", "basic <app-id>:<app-secret>", "", HELLO),
        ("GET /acme/shop/orders?access_token=<ben>", "bearer <nora>", "", CONFLICT),
        ("GET /acme/shop/orders?access_token=blah", "bearer <nora>", "", CONFLICT),
        ("GET /acme/shop/orders?access_token=<nora>&client_id=<app-id>&client_secret=<app-secret>", "", "", CONFLICT),
        ("GET /acme/shop/orders?access_token=<nora>", "basic <app-id>:<app-secret>", "", CONFLICT),
        ("GET /acme/shop/orders?client_id=<app-id>&client_secret=<app-secret>", "bearer <nora>", "", CONFLICT),
        ("GET /acme/shop/orders?client_id=<org-id>&client_secret=<org-secret>", "basic <app-id>:<app-secret>", "", CONFLICT),
        ("GET /acme/shop/orders?access_token=<nora>&access_token=<nora>", "", "", REPEATED),
        ("GET /acme/shop/orders?access_token=<nora>&access_token=<ben>", "", "", REPEATED),
        ("GET /acme/shop/orders?client_id=<app-id>&client_id=<app-id>&client_secret=<app-secret>", "", "", REPEATED),
        (ORDERS, "bearer <nora> + bearer <nora>", "", REPEATED),
        (ORDERS, "bearer <nora> + basic <app-id>:<app-secret>", "", REPEATED),
        ("GET /acme/sandbox/orders?access_token=<ben>", "bearer <nora>", "", CONFLICT),
        // On endpoints that are answered here as well.
        ("GET /management/me?access_token=<gina>", "bearer <olga>", "", CONFLICT),
        ("GET /acme/shop/users?access_token=<ben>", "bearer <nora>", "", CONFLICT),
    ]);
    shop.nothing_secret_came();
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_there_and_no_credential_is_refused_to_guests_too() {
    let shop = Shop::with(UNCOUNTED);
    let scheme = &*format!("{SYNTAX}the authentication scheme is not accepted here (SecurityException)");
    let basic = &*format!("{SYNTAX}the Basic credential does not decode to a name and a password (SecurityException)");
    let alone = "401 auth_missing_credentials: a client id and a client secret go together (SecurityException)";
    for path in ["/acme/shop/orders", "/acme/sandbox/orders", "/management/orgs/acme", "/acme/shop/users/nora"] {
        let get = &*format!("GET {path}");
        shop.check(&[
            (get, "bearer blah", "", CORRUPT),
            (&format!("GET {path}?access_token=blah"), "", "", CORRUPT),
            (&format!("GET {path}?access_token=%20"), "", "", CORRUPT),
            (get, "Authorization: Bearer", "", CORRUPT),
            (get, "Authorization: Digest username=\"nora\"", "", scheme),
            (get, "Authorization: <nora>", "", scheme),
            (get, "Authorization: Basic !", "", basic),
            (get, "Authorization: Basic bm9ib2R5", "", basic),
            (&format!("GET {path}?client_id=<app-id>"), "", "", alone),
            (&format!("GET {path}?client_secret=<app-secret>"), "", "", alone),
            (&format!("GET {path}?client_id=<app-id>&client_secret="), "", "", alone),
        ]);
    }
    assert!(shop.backend.received().is_empty());
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_token_that_proves_nobody_is_told_why() {
    const EXPIRED: &str = "401 expired_token: Unable to authenticate due to expired access token (SecurityException)";
    let mut shop = Shop::with(UNCOUNTED);
    let nora = shop.word("nora").to_owned();
    let flipped = |at: usize| {
        let mut bytes = nora.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for (word, text) in [
        ("altered", flipped(40)), ("altered-id", flipped(10)), ("altered-expiry", flipped(27)),
        ("other-kind", nora.replacen("YWMt", "ZW0t", 1)), ("short", nora[..62].to_owned()),
        ("long", format!("{nora}A")), ("forged", tokens::forged()), ("unknown", tokens::unknown()),
        // The platform's own vector, and the format of 2011.
        ("platforms", "YWMtL8AQ-ukcEeS2lHs-P-n8wQAAAU0GaCt_Y0cPWeXMJij4x_fW0w_dTMpUH7I".to_owned()),
    ] {
        shop.learn(word, &text);
    }
    for word in ["altered", "altered-id", "altered-expiry", "other-kind", "short", "long", "forged", "platforms"] {
        shop.check(&[
            (ORDERS, &format!("bearer <{word}>"), "", CORRUPT),
            (&format!("GET /acme/sandbox/orders?access_token=<{word}>"), "", "", CORRUPT),
        ]);
    }
    let told = shop.ask("POST /acme/shop/token?ttl=1", "", &grant("nora")).json();
    shop.learn("expired", told["access_token"].as_str().unwrap());
    until("the token's end", || (shop.ask(ORDERS, "bearer <expired>", "").status == 401).then_some(()));
    shop.check(&[
        (ORDERS, "bearer <unknown>", "", REVOKED),
        (ORDERS, "bearer <expired>", "", EXPIRED),
        ("PUT /acme/shop/users/nora/revoketokens", "bearer <nora>", "", "200 action=revoked user tokens"),
        (ORDERS, "bearer <nora>", "", REVOKED),
        // Of two reasons the earlier check tells.
        (ORDERS, "bearer <expired>", "", EXPIRED),
        ("GET /acme/sandbox/orders", "bearer <nora>", "", REVOKED),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_token_of_somebody_shut_out_or_gone_is_told_so() {
    const UNACTIVATED: &str = "401 authentication: Unactivated identity (AuthenticationException)";
    const DISABLED: &str = "401 authentication: Disabled identity (AuthenticationException)";
    let mut shop = Shop::with(UNCOUNTED);
    shop.token("ben2", "/acme/shop/token", "ben");
    shop.check(&[
        (ORDERS, "bearer <nora>", "", HELLO),
        ("PUT /acme/shop/users/nora/deactivate", "bearer <olga>", "{}", "200 action=Deactivate user"),
        (ORDERS, "bearer <nora>", "", UNACTIVATED),
        ("GET /acme/sandbox/orders", "bearer <nora>", "", UNACTIVATED),
        ("GET /acme/shop/users/me", "bearer <nora>", "", UNACTIVATED),
        ("PUT /acme/shop/users/ben", "bearer <olga>", r#"{"disabled":true}"#, "200 action=put"),
        (ORDERS, "bearer <ben>", "", DISABLED),
        ("GET /acme/shop/users/me?access_token=<ben2>", "", "", DISABLED),
        ("DELETE /acme/shop/users/ben", "bearer <olga>", "", "200 action=delete"),
        (ORDERS, "bearer <ben>", "", CORRUPT),
        ("GET /acme/shop/users/me", "bearer <ben2>", "", CORRUPT),
    ]);
    let client = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
    let told = shop.ask("POST /acme/shop/token", "", client).json();
    shop.learn("app", told["access_token"].as_str().unwrap());
    shop.check(&[
        (ORDERS, "bearer <app>", "", HELLO),
        ("DELETE /management/orgs/acme/apps/shop?confirm_application_identifier=shop", "bearer <olga>", "", "200 action=delete"),
        (ORDERS, "bearer <app>", "", CORRUPT),
        ("GET /acme/shop/orders?client_id=<app-id>&client_secret=<app-secret>", "", "",
         "401 invalid_client: Unable to authenticate (OAuth) (SecurityException)"),
        ("POST /acme/shop/token", "", client, super::WRONG),
    ]);
}

/// What each identity reaches (4.6): its own tenant, and nothing else.
#[test]
#[rustfmt::skip] // a table is read by column
fn a_credential_is_good_for_its_own_tenant() {
    const NO_ORG: &str = "401 unauthorized: No organization access authorized (SecurityException)";
    const ORG: &str = "200 duration organization timestamp";
    let mut shop = Shop::with(UNCOUNTED);
    let client = |id: &str, secret: &str| format!(r#"{{"grant_type":"client_credentials","client_id":"<{id}>","client_secret":"<{secret}>"}}"#);
    for (word, body) in [("app", client("app-id", "app-secret")), ("org", client("org-id", "org-secret"))] {
        let told = shop.ask("POST /token", "", &body).json();
        shop.learn(word, told["access_token"].as_str().unwrap());
    }
    for (who, own, other, foreign, organization) in [
        ("bearer <nora>",               HELLO,  DENIED, DENIED, NO_ORG),
        ("bearer <app>",                HELLO,  DENIED, DENIED, NO_ORG),
        ("basic <app-id>:<app-secret>", HELLO,  DENIED, DENIED, NO_ORG),
        ("bearer <org>",                HELLO,  HELLO,  DENIED, ORG),
        ("basic <org-id>:<org-secret>", HELLO,  HELLO,  DENIED, ORG),
        ("bearer <olga>",               HELLO,  HELLO,  DENIED, ORG),
        ("bearer <gina>",               DENIED, DENIED, HELLO,  NO_ORG),
        ("",                            DENIED, HELLO,  HELLO,  NO_ORG),
    ] {
        shop.check(&[
            (ORDERS, who, "", own),
            ("GET /acme/sandbox/orders", who, "", other),
            ("GET /globex/sandbox/orders", who, "", foreign),
            ("GET /management/orgs/acme", who, "", organization),
        ]);
    }
    shop.nothing_secret_came();
}
