//! What strangers and clients can make the gateway do, hold and keep is bounded, and who is shut out by
//! it is not everybody.

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::{World, call, form_urlencoded, grant, login, told};
use crate::harness::{
    backend::Backend,
    client::{Answer, Client, bearer, get, request},
    gateway::{SHOP, Setup},
    redis::Redis,
    until,
};

const TOKEN: &str = "/acme/shop/token";
const USERS: &str = "/acme/shop/users";
const CATS: &str = "/acme/shop/cats";
const NORA: &str = r#"{"username":"nora","password":"nora-secret-1"}"#;

/// A world with the limits that are the defaults.
fn braked(store: &str) -> World {
    let backend = Backend::plain();
    let setup = Setup::new(&backend.url()).key("store", &format!("{store:?}"));
    let gate = setup.bootstrap(SHOP).start();
    let olga = login(&gate, "/management/token", "olga", super::PASSWORD);
    World { backend, gate, olga }
}

/// A connection from another address than all others come from.
fn elsewhere(world: &World) -> Client {
    Client::connect_from(IpAddr::from([127, 0, 0, 2]), world.gate.address)
}

fn by_basic(id: &str, secret: &str) -> String {
    let pair = BASE64_STANDARD.encode(format!("{id}:{secret}"));
    get(CATS, &format!("Authorization: Basic {pair}\r\n"))
}

fn by_query(id: &str, secret: &str) -> String {
    let secret = form_urlencoded(secret);
    get(&format!("{CATS}?client_id={id}&client_secret={secret}"), "")
}

#[test]
fn after_ten_wrong_secrets_a_right_one_is_refused_from_that_address_alone() {
    for (form, wrong) in [
        (by_basic as fn(&str, &str) -> String, "401 auth_invalid_credentials"),
        (by_query, "401 invalid_client"),
    ] {
        let world = braked("memory:");
        let read = world.json(&world.olga, "GET", "/acme/shop/credentials", "");
        let said = |name: &str| read["credentials"][name].as_str().unwrap();
        let (id, secret) = (said("client_id"), said("client_secret"));
        for number in 0..10 {
            let answer = world.gate.ask(form(id, &format!("wrong-secret-{number}")));
            assert_eq!(told(&answer), wrong, "try {number}");
        }
        let refused = world.gate.ask(form(id, secret));
        assert_eq!(told(&refused), "429 too_many_requests", "{}", refused.text());
        assert_eq!(refused.field("retry-after"), Some("60"));
        let wrong = world.gate.ask(form(id, "wrong-secret-10"));
        assert_eq!(told(&wrong), "429 too_many_requests", "neither is told from the other");
        assert_eq!(world.backend.received().len(), 0, "nothing of it came through");
        let passed = elsewhere(&world).ask(form(id, secret));
        assert_eq!(passed.status, 200, "at once: {}", passed.text());
    }
}

#[test]
fn names_that_one_address_invents_leave_a_bounded_number_of_counts() {
    let redis = Redis::start();
    let world = braked(&redis.url());
    world.json(&world.olga, "POST", USERS, NORA);
    let mut client = world.gate.connect();
    let answers: Vec<String> = (0..60)
        .map(|number| grant(&format!("invented-{number}"), "wrong-secret"))
        .map(|body| told(&call(&mut client, "", "POST", TOKEN, &body)))
        .collect();
    let kept = |pattern: &str| {
        let keys = redis.command(&["KEYS", pattern]).unwrap();
        keys.split_whitespace().count()
    };
    let (pairs, accounts) =
        (kept("tollgate:tally:login:pair:*"), kept("tollgate:tally:login:account:*"));
    assert!((1..=20).contains(&pairs), "{pairs} pairs");
    assert!((1..=21).contains(&accounts), "{accounts} accounts, olga's among them");
    assert_eq!(answers[0], "400 invalid_grant");
    assert_eq!(answers[59], "429 too_many_requests");

    let right = grant("nora", "nora-secret-1");
    let shut = call(&mut client, "", "POST", TOKEN, &right);
    assert_eq!(told(&shut), "429 too_many_requests", "the address as a whole");
    let stranger = call(&mut elsewhere(&world), "", "POST", TOKEN, &right);
    assert_eq!(told(&stranger), "200", "{}", stranger.text());
    assert!(kept("tollgate:tally:*") <= pairs + accounts + 3, "nothing else is counted");
}

/// A property of so many letters.
fn property(name: &str, letters: usize) -> String {
    json!({ name: "x".repeat(letters) }).to_string()
}

fn entity(world: &World, target: &str) -> Value {
    world.json(&world.olga, "GET", target, "")["entities"][0].clone()
}

