//! What happens to a cluster's slots and nodes, and to a sentinel's master, under a store that goes on.

use std::{
    cell::Cell,
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    HealthState, Store, StoreError, StoreOrigin,
    documents::{Change, Commit, DocumentKey, Slot},
    testing::{connected, on_worker, record, redis_at, until},
    topologies::{TestCluster, TestSentinel},
};
use crate::{
    config::{self, RedisAddress},
    fences::{Fences, Lives},
};

const LIVES: Lives = Lives { alone: Duration::ZERO, heard: Duration::from_secs(60) };

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn key(number: u128) -> String {
    format!("tg:token:{number:032x}")
}

async fn open(address: RedisAddress) -> (Store, Arc<Fences>) {
    let fences = Arc::new(Fences::new());
    let origin = StoreOrigin::open(&config::Store::Redis(Box::new(redis_at(address)))).unwrap();
    let store = connected(origin.attach(&fences, |_| {})).await;
    (store, fences)
}

/// Revokes until it is acknowledged: a replica, or the connection to a new master, may take its time.
async fn revoked(store: &Store, id: Uuid) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.revoke(id).await {
        assert!(Instant::now() < deadline, "nothing can be revoked: {error}");
    }
}

/// Tokens of which each node has some, with the node that has them.
fn spread(cluster: &TestCluster) -> Vec<(u128, usize)> {
    let tokens: Vec<_> = (1..=40).map(|number| (number, cluster.home(&key(number)))).collect();
    let nodes: HashSet<_> = tokens.iter().map(|(_, node)| *node).collect();
    assert_eq!(nodes.len(), 3, "{tokens:?}");
    tokens
}

#[test]
fn each_node_of_a_cluster_has_its_tokens_and_tells_of_their_changes() {
    let cluster = TestCluster::start();
    on_worker(async {
        let (store, fences) = open(cluster.address()).await;
        assert!(store.health().facts.contains("push on, 3 nodes"), "{:?}", store.health());
        for (number, node) in spread(&cluster) {
            store.issue(id(number), record(&format!("user{number}"), i64::MAX)).await.unwrap();
            let there = cluster.nodes[node].command(&["EXISTS", &key(number)]);
            assert_eq!(there, ":1\r\n", "{number} on {node}");
            let reading = fences.reading(store.ear());
            let mark = fences.mark(fences.of_token(id(number)));
            assert!(store.token(id(number)).await.unwrap().is_some());
            assert!(fences.holds(mark));
            // The ear is that of all nodes, each of which answers now and then.
            until("it counts", || fences.vouch(&reading, LIVES, Instant::now())).await;
            cluster.nodes[node].command(&["DEL", &key(number)]);
            until("the node tells of it", || !fences.holds(mark)).await;
            assert_eq!(store.token(id(number)).await, Ok(None));
        }
    });
}

