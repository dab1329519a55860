//! How long what one gateway has acknowledged takes to be true at another: two gateways that have 10,000 tokens
//! near, one Redis.

use std::{
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use tollgate::{
    secret::Secret,
    token::{keyring::Keyring, record::TokenRecord},
};
use uuid::Uuid;

use crate::{
    harness::{
        backend::Backend,
        client::{Client, bearer, get},
        gateway::Gateway,
        redis::{Redis, token_key},
        tokens::{SECRET, Token},
        until,
    },
    hole::Hole,
    model::PROMISED,
    world::{Admin, gateway},
};

const TOKENS: usize = 10_000;
/// Who hold them: one for each change.
const USERS: usize = 200;
/// Changes behind a connection that has gone silent, each of which waits for that to be noticed.
const IN_SILENCE: usize = 10;
/// Connections that bring the tokens near.
const CONNECTIONS: usize = 4;

const CATS: &str = "/acme/shop/cats";
const DRAFTS: &str = "/acme/shop/drafts";

struct Pair {
    redis: Redis,
    hole: Hole,
    gates: Vec<Gateway>,
    admin: Admin,
    tokens: Vec<Token>,
    _backend: Backend,
}

/// Measures all; whether all was within the promised time.
pub(crate) fn run() -> bool {
    let pair = &Pair::start();
    println!(
        "\n{:<52} {:>5} {:>9} {:>9} {:>9}",
        "until it is true at the other gateway", "count", "p50", "p99", "longest"
    );
    let of = |user: usize, copy: usize| &pair.tokens[copy * USERS + user];
    let mut well = pair.measure("a token is revoked", USERS, |user| {
        let token = of(user, 0);
        (token, CATS, Box::new(move || assert!(pair.admin.revoke(0, user, &token.text))))
    });
    well &= pair.measure("its record is deleted by another client", USERS, |user| {
        let token = of(user, 1);
        (token, CATS, Box::new(|| pair.redis.revoke(token)))
    });
    well &= pair.measure("a user loses a role", USERS, |user| {
        let target = format!("/acme/shop/users/u{user}/roles/editor");
        (of(user, 2), DRAFTS, Box::new(move || drop(pair.admin.call(0, "DELETE", &target, ""))))
    });
    well &= pair.measure("a user is disabled", USERS - IN_SILENCE, |user| {
        let target = format!("/acme/shop/users/u{user}/deactivate");
        (of(user, 2), CATS, Box::new(move || drop(pair.admin.call(0, "POST", &target, ""))))
    });
    well & pair.measure("a token is revoked, the other hears of nothing", IN_SILENCE, |number| {
        let user = USERS - IN_SILENCE + number;
        let token = of(user, 3);
        pair.hole.opens(false);
        pair.near(1, token);
        pair.hole.opens(true);
        (token, CATS, Box::new(move || assert!(pair.admin.revoke(0, user, &token.text))))
    })
}

/// Whose right ends, where it is used, and how it ends.
type Change<'a> = (&'a Token, &'static str, Box<dyn FnOnce() + 'a>);

impl Pair {
    fn start() -> Self {
        let (backend, redis) = (Backend::plain(), Redis::start());
        let hole = Hole::before(&redis.address());
        let stores = [format!("{:?}", redis.url()), hole.store()];
        let gates: Vec<Gateway> = stores.iter().map(|store| gateway(&backend, store)).collect();
        let addresses = gates.iter().map(|gate| gate.address).collect();
        let admin = Admin::of(Arc::new(Mutex::new(addresses)));
        admin.furnish(USERS);
        let first = (0..USERS).map(|user| record(&redis, &admin, user)).collect::<Vec<_>>();
        let tokens: Vec<Token> =
            (0..TOKENS).map(|number| another(&first[number % USERS])).collect();
        redis.keep_all(&tokens);
        let pair = Self { redis, hole, gates, admin, tokens, _backend: backend };
        for gateway in 0..pair.gates.len() {
            std::thread::scope(|scope| {
                for share in pair.tokens.chunks(TOKENS / CONNECTIONS) {
                    let pair = &pair;
                    scope.spawn(move || share.iter().for_each(|token| pair.near(gateway, token)));
                }
            });
        }
        pair
    }

    /// Has a gateway know a token.
    fn near(&self, gateway: usize, token: &Token) {
        thread_local!(static OPEN: std::cell::RefCell<Vec<Option<Client>>> = const { std::cell::RefCell::new(Vec::new()) });
        let address = self.gates[gateway].address;
        OPEN.with_borrow_mut(|open| {
            open.resize_with(open.len().max(gateway + 1), || None);
            until("a token to be near", || {
                let mut client = open[gateway].take().or_else(|| Client::try_connect(address))?;
                let answer = client.send(get(CATS, &bearer(&token.text))).try_answer(false)?;
                open[gateway] = Some(client);
                (answer.status == 200).then_some(())
            });
        });
    }

    /// Makes changes one after the other, and asks the other gateway all the while.
    fn measure<'a>(&self, what: &str, count: usize, change: impl Fn(usize) -> Change<'a>) -> bool {
        let mut took: Vec<Duration> = (0..count)
            .map(|number| {
                let (token, target, act) = change(number);
                let request = get(target, &bearer(&token.text));
                let address = self.gates[1].address;
                let (let_in, is_let_in) = mpsc::channel();
                let asking = std::thread::spawn(move || {
                    let (mut client, mut was_in) = (Client::connect(address), false);
                    until("its end", || {
                        let is_in = client.ask(&request).status == 200;
                        if is_in && !was_in {
                            let_in.send(()).unwrap();
                        }
                        was_in |= is_in;
                        (was_in && !is_in).then(Instant::now)
                    })
                });
                is_let_in.recv().unwrap();
                act();
                let acknowledged = Instant::now();
                asking.join().unwrap().saturating_duration_since(acknowledged)
            })
            .collect();
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!("{what:<52} {count:>5} {:>6.1} ms {:>6.1} ms {:>6.1} ms", at(50), at(99), at(100));
        took.last().is_none_or(|longest| *longest <= PROMISED)
    }
}

/// The record of a token that was issued to the user.
fn record(redis: &Redis, admin: &Admin, user: usize) -> TokenRecord {
    let text = until("a token", || admin.issue(0, user));
    let id = Keyring::new(&[Secret::new(SECRET)]).verify(&text).unwrap().id;
    let key = format!("tollgate:token:{}", id.simple());
    serde_json::from_str(&redis.command(&["GET", &key]).unwrap()).unwrap()
}

/// One more token with the same record.
fn another(record: &TokenRecord) -> Token {
    let id = Uuid::new_v4();
    let keyring = Keyring::new(&[Secret::new(SECRET)]);
    let text = keyring.mint(id, record.expires_ms).unwrap().expose().to_owned();
    let token = Token { id, text, record: record.clone() };
    assert!(token_key(&token).ends_with(&id.simple().to_string()));
    token
}
