//! A master that is lost, by whether writes were waited for.

use super::{becomes, issue, revoke, start, verdict};
use crate::harness::{
    backend::Backend,
    fleets::{Pair, Sentinel},
    until,
};

fn store(url: &str, wait_replicas: &str) -> String {
    format!("{{ url = {url:?}, wait-replicas = {wait_replicas} }}")
}

#[test]
fn what_no_replica_has_is_not_acknowledged_and_its_repeat_is() {
    let (backend, redis) = (Backend::plain(), Pair::start());
    let gate = start(&backend, &store(&redis.master.url(), "\"auto\""));
    let [one, other] = ["ann", "eve"].map(|subject| issue(&gate, subject).unwrap());
    redis.replica.freeze();
    assert!(!revoke(&gate, &one), "it is held");
    assert_eq!(verdict(&gate, &one), "401 token_unknown", "it was made here all the same");
    assert!(!revoke(&gate, &one), "a repeat does not take it for done");
    let later = issue(&gate, "sam").expect("what gives access does not wait");
    redis.replica.thaw();
    until("the repeat to be acknowledged", || revoke(&gate, &one).then_some(()));
    assert!(revoke(&gate, &other));
    for (token, expected) in
        [(one, "401 token_unknown"), (other, "401 token_unknown"), (later, "200")]
    {
        assert_eq!(verdict(&gate, &token), expected);
    }
}

#[test]
fn a_fail_over_loses_nothing_that_a_replica_was_waited_for() {
    for round in 0..3 {
        let (backend, mut redis) = (Backend::plain(), Sentinel::start());
        let gate = start(&backend, &store(&redis.url(), "1"));
        let token = |number| until("a token", || issue(&gate, &format!("user{number}")));
        let mut good: Vec<String> = (0..12).map(token).collect();
        let mut gone = Vec::new();
        for _ in 0..=3 * round {
            let token = good.pop().unwrap();
            until("a revocation", || revoke(&gate, &token).then_some(()));
            gone.push(token);
        }
        good.push(token(12));
        // Killed at once after the last acknowledgement.
        redis.lose_master();
        for token in &good {
            becomes(&gate, token, "200");
        }
        for token in &gone {
            becomes(&gate, token, "401 token_unknown");
        }
    }
}

/// What it is against: a replica that has not heard of a revocation takes over.
#[test]
fn a_replica_that_had_not_heard_of_a_revocation_brings_the_token_back() {
    for wait_replicas in ["0", "\"auto\"", "1"] {
        let (backend, mut redis) = (Backend::plain(), Pair::start());
        let gate = start(&backend, &store(&redis.master.url(), wait_replicas));
        let token = until("a token", || issue(&gate, "eve"));
        assert_eq!(verdict(&gate, &token), "200");
        redis.cut();
        match wait_replicas {
            "0" => assert!(revoke(&gate, &token)),
            "1" => assert!(!revoke(&gate, &token)),
            // A master without any replica for a while is one that has none.
            _ => until("an acknowledgement", || revoke(&gate, &token).then_some(())),
        }
        becomes(&gate, &token, "401 token_unknown");
        redis.master.kill();
        let replica = &redis.replica;
        replica.command(&["REPLICAOF", "NO", "ONE"]);
        let text = std::fs::read_to_string(&gate.config).unwrap();
        gate.rewrite(&text.replace(&redis.master.address(), &replica.address()));
        becomes(&gate, &token, "200");
    }
}
