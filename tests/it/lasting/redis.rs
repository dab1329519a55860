//! A Redis that is killed, by how it keeps what it acknowledges.

use super::{becomes, issue, revoke, start};
use crate::harness::{backend::Backend, redis::Redis};

/// A gateway over a Redis of these settings, one token before its snapshot that is revoked after it, one
/// that is not, and one after it: what is said of each when that Redis was killed and is back.
fn after_a_kill(settings: &[&str], expected: [&str; 3]) {
    let (backend, mut redis) = (Backend::plain(), Redis::start_as(None, settings));
    let gate = start(&backend, &format!("{:?}", redis.url()));
    let [gone, kept] = ["eve", "ann"].map(|subject| issue(&gate, subject).unwrap());
    if settings.first() == Some(&"--save") {
        assert_eq!(redis.command(&["SAVE"]).as_deref(), Some("OK"));
    }
    assert!(revoke(&gate, &gone));
    let later = issue(&gate, "sam").unwrap();
    redis.kill();
    redis.restart();
    for (token, expected) in [gone, kept, later].iter().zip(expected) {
        becomes(&gate, token, expected);
    }
}

const GOOD: &str = "200";
const UNKNOWN: &str = "401 token_unknown";

#[test]
fn a_killed_redis_with_an_append_only_file_loses_nothing() {
    for fsync in ["always", "everysec"] {
        for _ in 0..3 {
            let settings = ["--appendonly", "yes", "--appendfsync", fsync];
            after_a_kill(&settings, [UNKNOWN, GOOD, GOOD]);
        }
    }
}

#[test]
fn a_killed_redis_with_snapshots_alone_loses_tokens_and_lets_revoked_ones_live_again() {
    after_a_kill(&["--save", "3600 1000000"], [GOOD, GOOD, UNKNOWN]);
}

#[test]
fn a_killed_redis_that_keeps_nothing_loses_every_token_and_revives_none() {
    after_a_kill(&[], [UNKNOWN, UNKNOWN, UNKNOWN]);
}
