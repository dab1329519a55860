//! What every store does alike, as one table that all three are run through.

use uuid::Uuid;

use super::{
    Store, StoreOrigin,
    testing::{TestRedis, connected, on_worker, record, redis_at, tcp},
    topologies::{TestCluster, TestSentinel},
};
use crate::config;

/// One step, and what it must give.
#[derive(Debug)]
enum Step {
    Issue(u128, &'static str),
    Revoke(u128, bool),
    RevokeAll(&'static str, bool),
    /// Subject, active, known.
    Set(&'static str, bool, bool),
    Lives(u128),
    Dead(u128),
}
use Step::*;

#[rustfmt::skip] // a table is read by column
fn behaviours() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("an issued token lives",
            vec![Dead(1), Issue(1, "ann"), Lives(1)]),
        ("a revoked token is gone, and others of its subject stay",
            vec![Issue(1, "ann"), Issue(2, "ann"), Revoke(1, true), Dead(1), Lives(2)]),
        ("revoking twice tells that there was nothing left",
            vec![Issue(1, "ann"), Revoke(1, true), Revoke(1, false), Dead(1)]),
        ("revoking all ends every token of a subject and of no other",
            vec![Issue(1, "ann"), Issue(2, "ann"), Issue(3, "bob"), RevokeAll("ann", true), Dead(1), Dead(2), Lives(3)]),
        ("a token issued after revoking all lives",
            vec![Issue(1, "ann"), RevokeAll("ann", true), Issue(2, "ann"), Dead(1), Lives(2)]),
        ("shutting out ends all tokens, and letting in again revives none",
            vec![Issue(1, "ann"), Set("ann", false, true), Dead(1), Set("ann", true, true), Dead(1)]),
        ("issuing never lets a subject in that was shut out",
            vec![Issue(1, "ann"), Set("ann", false, true), Issue(2, "ann"), Dead(2), Set("ann", true, true), Lives(2)]),
        ("letting in who is in changes nothing",
            vec![Issue(1, "ann"), Set("ann", true, true), Lives(1)]),
        ("what was never issued is not known",
            vec![Revoke(9, false), RevokeAll("nobody", false), Set("nobody", false, false), Set("nobody", true, false)]),
        ("asking about a subject does not make it",
            vec![RevokeAll("ann", false), RevokeAll("ann", false)]),
        ("an id issued again belongs to the last subject",
            vec![Issue(1, "ann"), Issue(1, "bob"), RevokeAll("ann", true), Lives(1), RevokeAll("bob", true), Dead(1)]),
        ("subjects are bytes, not patterns",
            vec![Issue(1, ""), Issue(2, "*"), Issue(3, "a b:c\n{d}"), Issue(4, "ä€"), RevokeAll("*", true), Dead(2), Lives(1), Lives(3), Lives(4)]),
    ]
}

async fn lives(store: &Store, id: u128) -> bool {
    let Some(record) = store.token(Uuid::from_u128(id)).await.unwrap() else { return false };
    let state = store.principal(&record.subject).await.unwrap().unwrap();
    state.active && state.generation == record.generation
}

async fn behaves(what: &str, store: &Store, steps: &[Step]) {
    for (number, step) in steps.iter().enumerate() {
        let place = format!("{what}, step {number}: {step:?}");
        match *step {
            Issue(id, subject) => {
                let asked = record(subject, i64::MAX);
                let kept = store.issue(Uuid::from_u128(id), asked.clone()).await.unwrap();
                assert_ne!(kept.generation, 0, "{place}");
                let found = store.token(Uuid::from_u128(id)).await.unwrap();
                assert_eq!(found.as_ref(), Some(&kept), "{place}");
                let generation = kept.generation;
                assert_eq!(kept, crate::token::record::TokenRecord { generation, ..asked });
            }
            Revoke(id, there) => {
                assert_eq!(store.revoke(Uuid::from_u128(id)).await.unwrap(), there, "{place}");
            }
            RevokeAll(subject, known) => {
                assert_eq!(store.revoke_all(subject).await.unwrap(), known, "{place}");
            }
            Set(subject, active, known) => {
                let set = store.set_active(subject, active).await.unwrap();
                assert_eq!(set, known, "{place}");
            }
            Lives(id) => assert!(lives(store, id).await, "{place}"),
            Dead(id) => assert!(!lives(store, id).await, "{place}"),
        }
    }
}

#[test]
fn the_memory_behaves() {
    on_worker(async {
        for (what, steps) in behaviours() {
            let store = StoreOrigin::open(&config::Store::Memory)
                .unwrap()
                .attach(&std::sync::Arc::default(), |_| {});
            behaves(what, &store, &steps).await;
        }
    });
}

#[test]
fn the_file_behaves() {
    let folder = tempfile::tempdir().unwrap();
    on_worker(async {
        for (number, (what, steps)) in behaviours().into_iter().enumerate() {
            let path = folder.path().join(format!("{number}.redb"));
            let store = StoreOrigin::open(&config::Store::File(path))
                .unwrap()
                .attach(&std::sync::Arc::default(), |_| {});
            behaves(what, &store, &steps).await;
        }
    });
}

async fn redis_at_behaves(address: &config::RedisAddress) {
    for (number, (what, steps)) in behaviours().into_iter().enumerate() {
        let mut config = redis_at(address.clone());
        config.prefix = format!("case{number}:");
        let origin = StoreOrigin::open(&config::Store::Redis(Box::new(config))).unwrap();
        let store = connected(origin.attach(&std::sync::Arc::default(), |_| {})).await;
        behaves(what, &store, &steps).await;
    }
}

#[test]
fn redis_behaves() {
    let redis = TestRedis::start();
    on_worker(redis_at_behaves(&tcp(redis.port)));
}

#[test]
fn the_master_of_sentinels_behaves() {
    let redis = TestSentinel::start();
    on_worker(redis_at_behaves(&redis.address()));
}

#[test]
fn a_cluster_behaves() {
    let redis = TestCluster::start();
    on_worker(redis_at_behaves(&redis.address()));
}
