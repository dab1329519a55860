//! While the store cannot answer: logins wait, guests of an open path go on, nobody is called wrong.

use super::{DENIED, HELLO, Shop, UNCOUNTED, USER_TOKEN, WRONG, grant};
use crate::harness::{client::Answer, fleets::Pair, redis::Redis, until};

/// 503, an error of the API, and when to come again.
fn is_put_off(answer: &Answer, row: &str) {
    assert_eq!(answer.status, 503, "{row}: {}", answer.text());
    let wait: u64 = answer.field("retry-after").expect(row).parse().unwrap();
    assert!(wait >= 1, "{row}");
    let told = answer.json();
    assert_eq!(told["error"], "service_unavailable", "{row}");
    assert!(told["exception"].is_string(), "{row}: {told}");
    assert_eq!(answer.field("content-type"), Some("application/json"), "{row}");
}

#[test]
#[rustfmt::skip] // a table is read by column
fn without_the_store_nobody_is_called_wrong() {
    let mut redis = Redis::start();
    let shop = Shop::over(&format!("{:?}", redis.url()), UNCOUNTED);
    shop.check(&[
        ("GET /acme/sandbox/orders", "", "", HELLO),
        ("GET /acme/shop/orders", "", "", DENIED),
        ("GET /acme/shop/orders", "bearer <nora>", "", HELLO),
        ("POST /acme/shop/token", "", &grant("nora"), USER_TOKEN),
    ]);
    redis.kill();
    until("the loss to be noticed", || (shop.ask("POST /acme/shop/token", "", &grant("nora")).status == 503).then_some(()));
    let client = r#"{"grant_type":"client_credentials","client_id":"<app-id>","client_secret":"<app-secret>"}"#;
    let wrong = r#"{"grant_type":"password","username":"nora","password":"wrong"}"#;
    for (line, fields, body) in [
        ("POST /acme/shop/token",  "", &*grant("nora")),
        ("POST /acme/shop/token",  "", wrong),
        ("POST /acme/nope/token",  "", wrong),
        ("POST /management/token", "", &*grant("olga")),
        ("POST /token",            "", &*grant("olga")),
        ("POST /management/me",    "", &*grant("olga")),
        ("POST /acme/shop/token",  "", client),
        ("POST /management/token", "", client),
        ("POST /acme/shop/token",  "form + basic <app-id>:<app-secret>", "grant_type=client_credentials"),
        ("GET /acme/shop/token?grant_type=password&username=nora&password=nora-pass-1", "", ""),
        ("GET /management/me",     "bearer <olga>", ""),
        ("GET /acme/shop/orders",  "bearer <nora>", ""),
        ("GET /acme/sandbox/orders", "bearer <nora>", ""),
        ("GET /acme/shop/orders?access_token=<nora>", "", ""),
        ("GET /acme/shop/orders?client_id=<app-id>&client_secret=<app-secret>", "", ""),
        ("GET /acme/shop/orders",  "basic <app-id>:<app-secret>", ""),
        ("PUT /acme/shop/users/nora/revoketokens", "bearer <nora>", ""),
        ("PUT /acme/shop/users/nora/revoketoken?token=<nora>", "bearer <nora>", ""),
        ("PUT /acme/shop/users/nora/deactivate", "bearer <olga>", "{}"),
        ("POST /acme/shop/credentials?revoke=true", "bearer <olga>", ""),
    ] {
        is_put_off(&shop.ask(line, fields, body), &format!("{line} {fields}"));
    }
    shop.check(&[
        // Guests are judged by what the roles were a moment ago.
        ("GET /acme/sandbox/orders", "", "", HELLO),
        ("POST /acme/sandbox/orders", "", "{}", HELLO),
        ("GET /acme/shop/orders", "", "", DENIED),
        // What needs no store is answered as ever.
        ("GET /acme/sandbox/orders", "bearer blah", "", super::CORRUPT),
        ("POST /acme/shop/token", "", "{}", WRONG),
        ("POST /management/token", "", "{}", WRONG),
    ]);
    // A tenant that nobody asked for before is not known.
    is_put_off(&shop.ask("GET /globex/sandbox/orders", "", ""), "globex");
}

#[test]
fn guests_go_on_no_longer_than_the_operator_says() {
    let mut redis = Redis::start();
    let shop = Shop::over(&format!("{:?}", redis.url()), "guest-grace = \"0s\"");
    shop.check(&[("GET /acme/sandbox/orders", "", "", HELLO)]);
    redis.kill();
    let answer = until("the loss to be noticed", || {
        let answer = shop.ask("GET /acme/sandbox/orders", "", "");
        (answer.status == 503).then_some(answer)
    });
    is_put_off(&answer, "a guest");
}

/// Logins give and do not wait; whatever takes away waits for a replica.
#[test]
#[rustfmt::skip] // a table is read by column
fn what_no_replica_has_is_503_in_the_platforms_shape_and_safe_to_repeat() {
    let redis = Pair::start();
    let shop = Shop::over(&format!("{:?}", redis.master.url()), UNCOUNTED);
    for role in ["reader", "writer"] {
        let made = shop.ask("POST /acme/shop/roles", "bearer <olga>", &format!(r#"{{"name":"{role}"}}"#));
        assert_eq!(made.status, 200, "{}", made.text());
        let given = shop.ask(&format!("POST /acme/shop/roles/{role}/users/nora"), "bearer <olga>", "");
        assert_eq!(given.status, 200, "{}", given.text());
    }
    let rows = [
        ("PUT /acme/shop/users/nora/revoketokens",              ""),
        ("PUT /acme/shop/users/nora/revoketoken?token=<nora>",  ""),
        ("DELETE /acme/shop/users/nora/roles/reader",           ""),
        ("DELETE /acme/shop/roles/writer",                      ""),
        ("POST /acme/shop/credentials",                         ""),
        ("PUT /acme/shop/users/nora",                           r#"{"disabled":true}"#),
        ("PUT /acme/shop/users/nora/deactivate",                "{}"),
    ];
    redis.replica.freeze();
    for (line, body) in rows {
        let answer = shop.ask(line, "bearer <olga>", body);
        is_put_off(&answer, line);
        let why = answer.field("proxy-status").unwrap();
        assert!(why.contains(r#"details="not_replicated""#), "{line}: {why}");
        assert!(answer.text().contains("safe to repeat"), "{line}: {}", answer.text());
    }
    shop.check(&[("POST /acme/shop/token", "", &grant("ben"), USER_TOKEN)]);
    redis.replica.thaw();
    for (line, body) in rows {
        until("a repeat to be good", || {
            let status = shop.ask(line, "bearer <olga>", body).status;
            // A role that is gone is not found, once a replica knows that it is gone.
            matches!(status, 200 | 404).then_some(())
        });
    }
}
