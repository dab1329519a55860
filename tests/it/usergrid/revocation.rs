//! Ending tokens: one, all, of users, admins and clients; by whom, and how often.

use super::{DENIED, HELLO, REVOKED, Shop, UNCOUNTED, USER_TOKEN, WRONG, grant};
use crate::harness::{tokens, until};

const ORDERS: &str = "GET /acme/shop/orders";
const ONE: &str = "200 action=revoked user token";
const ALL: &str = "200 action=revoked user tokens";
const NO_ADMIN: &str = "401 unauthorized: No admin user access authorized (SecurityException)";
const NEEDED: &str = "400 illegal_argument: token is required (IllegalArgumentException)";
const NOT_THEIRS: &str =
    "400 illegal_argument: token is not a token of this user (IllegalArgumentException)";

/// Tokens `<one>` to `<four>` of somebody.
fn four_tokens(shop: &mut Shop, at: &str, name: &str) {
    for word in ["one", "two", "three", "four"] {
        shop.token(word, at, name);
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_user_ends_one_token_of_its_own_by_any_spelling_and_as_often_as_it_likes() {
    let mut shop = Shop::with(UNCOUNTED);
    four_tokens(&mut shop, "/acme/shop/token", "nora");
    shop.check(&[
        (ORDERS, "bearer <one>", "", HELLO),
        ("PUT /acme/shop/users/nora/revoketoken?token=<one>", "bearer <nora>", "", ONE),
        (ORDERS, "bearer <one>", "", REVOKED),
        (ORDERS, "bearer <two>", "", HELLO),
        ("PUT /acme/shop/users/nora/revoketoken?token=<one>", "bearer <nora>", "", ONE),
        ("POST /acme/shop/users/me/revoketoken?token=<two>", "bearer <nora>", "{}", ONE),
        ("POST /acme/shop/users/<nora-uuid>/revoketoken?token=<three>", "bearer <nora>", "[]", ONE),
        ("PUT /acme/shop/user/nora@shop.example/revoketoken?token=<four>", "json + bearer <nora>", "", ONE),
        (ORDERS, "bearer <two>", "", REVOKED),
        (ORDERS, "bearer <three>", "", REVOKED),
        (ORDERS, "bearer <four>", "", REVOKED),
        (ORDERS, "bearer <nora>", "", HELLO),
        // The one it is asked with, as every logout does; afterwards nobody asks.
        ("PUT /acme/shop/users/nora/revoketoken?token=<nora>", "bearer <nora>", "", ONE),
        (ORDERS, "bearer <nora>", "", REVOKED),
        ("PUT /acme/shop/users/nora/revoketoken?token=<nora>", "bearer <nora>", "", REVOKED),
        (ORDERS, "bearer <ben>", "", HELLO),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_user_ends_all_its_tokens() {
    let mut shop = Shop::with(UNCOUNTED);
    for (method, who, body) in [
        ("PUT", "nora", ""), ("POST", "me", "{}"), ("PUT", "<nora-uuid>", "[]"), ("POST", "nora@shop.example", ""),
    ] {
        four_tokens(&mut shop, "/acme/shop/token", "nora");
        shop.check(&[
            (ORDERS, "bearer <two>", "", HELLO),
            (&format!("{method} /acme/shop/users/{who}/revoketokens"), "bearer <one>", body, ALL),
            (ORDERS, "bearer <one>", "", REVOKED),
            (ORDERS, "bearer <two>", "", REVOKED),
            ("GET /acme/shop/users/me", "bearer <three>", "", REVOKED),
            ("GET /acme/sandbox/orders", "bearer <four>", "", REVOKED),
            (ORDERS, "bearer <nora>", "", REVOKED),
            (ORDERS, "bearer <ben>", "", HELLO),
            ("POST /acme/shop/token", "", &grant("nora"), USER_TOKEN),
        ]);
    }
    // Again and again, by whoever administers.
    shop.check(&[
        ("POST /acme/shop/users/nora/revoketokens", "bearer <olga>", "", ALL),
        ("POST /acme/shop/users/nora/revoketokens", "bearer <olga>", "", ALL),
    ]);
}

/// H1: others' tokens are for administrators to end.
#[test]
#[rustfmt::skip] // a table is read by column
fn nobody_else_ends_a_users_tokens() {
    let mut shop = Shop::with(UNCOUNTED);
    shop.token("one", "/acme/shop/token", "nora");
    for method in ["PUT", "POST"] {
        for who in ["", "bearer <ben>", "bearer <gina>"] {
            shop.check(&[
                (&format!("{method} /acme/shop/users/nora/revoketokens"), who, "", DENIED),
                (&format!("{method} /acme/shop/users/<nora-uuid>/revoketokens"), who, "", DENIED),
                (&format!("{method} /acme/shop/users/nora/revoketoken?token=<one>"), who, "", DENIED),
                // Whether there is such a user is not told either.
                (&format!("{method} /acme/shop/users/nobody/revoketokens"), who, "", DENIED),
            ]);
        }
    }
    shop.check(&[
        (ORDERS, "bearer <one>", "", HELLO),
        // A token goes with its own user.
        ("PUT /acme/shop/users/ben/revoketoken?token=<one>", "bearer <ben>", "", NOT_THEIRS),
        ("PUT /acme/shop/users/ben/revoketoken?token=<one>", "bearer <olga>", "", NOT_THEIRS),
        ("PUT /acme/shop/users/nora/revoketoken?token=<olga>", "bearer <olga>", "", NOT_THEIRS),
        ("PUT /acme/shop/users/nora/revoketoken?token=<gina>", "bearer <olga>", "", NOT_THEIRS),
        ("GET /acme/shop/users/nora/revoketoken?token=<one>", "bearer <olga>", "",
         "405 unsupported_service_operation: This operation is not supported here (UnsupportedServiceOperationException)"),
        (ORDERS, "bearer <one>", "", HELLO),
        ("GET /management/orgs/acme", "bearer <olga>", "", "200 duration organization timestamp"),
    ]);
    for who in ["bearer <olga>", "basic <app-id>:<app-secret>", "basic <org-id>:<org-secret>"] {
        shop.token("one", "/acme/shop/token", "nora");
        shop.token("two", "/acme/shop/token", "nora");
        shop.check(&[
            ("PUT /acme/shop/users/nora/revoketoken?token=<one>", who, "", ONE),
            (ORDERS, "bearer <one>", "", REVOKED),
            (ORDERS, "bearer <two>", "", HELLO),
            ("POST /acme/shop/users/nora/revoketokens", who, "", ALL),
            (ORDERS, "bearer <two>", "", REVOKED),
            ("POST /acme/shop/users/nobody/revoketokens", who, "",
             "404 service_resource_not_found: Service resource not found (ServiceResourceNotFoundException)"),
        ]);
    }
}

#[test]
#[rustfmt::skip] // a table is read by column
fn what_is_no_token_of_the_user_is_told_so_and_what_has_ended_is_fine() {
    let mut shop = Shop::with(UNCOUNTED);
    shop.learn("unknown", &tokens::unknown());
    shop.learn("forged", &tokens::forged());
    let told = shop.ask("POST /acme/shop/token?ttl=1", "", &grant("nora")).json();
    shop.learn("expired", told["access_token"].as_str().unwrap());
    until("the token's end", || (shop.ask(ORDERS, "bearer <expired>", "").status == 401).then_some(()));
    shop.check(&[
        ("PUT /acme/shop/users/nora/revoketoken", "bearer <nora>", "", NEEDED),
        ("PUT /acme/shop/users/nora/revoketoken?token=", "bearer <nora>", "", NEEDED),
        // From the query only.
        ("POST /acme/shop/users/nora/revoketoken", "bearer <nora>", r#"{"token":"<nora>"}"#, NEEDED),
        ("PUT /acme/shop/users/nora/revoketoken?token=blah", "bearer <nora>", "", NOT_THEIRS),
        ("PUT /acme/shop/users/nora/revoketoken?token=<forged>", "bearer <nora>", "", NOT_THEIRS),
        ("PUT /acme/shop/users/nora/revoketoken?token=<expired>", "bearer <nora>", "", ONE),
        ("PUT /acme/shop/users/nora/revoketoken?token=<unknown>", "bearer <nora>", "", ONE),
        ("POST /acme/shop/users/nora/revoketokens", "bearer <nora>", r#"{"token":"<ben>"}"#, ALL),
        (ORDERS, "bearer <ben>", "", HELLO),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn an_admin_ends_its_own_tokens_and_nobody_elses() {
    const ORG: &str = "200 duration organization timestamp";
    const ACME: &str = "GET /management/orgs/acme";
    let mut shop = Shop::with(UNCOUNTED);
    four_tokens(&mut shop, "/management/token", "olga");
    for method in ["PUT", "POST"] {
        for who in ["", "bearer <gina>", "bearer <nora>", "basic <org-id>:<org-secret>", "basic <app-id>:<app-secret>"] {
            for whose in ["olga", "olga@acme.example", "<olga-uuid>", "nobody"] {
                shop.check(&[(&format!("{method} /management/users/{whose}/revoketokens"), who, "", NO_ADMIN)]);
            }
        }
    }
    shop.check(&[
        (ACME, "bearer <one>", "", ORG),
        ("PUT /management/users/olga/revoketoken?token=<one>", "bearer <olga>", "", ALL),
        (ACME, "bearer <one>", "", REVOKED),
        ("GET /management/me", "bearer <one>", "", REVOKED),
        // Who has a token may end it: it is the proof. Twice as well.
        ("POST /management/users/olga@acme.example/revoketoken?token=<two>", "", "", ALL),
        ("POST /management/users/olga/revoketoken?token=<two>", "", "{}", ALL),
        (ACME, "bearer <two>", "", REVOKED),
        (ACME, "bearer <three>", "", ORG),
        ("PUT /management/users/me/revoketoken?token=<three>", "bearer <olga>", "", ALL),
        (ACME, "bearer <three>", "", REVOKED),
        // Of its own user.
        ("POST /management/users/olga/revoketoken?token=<gina>", "bearer <olga>", "", NOT_THEIRS),
        ("POST /management/users/olga/revoketoken?token=<nora>", "", "", NOT_THEIRS),
        ("POST /management/users/nobody/revoketoken?token=<four>", "", "", NOT_THEIRS),
        ("POST /management/users/olga/revoketoken", "", "", NEEDED),
        (ACME, "bearer <four>", "", ORG),
        ("POST /management/users/me/revoketokens", "", "", "401 unauthorized: No admin identity for access credentials provided (SecurityException)"),
        ("POST /management/users/olga/revoketokens", "bearer <four>", "", ALL),
        (ACME, "bearer <four>", "", REVOKED),
        (ACME, "bearer <olga>", "", REVOKED),
        (ORDERS, "bearer <olga>", "", REVOKED),
        (ORDERS, "bearer <nora>", "", HELLO),
        ("GET /management/orgs/globex", "bearer <gina>", "", ORG),
        ("POST /management/token", "", &grant("olga"), super::ADMIN_TOKEN),
    ]);
}

/// The generation of an account takes part, and no clock.
#[test]
#[rustfmt::skip] // a table is read by column
fn who_is_let_in_again_needs_a_new_token() {
    let shop = Shop::with(UNCOUNTED);
    let nora = &*grant("nora");
    for (out, shut, back) in [
        ("PUT /acme/shop/users/nora/deactivate",  "{}", ("POST /acme/shop/users/nora/activate", "{}", "200 action=Activate user")),
        ("POST /acme/shop/users/nora/deactivate", "",   ("PUT /acme/shop/users/<nora-uuid>/activate", "", "200 action=Activate user")),
        ("PUT /acme/shop/users/nora", r#"{"disabled":true}"#, ("PUT /acme/shop/users/nora", r#"{"disabled":false}"#, "200 action=put")),
        ("PUT /acme/shop/users/nora", r#"{"activated":false}"#, ("PUT /acme/shop/users/nora", r#"{"activated":true}"#, "200 action=put")),
    ] {
        let answer = shop.ask("POST /acme/shop/token", "", nora).json();
        let token = format!("bearer {}", answer["access_token"].as_str().unwrap());
        shop.check(&[(ORDERS, &token, "", HELLO)]);
        assert_eq!(shop.ask(out, "bearer <olga>", shut).status, 200, "{out} {shut}");
        let refused = shop.ask(ORDERS, &token, "");
        assert_eq!((refused.status, &refused.json()["error"]), (401, &"authentication".into()), "{out} {shut}");
        assert_eq!(shop.ask("POST /acme/shop/token", "", nora).status, 400, "{out} {shut}");
        shop.check(&[
            (back.0, "bearer <olga>", back.1, back.2),
            (ORDERS, &token, "", REVOKED),
            (ORDERS, "bearer <nora>", "", REVOKED),
            ("POST /acme/shop/token", "", nora, USER_TOKEN),
        ]);
    }
}

/// H6, H18: a user shuts out nobody, and lets nobody in.
#[test]
#[rustfmt::skip] // a table is read by column
fn only_administrators_shut_out() {
    let shop = Shop::with(UNCOUNTED);
    for who in ["", "bearer <nora>", "bearer <ben>", "bearer <gina>"] {
        shop.check(&[
            ("PUT /acme/shop/users/nora/deactivate", who, "{}", DENIED),
            ("POST /acme/shop/users/nora/activate", who, "{}", DENIED),
        ]);
    }
    shop.check(&[
        ("PUT /acme/shop/users/nora", "bearer <nora>", r#"{"disabled":true,"activated":false,"generation":99}"#, "200 action=put"),
        (ORDERS, "bearer <nora>", "", HELLO),
        ("POST /acme/shop/token", "", &grant("nora"), USER_TOKEN),
    ]);
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_clients_tokens_end_with_its_secret_where_that_is_asked() {
    let mut shop = Shop::with(UNCOUNTED);
    for (id, secret, at, action, expected) in [
        ("app-id", "app-secret", "/acme/shop/credentials", "generate application keys", super::APPLICATION_TOKEN),
        ("org-id", "org-secret", "/management/orgs/acme/credentials", "generate organization client credentials", super::ORGANIZATION_TOKEN),
        ("app-id", "app-secret", "/management/orgs/acme/apps/shop/credentials", "generate application client credentials", super::APPLICATION_TOKEN),
    ] {
        let client = format!(r#"{{"grant_type":"client_credentials","client_id":"<{id}>","client_secret":"<{secret}>"}}"#);
        let told = shop.ask("POST /token", "", &client).json();
        shop.learn("before", told["access_token"].as_str().unwrap());
        let old = client.replace(&format!("<{secret}>"), shop.word(secret));
        let basic = format!("basic <{id}>:{}", shop.word(secret));
        shop.check(&[(ORDERS, &basic, "", HELLO)]);
        for (query, after) in [("", HELLO), ("?revoke=false", HELLO), ("?revoke=true", REVOKED)] {
            let made = shop.ask(&format!("POST {at}{query}"), "bearer <olga>", "").json();
            assert_eq!(made["action"], action);
            assert_eq!(made["credentials"]["client_id"], shop.word(id), "{at}");
            shop.learn(secret, made["credentials"]["client_secret"].as_str().unwrap());
            shop.check(&[
                (ORDERS, "bearer <before>", "", after),
                // One live secret at a time, whatever becomes of the tokens.
                ("POST /token", "", &old, WRONG),
                (ORDERS, &basic, "", "401 auth_invalid_credentials: Unable to authenticate due to invalid client credentials (SecurityException)"),
                (ORDERS, &format!("basic <{id}>:<{secret}>"), "", HELLO),
                ("POST /token", "", &client, expected),
            ]);
        }
        // What it could see of a user's is untouched.
        shop.check(&[(ORDERS, "bearer <nora>", "", HELLO), (ORDERS, "bearer <olga>", "", HELLO)]);
    }
    for who in ["", "bearer <nora>", "bearer <gina>"] {
        let answer = shop.ask("POST /acme/shop/credentials?revoke=true", who, "");
        let told = answer.json();
        assert_eq!((answer.status, &told["error"]), (401, &"unauthorized".into()), "{who}");
        assert_eq!(told["exception"], "org.apache.shiro.authz.UnauthorizedException", "{who}");
        assert_eq!(told.get("error_description"), None, "{who}");
    }
}