#[test]
fn a_node_that_is_killed_takes_its_own_tokens_along_and_no_others() {
    let mut cluster = TestCluster::start();
    on_worker(async {
        let (store, fences) = open(cluster.address()).await;
        let tokens = spread(&cluster);
        for (number, _) in &tokens {
            store.issue(id(*number), record("ann", i64::MAX)).await.unwrap();
        }
        let before = fences.reading(store.ear());
        cluster.nodes[1].kill();
        until("the loss is noticed", || !fences.is_of_now(&before)).await;
        for (number, node) in &tokens {
            match store.token(id(*number)).await {
                Ok(found) => assert!(found.is_some() && *node != 1, "{number} on {node}"),
                Err(error) => assert!(*node == 1, "{number} on {node}: {error}"),
            }
        }
        let health = store.health();
        assert_eq!(health.state, HealthState::Up);
        let away = format!("127.0.0.1:{}", cluster.nodes[1].port);
        assert!(health.warnings.iter().any(|it| it.cause.starts_with(&away)), "{health:?}");
        // What was read over the others goes on counting.
        let after = fences.reading(store.ear());
        tokio::time::sleep(crate::fences::HEARD_FOR).await;
        until("the others are heard", || fences.vouch(&after, LIVES, Instant::now())).await;

        cluster.nodes[1].start_again();
        let (number, _) = tokens.iter().find(|(_, node)| *node == 1).unwrap();
        let deadline = Instant::now() + Duration::from_secs(15);
        while store.token(id(*number)).await.is_err() {
            assert!(Instant::now() < deadline, "it never serves again: {:?}", store.health());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        until("all of it is well", || store.health().warnings.is_empty()).await;
        assert_eq!(store.token(id(*number)).await, Ok(None), "it came back empty");
    });
}

/// Moves the slot of one token from its node to the next while it is asked for all the time.
#[test]
fn a_slot_that_is_moved_under_load_gives_no_wrong_answer() {
    let cluster = TestCluster::start();
    on_worker(async {
        let (store, fences) = open(cluster.address()).await;
        let (there, never) = (5, 6);
        let slot = slot_of(&cluster, &key(there));
        let from = cluster.home(&key(there));
        let to = (from + 1) % 3;
        store.issue(id(there), record("ann", i64::MAX)).await.unwrap();
        store.issue(id(never), record("ann", i64::MAX)).await.unwrap();
        store.revoke(id(never)).await.unwrap();
        let (done, asked) = (Cell::new(false), Cell::new(0_u32));
        let load = async {
            while !done.get() {
                let found = store.token(id(there)).await.unwrap();
                assert_eq!(found.unwrap().subject, "ann");
                assert_eq!(store.token(id(never)).await, Ok(None));
                asked.set(asked.get() + 1);
            }
        };
        let moving = async {
            let count = &asked;
            let asked_since = |before: u32| move || count.get() > before + 10;
            let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
            let set = |node: &super::testing::TestRedis, words: &[&str]| {
                let words = [&["CLUSTER", "SETSLOT", &slot], words].concat();
                assert_eq!(node.command(&words), "+OK\r\n");
            };
            set(target, &["IMPORTING", &cluster.id(from)]);
            set(source, &["MIGRATING", &cluster.id(to)]);
            until("it is asked for", asked_since(asked.get())).await;
            let port = target.port.to_string();
            let mark = fences.mark(fences.of_token(id(there)));
            let moved = ["MIGRATE", "127.0.0.1", &port, &key(there), "0", "5000"];
            assert_eq!(source.command(&moved), "+OK\r\n");
            until("the old node tells of it", || !fences.holds(mark)).await;
            until("it is asked for with ASKING", asked_since(asked.get())).await;
            assert!(target.calls("asking") > 0);
            // The new node tells of changes to what was read there.
            let mark = fences.mark(fences.of_token(id(there)));
            until("it is read", asked_since(asked.get())).await;
            assert_eq!(target_command(target, &["PERSIST", &key(there)]), ":0\r\n");
            target_command(target, &["PEXPIRE", &key(there), "100000000"]);
            until("the new node tells of it", || !fences.holds(mark)).await;
            let before = fences.reading(store.ear());
            for node in [target, source] {
                set(node, &["NODE", &cluster.id(to)]);
            }
            until("the map has changed", || !fences.is_of_now(&before)).await;
            let asking = target.calls("asking");
            until("it is asked for at its new home", asked_since(asked.get())).await;
            assert_eq!(target.calls("asking"), asking, "nobody is sent there by the old one");
            done.set(true);
        };
        tokio::join!(load, moving);
    });
}

/// Redis refuses a script whose keys are partly here and partly there: it is never half done.
#[test]
fn documents_of_a_slot_that_is_being_moved_change_together_or_not_at_all() {
    let cluster = TestCluster::start();
    on_worker(async {
        let (store, _) = open(cluster.address()).await;
        let names = ["a", "b"];
        let put = |value: &'static [u8]| Commit {
            slot: Slot::Directory,
            expects: Vec::new(),
            changes: names
                .map(|name| Change::Put { name: name.to_owned(), value: value.to_vec() })
                .into(),
        };
        let keys = names.map(|name| DocumentKey { slot: Slot::Directory, name: name.to_owned() });
        let holds = |value: &[u8]| Ok(vec![Some(value.to_vec()), Some(value.to_vec())]);
        assert_eq!(store.commit(put(b"1")).await, Ok(true));
        let from = cluster.home("tg:{dir}a");
        let (slot, to) = (slot_of(&cluster, "{dir}"), (from + 1) % 3);
        let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
        target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &cluster.id(from)]);
        source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &cluster.id(to)]);
        let port = target.port.to_string();
        let moved = ["MIGRATE", "127.0.0.1", &port, "tg:{dir}a", "0", "5000"];
        assert_eq!(source.command(&moved), "+OK\r\n");
        // One is here and the other there.
        assert_eq!(store.documents(&keys).await, holds(b"1"));
        assert!(store.commit(put(b"2")).await.is_err());
        assert_eq!(store.documents(&keys).await, holds(b"1"));
        let moved = ["MIGRATE", "127.0.0.1", &port, "tg:{dir}b", "0", "5000"];
        assert_eq!(source.command(&moved), "+OK\r\n");
        for node in [target, source] {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &cluster.id(to)]);
        }
        assert_eq!(store.commit(put(b"3")).await, Ok(true));
        assert_eq!(store.documents(&keys).await, holds(b"3"));
        assert!(target.calls("eval") > 0);
    });
}

fn slot_of(cluster: &TestCluster, key: &str) -> String {
    cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", key])[1..].trim().to_owned()
}

/// On a connection that says `ASKING` first, as the slot is only being imported.
fn target_command(node: &super::testing::TestRedis, words: &[&str]) -> String {
    node.commands(&[&["ASKING"], words])
}

