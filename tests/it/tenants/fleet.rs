//! Two gateways on one Redis are one platform.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{OPEN, World, call, login, setup, told};
use crate::harness::{fleets::Cluster, gateway::Gateway, redis::Redis, until};

/// A world, and another gateway of the same.
fn two(redis: &Redis) -> (World, Gateway) {
    two_at(&redis.url())
}

fn two_at(store: &str) -> (World, Gateway) {
    let world = World::over(store, OPEN, "");
    let other = setup(&world.backend.url(), store, OPEN, "").start();
    (world, other)
}

/// What `target` answers at a gateway.
fn verdict(gate: &Gateway, who: &str, target: &str) -> u16 {
    call(&mut gate.connect(), who, "GET", target, "").status
}

/// Asks until it is answered so, which must not take longer than what a gateway believes.
fn becomes(gate: &Gateway, who: &str, target: &str, status: u16) {
    let began = Instant::now();
    until("the other gateway to know", || (verdict(gate, who, target) == status).then_some(()));
    assert!(began.elapsed() < Duration::from_secs(3), "a second, and some slack");
}

#[test]
fn what_one_gateway_issues_and_revokes_holds_at_the_other() {
    let (redis, cluster) = (Redis::start(), Cluster::start());
    for store in [redis.url(), cluster.url()] {
        issued_and_revoked_holds_at_the_other(&store);
    }
}

fn issued_and_revoked_holds_at_the_other(store: &str) {
    let (world, other) = two_at(store);
    let me = "/acme/shop/users/me";
    let nora = world.user("/acme/shop", "nora");
    assert_eq!(verdict(&other, &nora.token, me), 200, "at once");
    assert_eq!(verdict(&other, &world.olga, "/management/orgs/acme"), 200, "at once");
    let again = world.token("/acme/shop", "nora");
    assert_eq!(verdict(&other, &again, me), 200, "at once");
    let one = format!("/acme/shop/users/me/revoketoken?token={}", nora.token);
    assert_eq!(told(&call(&mut other.connect(), &nora.token, "PUT", &one, "")), "200");
    assert_eq!(verdict(&other, &nora.token, me), 401, "at once where it was revoked");
    becomes(&world.gate, &nora.token, me, 401);
    assert_eq!(verdict(&world.gate, &again, me), 200, "the other token lives on");
    let all = "/acme/shop/users/nora/revoketokens";
    assert_eq!(told(&call(&mut other.connect(), &again, "POST", all, "")), "200");
    assert_eq!(verdict(&other, &again, me), 401);
    becomes(&world.gate, &again, me, 401);

    let last = world.token("/acme/shop", "nora");
    assert_eq!((verdict(&world.gate, &last, me), verdict(&other, &last, me)), (200, 200));
    world.json(&world.olga, "POST", "/acme/shop/users/nora/deactivate", "");
    assert_eq!(verdict(&world.gate, &last, me), 401);
    becomes(&other, &last, me, 401);
    world.json(&world.olga, "POST", "/acme/shop/users/nora/activate", "");
    assert_eq!((verdict(&world.gate, &last, me), verdict(&other, &last, me)), (401, 401));
}

#[test]
fn roles_permissions_and_memberships_change_on_both() {
    let redis = Redis::start();
    let (world, other) = two(&redis);
    let nora = world.user("/acme/shop", "nora").token;
    let cats = "/acme/shop/cats";
    assert_eq!(verdict(&other, &nora, cats), 200);
    world.permit("/acme/shop", "default", &[]);
    assert_eq!(verdict(&world.gate, &nora, cats), 401, "from the next request on");
    becomes(&other, &nora, cats, 401);
    world.permit("/acme/shop", "editor", &["get:/cats"]);
    assert_eq!(verdict(&other, &nora, cats), 401);
    world.json(&world.olga, "POST", "/acme/shop/users/nora/roles/editor", "");
    assert_eq!(verdict(&world.gate, &nora, cats), 200);
    becomes(&other, &nora, cats, 200);
    world.permit("/acme/shop", "guest", &["get:/cats"]);
    assert_eq!(verdict(&world.gate, "", cats), 200);
    becomes(&other, "", cats, 200);

    let otto = r#"{"username":"otto","email":"otto@x.example","password":"otto-secret-1"}"#;
    world.json(&world.olga, "POST", "/management/orgs/acme/users", otto);
    let otto = login(&other, "/management/token", "otto", "otto-secret-1");
    let shop = "/acme/shop";
    assert_eq!((verdict(&world.gate, &otto, shop), verdict(&other, &otto, shop)), (200, 200));
    world.json(&world.olga, "DELETE", "/management/orgs/acme/users/otto", "");
    assert_eq!(verdict(&world.gate, &otto, shop), 401);
    becomes(&other, &otto, shop, 401);
}

/// As many at once as there are bodies, over both gateways; what each is answered. Whoever finds that the
/// store is too busy with the others, asks again, as a client would.
fn at_once(gates: [&Gateway; 2], target: &str, bodies: Vec<String>) -> Vec<String> {
    std::thread::scope(|scope| {
        let ask = |(number, body): (usize, String)| {
            let mut client = gates[number % 2].connect();
            scope.spawn(move || {
                until("an answer", || {
                    let answer = call(&mut client, "", "POST", target, &body);
                    (answer.status != 503).then(|| told(&answer))
                })
            })
        };
        let threads: Vec<_> = bodies.into_iter().enumerate().map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn only_one(answers: &[String]) {
    let made = answers.iter().filter(|answer| *answer == "200").count();
    let taken = "400 duplicate_unique_property_exists";
    let refused = answers.iter().filter(|answer| *answer == taken).count();
    assert_eq!((made, refused), (1, answers.len() - 1), "{answers:?}");
}

#[test]
fn of_200_who_take_a_name_at_once_over_both_one_gets_it() {
    let redis = Redis::start();
    let (world, other) = two(&redis);
    let gates = [&world.gate, &other];
    let users = "/acme/shop/users";
    let same = (0..200).map(|_| json!({ "username": "nora" }).to_string()).collect();
    only_one(&at_once(gates, users, same));
    let same = (0..200)
        .map(|n| json!({ "username": format!("u{n}"), "email": "One@x.example" }).to_string())
        .collect();
    only_one(&at_once(gates, users, same));
    // Nothing is left of the others: there are two users, and every name but theirs is free.
    let listed = world.json(&world.olga, "GET", "/acme/shop/users?limit=1000", "");
    assert_eq!(listed["count"], 2, "{listed}");
    let free = (0..200).map(|n| json!({ "username": format!("u{n}") }).to_string()).collect();
    let made = at_once(gates, users, free);
    assert_eq!(made.iter().filter(|answer| *answer == "200").count(), 199, "{made:?}");

    let same = (0..200)
        .map(|n| {
            let email = format!("b{n}@x.example");
            json!({ "organization": "Beta", "username": format!("b{n}"), "email": email })
                .to_string()
        })
        .collect();
    only_one(&at_once(gates, "/management/orgs", same));
    let again = (0..4)
        .map(|n| {
            let (name, email) = (format!("beta{n}"), format!("b{n}@x.example"));
            json!({ "organization": name, "username": format!("b{n}"), "email": email }).to_string()
        })
        .collect();
    let made = at_once(gates, "/management/orgs", again);
    let made = made.iter().filter(|answer| *answer == "200").count();
    assert!(made >= 3, "the names of those who came too late are free: {made}");
}
