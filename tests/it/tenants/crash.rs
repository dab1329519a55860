//! `kill -9` of the gateway in the middle of logins and logouts: what was acknowledged holds.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use serde_json::Value;

use super::{World, client_grant};
use crate::harness::{
    client::{Answer, Client, End, bearer, get, request},
    gateway::Gateway,
    redis::Redis,
    until,
};

const ROUNDS: usize = 5;
const THREADS: usize = 4;
/// Issues and revocations of one round, all threads together.
const STEPS: usize = 2_000;

/// Tokens whose issue was acknowledged, and those of them whose revocation was.
#[derive(Default)]
struct Acknowledged {
    good: Vec<String>,
    revoked: Vec<String>,
}

/// The whole answer, unless the process ended first.
fn ask(client: &mut Client, bytes: String) -> Option<Answer> {
    if !client.try_send(bytes) {
        return None;
    }
    client.try_answer(false).filter(|answer| answer.end == End::Clean)
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = answer.json();
    body["access_token"].as_str().unwrap().to_owned()
}

/// Logs a user and a client in and the user out again, until the process ends.
fn work(gate: &Gateway, olga: &str, grant: &str, done: &AtomicUsize, all: &Mutex<Acknowledged>) {
    let mut client = gate.connect();
    let issue = get("/acme/shop/users/nora/token", &bearer(olga));
    for step in 0..STEPS / THREADS / 4 {
        let Some(kept) = ask(&mut client, issue.clone()) else { return };
        all.lock().unwrap().good.push(token(&kept));
        done.fetch_add(1, SeqCst);
        let Some(machine) = ask(&mut client, request("POST", "/acme/shop/token", "", grant)) else {
            return;
        };
        all.lock().unwrap().good.push(token(&machine));
        done.fetch_add(1, SeqCst);
        let Some(short) = ask(&mut client, issue.clone()) else { return };
        let short = token(&short);
        done.fetch_add(1, SeqCst);
        let target = format!("/acme/shop/users/nora/revoketoken?token={short}");
        // Not acknowledged, a revocation may or may not have been.
        let who = if step % 2 == 0 { olga } else { short.as_str() };
        let Some(answer) = ask(&mut client, request("PUT", &target, &bearer(who), "")) else {
            return;
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        all.lock().unwrap().revoked.push(short);
        done.fetch_add(1, SeqCst);
    }
}

fn check(gate: &Gateway, all: &Acknowledged, round: usize) {
    let mut client = gate.connect();
    let mut status = |token: &str| client.ask(get("/acme/shop/cats", &bearer(token))).status;
    for token in &all.good {
        assert_eq!(status(token), 200, "round {round}: an acknowledged token is lost");
    }
    for token in &all.revoked {
        assert_eq!(status(token), 401, "round {round}: an acknowledged revocation is undone");
    }
}

fn survives(store: &str) {
    let mut world = World::over(store, "", "");
    world.user("/acme/shop", "nora");
    let read = world.json(&world.olga, "GET", "/acme/shop/credentials", "");
    let grant = client_grant(&read["credentials"]);
    let mut ever = Acknowledged::default();
    for round in 0..ROUNDS {
        let (done, all) = (AtomicUsize::new(0), Mutex::new(Acknowledged::default()));
        // Early, late, and between.
        let wanted = STEPS * (2 * round + 1) / (2 * ROUNDS + 1);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| work(&world.gate, &world.olga, &grant, &done, &all));
            }
            until("enough of the work", || (done.load(SeqCst) >= wanted).then_some(()));
            world.gate.signal(rustix::process::Signal::KILL);
        });
        world.gate.ended();
        world.gate.start_again();
        let mut all = all.into_inner().unwrap();
        assert!(done.load(SeqCst) < STEPS, "round {round}: it was killed in the middle");
        check(&world.gate, &all, round);
        ever.good.append(&mut all.good);
        ever.revoked.append(&mut all.revoked);
    }
    check(&world.gate, &ever, ROUNDS);
    assert!(
        ever.good.len() > STEPS && ever.revoked.len() > STEPS / 2,
        "there was something to lose"
    );
}

#[test]
fn kill_9_amid_logins_and_logouts_over_the_embedded_file() {
    survives("file:directory.redb");
}

#[test]
fn kill_9_amid_logins_and_logouts_over_redis() {
    survives(&Redis::start().url());
}