#[test]
fn a_group_s_properties_end_at_4_kib_however_many_requests_they_come_in() {
    let world = World::new();
    let (groups, team) = ("/acme/shop/groups", "/acme/shop/groups/team");
    let too_much = json!({ "path": "large", "title": "x".repeat(4_097) }).to_string();
    world.rows(&[
        (&world.olga, "POST", groups, r#"{"path":"team","color":"red"}"#, "200"),
        (&world.olga, "POST", groups, &too_much, "400 illegal_argument"),
        (&world.olga, "GET", "/acme/shop/groups/large", "", "404 service_resource_not_found"),
        (&world.olga, "PUT", team, &property("a", 2_000), "200"),
        (&world.olga, "PUT", team, &property("b", 1_500), "200"),
    ]);
    let before = entity(&world, team);
    world.rows(&[
        (&world.olga, "PUT", team, &property("c", 1_000), "400 illegal_argument"),
        (&world.olga, "PUT", team, &property("title", 1_000), "400 illegal_argument"),
    ]);
    assert_eq!(entity(&world, team), before);
    world.rows(&[
        (&world.olga, "PUT", team, r#"{"a":null}"#, "200"),
        (&world.olga, "PUT", team, &property("c", 1_000), "200"),
    ]);
}

#[test]
fn a_user_s_document_ends_at_64_kib_however_many_requests_it_comes_in() {
    let world = World::new();
    let nora = world.user("/acme/shop", "nora");
    let user = "/acme/shop/users/nora";
    let large = json!({ "username": "large", "a": "x".repeat(66_000) }).to_string();
    world.rows(&[
        (&world.olga, "POST", USERS, &large, "400 illegal_argument"),
        (&world.olga, "GET", "/acme/shop/users/large", "", "404 service_resource_not_found"),
        (&world.olga, "PUT", user, &property("a", 30_000), "200"),
        (&nora.token, "PUT", "/acme/shop/users/me", &property("b", 30_000), "200"),
    ]);
    let before = entity(&world, user);
    world.rows(&[
        (&world.olga, "PUT", user, &property("c", 10_000), "400 illegal_argument"),
        (&nora.token, "PUT", "/acme/shop/users/me", &property("c", 10_000), "400 illegal_argument"),
        (&nora.token, "PUT", "/acme/shop/users/me", &property("a", 66_000), "400 illegal_argument"),
    ]);
    assert_eq!(entity(&world, user), before);
}

/// A request of which only the head is ever sent.
fn head_alone(method: &str, target: &str, who: &str, declared: usize) -> String {
    let fields = if who.is_empty() { String::new() } else { bearer(who) };
    request(method, target, &format!("{fields}Content-Length: {declared}\r\n"), "")
}

#[test]
#[rustfmt::skip] // a table is read by column
fn a_body_is_as_large_as_its_sender_is_known() {
    const KIB: usize = 1024;
    let world = World::new();
    let olga = world.olga.as_str();
    let long_grant = grant("olga", &"x".repeat(20 * KIB));
    let guest = json!({ "username": "guest", "a": "x".repeat(70 * KIB) }).to_string();
    let admin = json!({ "username": "large", "a": "x".repeat(200 * KIB) }).to_string();
    let user = |name: &str| json!({ "username": name, "a": "x".repeat(50 * KIB) });
    let batch = json!([user("one"), user("two"), user("three"), user("four")]).to_string();
    let beyond = json!({ "username": "larger", "a": "x".repeat(300 * KIB) }).to_string();
    let too_large = "413 illegal_argument";
    world.rows(&[
        ("",   "POST", TOKEN,               &long_grant, too_large),
        (olga, "POST", TOKEN,               &long_grant, too_large),
        ("",   "POST", "/management/token", &long_grant, too_large),
        ("",   "POST", USERS,               &guest,      too_large),
        (olga, "POST", USERS,               &admin,      "400 illegal_argument"),
        (olga, "POST", USERS,               &batch,      "200"),
        (olga, "POST", USERS,               &beyond,     too_large),
    ]);
    let told = |bytes: String| told(&world.gate.ask(bytes));
    for (method, target, who, declared, expected) in [
        ("POST", TOKEN,                  "",     16 * KIB + 1,  too_large),
        ("POST", USERS,                  "",     64 * KIB + 1,  too_large),
        ("POST", USERS,                  olga,   256 * KIB + 1, too_large),
        ("PUT",  "/management/orgs/acme", olga,  256 * KIB + 1, too_large),
        // Nobody is asked to send what a bad credential keeps from being looked at.
        ("POST", USERS,                  "blah", 1_000,         "401 auth_bad_access_token"),
        ("PUT",  "/management/orgs/acme", "blah", 1_000,        "401 auth_bad_access_token"),
    ] {
        let row = format!("{method} {target} {declared}");
        assert_eq!(told(head_alone(method, target, who, declared)), expected, "{row}");
    }
}

#[test]
fn a_body_without_a_length_ends_at_the_same_bound() {
    let world = World::new();
    let chunk = "x".repeat(17 * 1024);
    let head = request("POST", TOKEN, "Transfer-Encoding: chunked\r\n", "");
    let answer = world.gate.ask(format!("{head}{:x}\r\n{chunk}\r\n0\r\n\r\n", chunk.len()));
    assert_eq!(told(&answer), "413 illegal_argument");
}

#[test]
fn within_its_grace_a_token_outlives_the_store_on_a_tenant_s_path() {
    let mut redis = Redis::start();
    let grace = "[tokens]\ngrace = \"1m\"\nnear-cache = { ttl-without-push = \"20ms\" }";
    let world = World::over(&redis.url(), "", grace);
    let nora = world.user("/acme/shop", "nora");
    let unused = world.token("/acme/shop", "nora");
    assert_eq!(world.road(&nora.token, "GET", CATS), "GET /acme/shop/cats");
    redis.kill();
    until("an identity by grace", || {
        let before = world.backend.received().len();
        let answer: Answer = world.call(&nora.token, "GET", CATS, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(world.backend.received()[before].line(), "GET /acme/shop/cats");
        (world.gate.access_line(&answer)["cache"] == "grace").then_some(())
    });
    assert_eq!(world.road(&unused, "GET", CATS), "503 service_unavailable", "never confirmed");
}
