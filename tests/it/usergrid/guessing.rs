//! The brake on guessing passwords and client secrets, as clients meet it.

use std::net::IpAddr;

use super::{HELLO, Shop, USER_TOKEN, WRONG, grant, password, start, tell};
use crate::harness::{
    client::{Answer, Client, request},
    gateway::Gateway,
    redis::Redis,
    until,
};

const TOO_MANY: &str =
    "429 too_many_requests: too many wrong passwords or secrets; try again later";

/// A login of `name` with `password`, more fields with it.
fn log_in(at: &str, name: &str, password: &str, fields: &str) -> String {
    let body =
        format!(r#"{{"grant_type":"password","username":"{name}","password":"{password}"}}"#);
    request("POST", at, fields, &body)
}

fn client(id: &str, secret: &str) -> String {
    let body = format!(
        r#"{{"grant_type":"client_credentials","client_id":"{id}","client_secret":"{secret}"}}"#
    );
    request("POST", "/token", "", &body)
}

/// Wrong tries until one is refused: how many were answered, and the refusal.
fn guess(mut attempt: impl FnMut(u32) -> Answer) -> (u32, Answer) {
    for count in 0..20 {
        let answer = attempt(count);
        if answer.status == 429 {
            let wait = answer.field("retry-after").expect("who has to wait is told how long");
            let wait: u64 = wait.parse().unwrap();
            assert!((1..=900).contains(&wait), "{wait}");
            assert_eq!(tell(&answer), TOO_MANY);
            return (count, answer);
        }
        assert_eq!(tell(&answer), WRONG);
    }
    panic!("twenty wrong tries were answered");
}

fn from_elsewhere(gate: &Gateway, request: &str) -> Answer {
    let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
    Client::connect_from(elsewhere, gate.address).ask(request)
}

#[test]
fn a_guesser_of_a_password_is_stopped_and_nobody_else() {
    let shop = Shop::with("");
    for (at, name, other) in
        [("/acme/shop/token", "nora", "ben"), ("/management/token", "olga", "gina")]
    {
        // Each account from an address of its own, since addresses count too.
        let from: IpAddr = if name == "nora" { "127.0.0.3" } else { "127.0.0.4" }.parse().unwrap();
        let ask = |request: String| Client::connect_from(from, shop.gate.address).ask(request);
        let (answered, _) = guess(|_| ask(log_in(at, name, "wrong", "")));
        assert_eq!(answered, 10, "{name}");
        let right = password(name);
        assert_eq!(
            tell(&ask(log_in(at, name, &right, ""))),
            TOO_MANY,
            "the right one is not tried"
        );
        // The account, however it is spelled, whatever address is claimed.
        let upper = name.to_uppercase();
        let email = if name == "nora" { "nora@shop.example" } else { "olga@acme.example" };
        let uuid = shop.word(&format!("{name}-uuid"));
        for spelled in [&*upper, email, uuid] {
            assert_eq!(tell(&ask(log_in(at, spelled, &right, ""))), TOO_MANY, "{spelled}");
        }
        for field in ["X-Forwarded-For: 198.51.100.7\r\n", "Forwarded: for=198.51.100.8\r\n"] {
            assert_eq!(tell(&ask(log_in(at, name, &right, field))), TOO_MANY, "{field}");
        }
        // Another account from there, and this account from elsewhere.
        assert_eq!(ask(log_in(at, other, &password(other), "")).status, 200, "{other}");
        assert_eq!(from_elsewhere(&shop.gate, &log_in(at, name, &right, "")).status, 200, "{name}");
    }
}

#[test]
fn a_claimed_address_is_not_counted_on() {
    let shop = Shop::with("");
    let (answered, _) = guess(|count| {
        let field = format!("X-Forwarded-For: 198.51.100.{count}\r\n");
        shop.gate.ask(log_in("/acme/shop/token", "nora", "wrong", &field))
    });
    assert_eq!(answered, 10);
}

/// A list of names with one password each is guessing as well.
#[test]
fn a_guesser_of_names_is_stopped_at_its_address() {
    let shop = Shop::with("");
    let attempt = |name: &str| shop.gate.ask(log_in("/acme/shop/token", name, "summer-1", ""));
    for count in 0..20 {
        assert_eq!(tell(&attempt(&format!("name-{count}"))), WRONG, "{count}");
    }
    let refused = attempt("name-20");
    assert_eq!(tell(&refused), TOO_MANY);
    let wait: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let nora = log_in("/acme/shop/token", "nora", &password("nora"), "");
    assert_eq!(shop.gate.ask(&nora).status, 429);
    assert_eq!(from_elsewhere(&shop.gate, &nora).status, 200);
}

#[test]
fn a_guesser_of_a_clients_secret_is_stopped() {
    let shop = Shop::with("");
    for (id, secret, from) in
        [("app-id", "app-secret", "127.0.0.5"), ("org-id", "org-secret", "127.0.0.6")]
    {
        let from: IpAddr = from.parse().unwrap();
        let ask = |request: String| Client::connect_from(from, shop.gate.address).ask(request);
        let (id, secret) = (shop.word(id), shop.word(secret));
        let (answered, _) = guess(|_| ask(client(id, "wrong")));
        assert_eq!(answered, 10, "{id}");
        assert_eq!(tell(&ask(client(id, secret))), TOO_MANY);
        assert_eq!(from_elsewhere(&shop.gate, &client(id, secret)).status, 200);
    }
    // In the query of a call, too.
    let from: IpAddr = "127.0.0.7".parse().unwrap();
    let target = shop.spell("/acme/shop/orders?client_id=<app-id>&client_secret=wrong");
    let statuses: Vec<u16> = (0..20)
        .map(|count| format!("{target}{count}"))
        .map(|target| crate::harness::client::get(&target, ""))
        .map(|request| Client::connect_from(from, shop.gate.address).ask(request).status)
        .collect();
    assert_eq!(statuses, [[401; 10], [429; 10]].concat());
}

/// A change of a password asks for the old one, and so is a way to guess it.
#[test]
fn a_guesser_of_an_old_password_is_stopped() {
    let shop = Shop::with("");
    let body = r#"{"oldpassword":"wrong","newpassword":"mine-now-1"}"#;
    let ask = || shop.ask("PUT /acme/shop/users/nora/password", "", body);
    for count in 0..10 {
        assert_eq!(ask().json()["error"], "auth_invalid_username_or_password", "{count}");
    }
    assert_eq!(tell(&ask()), TOO_MANY);
    assert_eq!(tell(&shop.ask("POST /acme/shop/token", "", &grant("nora"))), TOO_MANY);
}

#[test]
fn unknown_and_wrong_are_told_apart_by_nothing() {
    let shop = Shop::with("");
    let told = |answer: &Answer| {
        let own = ["date", "x-request-id"];
        let fields = answer.head.fields.iter();
        let fields: Vec<String> = fields
            .filter(|(name, _)| !own.contains(&name.to_lowercase().as_str()))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        (answer.status, fields, answer.text().to_owned())
    };
    let ask = |at, name| told(&shop.gate.ask(log_in(at, name, "wrong", "")));
    let wrong = ask("/acme/shop/token", "nora");
    assert_eq!(wrong.0, 400);
    for (at, name) in [
        ("/acme/shop/token", "nobody"),
        ("/acme/shop/token", "nobody@shop.example"),
        ("/acme/shop/token", "0b5c1f60-7d2a-11ee-8a11-0123456789ab"),
        ("/acme/nope/token", "nora"),
        ("/management/token", "olga"),
        ("/management/token", "nobody"),
    ] {
        assert_eq!(ask(at, name), wrong, "{at} {name}");
    }
    // And so it goes on: whoever is stopped does not learn it from that either.
    let stopped = |name: &str, from: &str| {
        let from: IpAddr = from.parse().unwrap();
        let ask = || {
            let request = log_in("/acme/shop/token", name, "wrong", "");
            Client::connect_from(from, shop.gate.address).ask(request)
        };
        guess(|_| ask()).0
    };
    assert_eq!(stopped("nora", "127.0.0.8"), stopped("nobody", "127.0.0.9"));
}

#[test]
fn two_gateways_on_one_redis_count_together() {
    let redis = Redis::start();
    let store = format!("{:?}", redis.url());
    let shop = Shop::over(&store, "");
    let second = start(&shop.backend, &store, "");
    let gates = [&shop.gate, &second];
    let (answered, _) = guess(|count| {
        let gate = gates[usize::try_from(count % 2).unwrap()];
        gate.ask(log_in("/acme/shop/token", "nora", "wrong", ""))
    });
    assert_eq!(answered, 10);
    for gate in gates {
        let right = log_in("/acme/shop/token", "nora", &password("nora"), "");
        assert_eq!(tell(&gate.ask(right)), TOO_MANY);
    }
    let ben = second.ask(log_in("/acme/shop/token", "ben", &password("ben"), ""));
    assert_eq!(tell(&ben), USER_TOKEN);
    let token = crate::harness::client::bearer(ben.json()["access_token"].as_str().unwrap());
    let order = crate::harness::client::get("/acme/shop/orders", &token);
    assert_eq!(tell(&shop.gate.ask(order)), HELLO);
}

/// Tries count before they are judged; a crowd of right ones is no guessing. A machine that has too much to
/// do puts some off, and says so.
#[test]
fn forty_right_logins_at_once_all_succeed() {
    let shop = Shop::with("");
    let shop = &shop;
    std::thread::scope(|scope| {
        let logins: Vec<_> = (0..40)
            .map(|_| {
                scope.spawn(move || {
                    until("a login", || {
                        let answer = shop.ask("POST /acme/shop/token", "", &grant("nora"));
                        let put_off = answer.status == 503 && answer.field("retry-after").is_some();
                        (!put_off).then(|| tell(&answer))
                    })
                })
            })
            .collect();
        for login in logins {
            assert_eq!(login.join().unwrap(), USER_TOKEN);
        }
    });
    shop.check(&[("POST /acme/shop/token", "", &grant("nora"), USER_TOKEN)]);
}