#[test]
fn a_moved_slot_is_noticed_although_nobody_asks_for_it() {
    let cluster = TestCluster::start();
    on_worker(async {
        let (store, fences) = open(cluster.address()).await;
        let absent = 7;
        let (slot, from) = (slot_of(&cluster, &key(absent)), cluster.home(&key(absent)));
        let to = cluster.id((from + 1) % 3);
        assert_eq!(store.token(id(absent)).await, Ok(None));
        let before = fences.reading(store.ear());
        for node in &cluster.nodes {
            let moved = node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to]);
            assert_eq!(moved, "+OK\r\n");
        }
        until("the map has changed", || !fences.is_of_now(&before)).await;
        assert_eq!(store.token(id(absent)).await, Ok(None));
    });
}

#[test]
fn one_server_that_is_no_cluster_is_named_as_that() {
    let redis = super::testing::TestRedis::start();
    on_worker(async {
        let node = config::RedisNode { host: "127.0.0.1".to_owned(), port: redis.port };
        let address = RedisAddress::Cluster { seeds: vec![node] };
        let origin = StoreOrigin::open(&config::Store::Redis(Box::new(redis_at(address)))).unwrap();
        let store = origin.attach(&Arc::default(), |_| {});
        let error = store.token(id(1)).await.unwrap_err();
        assert!(error.to_string().contains("it is no node of a cluster"), "{error}");
    });
}

#[test]
fn the_sentinels_master_is_followed_and_the_old_one_is_left() {
    let mut redis = TestSentinel::start();
    on_worker(async {
        let (store, fences) = open(redis.address()).await;
        let master = |port| format!(", push on, master 127.0.0.1:{port},");
        assert!(store.health().facts.contains(&master(redis.master.port)));
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        store.issue(id(2), record("eve", i64::MAX)).await.unwrap();
        revoked(&store, id(2)).await;
        // Of two tokens one is left when the last of these writes has come: they come in their order.
        let has = |of| redis.replica.command(&["EXISTS", &key(of)]) == ":1\r\n";
        until("the replica has all of it", || has(1) && !has(2)).await;
        let before = fences.reading(store.ear());
        redis.master.kill();
        redis.wait("the fail-over", TestSentinel::names_the_replica);
        until("the loss is noticed", || !fences.is_of_now(&before)).await;
        until("the new master is connected", || store.health().state == HealthState::Up).await;
        assert!(store.health().facts.contains(&master(redis.replica.port)));
        assert!(store.token(id(1)).await.unwrap().is_some(), "a token is still true");
        assert_eq!(store.token(id(2)).await, Ok(None), "and a revocation too");
        store.issue(id(3), record("bob", i64::MAX)).await.unwrap();

        // The old master comes back and calls itself one: the sentinels name another.
        redis.master.start_again();
        redis.master.command(&["SET", &key(2), "what nobody may read"]);
        let mark = fences.mark(fences.of_token(id(3)));
        assert!(store.token(id(3)).await.unwrap().is_some());
        assert_eq!(store.token(id(2)).await, Ok(None));
        redis.replica.command(&["DEL", &key(3)]);
        until("the new master tells of it", || !fences.holds(mark)).await;
        assert_eq!(store.token(id(3)).await, Ok(None));
    });
}

#[test]
fn a_master_that_is_demoted_and_goes_on_answering_is_left() {
    let redis = TestSentinel::start();
    on_worker(async {
        let (store, fences) = open(redis.address()).await;
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        let before = fences.reading(store.ear());
        assert_eq!(redis.ask(&["SENTINEL", "FAILOVER", "main"]), "+OK\r\n");
        redis.wait("the fail-over", TestSentinel::names_the_replica);
        until("the old one is left", || !fences.is_of_now(&before)).await;
        until("the new one is connected", || store.health().state == HealthState::Up).await;
        assert!(store.token(id(1)).await.unwrap().is_some());
        revoked(&store, id(1)).await;
        assert_eq!(redis.replica.command(&["EXISTS", &key(1)]), ":0\r\n");
    });
}

/// Nobody but the server itself says that it is no master any more.
#[test]
fn a_server_that_is_no_master_is_not_believed_whatever_the_sentinels_say() {
    let redis = TestSentinel::start();
    on_worker(async {
        let (store, _) = open(redis.address()).await;
        // The sentinel is held: it neither sees this nor names another.
        redis.freeze();
        let port = redis.replica.port.to_string();
        assert_eq!(redis.replica.command(&["REPLICAOF", "NO", "ONE"]), "+OK\r\n");
        assert_eq!(redis.master.command(&["REPLICAOF", "127.0.0.1", &port]), "+OK\r\n");
        let down = || matches!(store.health().state, HealthState::Down { .. });
        until("it is left", down).await;
        let error = store.token(id(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
        redis.thaw();
    });
}
