//! How late a change is seen is measured, wherever the store tells of changes.

use super::{TABLES, issue, start, verdict};
use crate::harness::{
    backend::Backend,
    fleets::{Cluster, Sentinel},
    gateway::{Gateway, Setup},
    redis::Redis,
    until,
};

const COUNT: &str = "tollgate_revocation_lag_seconds_count";

/// So many probes were told of, none of them as late as is promised of none.
fn is_measured(gate: &Gateway, times: f64) {
    until("probes", || (gate.metric(COUNT) >= times).then_some(()));
    let told = gate.metric(r#"tollgate_revocation_lag_seconds_bucket{le="2.0"}"#);
    assert!(told >= times, "{told}");
    assert!(gate.metric("tollgate_revocation_lag_seconds_sum") > 0.0);
}

#[test]
fn it_is_measured_on_one_server_behind_sentinels_and_in_a_cluster() {
    let backend = Backend::plain();
    let (redis, sentinel, cluster) = (Redis::start(), Sentinel::start(), Cluster::start());
    for url in [redis.url(), sentinel.url(), cluster.url()] {
        let gate = start(&backend, &format!("{url:?}"));
        is_measured(&gate, 2.0);
    }
    assert!(redis.count("exists") >= 2);
    for key in redis.command(&["KEYS", "tollgate:probe:*"]).unwrap().split_whitespace() {
        let left: i64 = redis.command(&["PTTL", key]).unwrap().parse().unwrap();
        assert!(left <= 5_000 && left != -1, "{key} stays for ever");
    }
}

#[test]
fn it_is_not_measured_where_nothing_is_told() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    redis.command(&["ACL", "SETUSER", "gate", "on", ">secret", "~*", "+@all", "-client|tracking"]);
    let url = redis.url().replace("://", "://gate:secret@");
    let gate = Setup::new(&backend.url()).key("store", &format!("{url:?}")).tables(TABLES).start();
    // The control thread has asked what Redis says of itself several times since.
    until("some time", || (redis.count("info") > 40).then_some(()));
    assert_eq!(gate.metric(COUNT), 0.0);
    assert_eq!(redis.count("exists"), 0);
}

#[test]
fn looks_into_the_near_cache_are_counted() {
    let (backend, redis) = (Backend::plain(), Redis::start());
    let gate = start(&backend, &format!("{:?}", redis.url()));
    let count = |name: &str| gate.metric(&format!("tollgate_near_cache_{name}"));
    let token = issue(&gate, "ann").unwrap();
    let before = (count("hits_total"), count("misses_total"));
    for _ in 0..5 {
        assert_eq!(verdict(&gate, &token), "200");
    }
    until("five looks", || {
        let looks = count("hits_total") + count("misses_total") - before.0 - before.1;
        (looks >= 5.0).then_some(())
    });
    assert!(count("misses_total") > before.1 && count("hits_total") > before.0);
    assert_eq!(count("entries"), 1.0);
    let told = count("invalidations_total");
    redis.command(&["HINCRBY", "tollgate:principal:user:ann", "generation", "1"]);
    until("it to be told", || (count("invalidations_total") > told).then_some(()));
    assert_eq!(verdict(&gate, &token), "401 token_revoked");
}
