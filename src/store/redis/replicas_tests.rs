//! Writes that replicas must have, on servers whose replicas are there, held, or not there at all.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{
    config::{self, RedisAddress, RedisStore, WaitReplicas},
    fences::Fences,
    store::{
        Store, StoreError, StoreOrigin,
        documents::{Change, Commit, Slot},
        testing::{TestRedis, connected, free_port, on_worker, record, redis_at, tcp, until},
        topologies::TestCluster,
    },
};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A master, and a replica that follows it.
fn pair() -> (TestRedis, TestRedis) {
    let master = TestRedis::start();
    let replica = TestRedis::with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    (master, replica)
}

async fn follows(master: &TestRedis) {
    let info = || master.command(&["INFO", "replication"]);
    until("the replica follows", || info().contains("state=online")).await;
}

async fn open(address: RedisAddress, wait_replicas: WaitReplicas) -> Store {
    let config = RedisStore { wait_replicas, ..redis_at(address) };
    let origin = StoreOrigin::open(&config::Store::Redis(Box::new(config))).unwrap();
    connected(origin.attach(&Arc::new(Fences::new()), |_| {})).await
}

fn is_not_replicated<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotReplicated { wanted: 1, had: 0, .. }))
}

/// Waits until a replica that goes on has all there is.
async fn caught_up(store: &Store) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.confirm(Slot::Directory).await {
        assert!(Instant::now() < deadline, "it never catches up: {error}");
    }
}

/// Documents of one application: put over what may be there, or only where nothing is.
fn put(expected: Option<&[u8]>) -> Commit {
    let name = "user:1".to_owned();
    Commit {
        slot: Slot::Application(id(1)),
        expects: vec![(name.clone(), expected.map(<[u8]>::to_vec))],
        changes: vec![Change::Put { name, value: b"x".to_vec() }],
    }
}

#[test]
fn what_takes_access_away_is_not_acknowledged_before_a_replica_has_it() {
    let (master, replica) = pair();
    on_worker(async {
        follows(&master).await;
        let store = open(tcp(master.port), WaitReplicas::Auto).await;
        let slot = Slot::Application(id(1));
        for number in 1..=3 {
            store.issue(id(number), record("ann", i64::MAX)).await.unwrap();
        }
        caught_up(&store).await;
        assert_eq!(store.revoke(id(1)).await, Ok(true));
        let key = format!("tg:token:{:032x}", 1);
        assert_eq!(replica.command(&["EXISTS", &key]), ":0\r\n", "acknowledged: it is there");

        replica.freeze();
        // What gives access waits for nobody.
        store.issue(id(4), record("eve", i64::MAX)).await.unwrap();
        assert_eq!(store.commit(put(None)).await, Ok(true));
        let taken = store.revoke(id(2)).await;
        assert!(is_not_replicated(&taken), "{taken:?}");
        assert_eq!(store.token(id(2)).await, Ok(None), "it was made here");
        // There is nothing to delete any more, and still no replica that knows.
        let again = store.revoke(id(2)).await;
        assert!(is_not_replicated(&again), "{again:?}");
        let all = store.revoke_all("ann").await;
        assert!(is_not_replicated(&all), "{all:?}");
        let shut = store.set_active("ann", false).await;
        assert!(is_not_replicated(&shut), "{shut:?}");
        let changed = store.commit(put(Some(b"x"))).await;
        assert!(is_not_replicated(&changed), "{changed:?}");
        let confirmed = store.confirm(slot).await;
        assert!(is_not_replicated(&confirmed), "{confirmed:?}");

        replica.thaw();
        caught_up(&store).await;
        assert_eq!(store.revoke(id(2)).await, Ok(false), "gone, and now for good");
        assert_eq!(store.confirm(slot).await, Ok(()));
        let state = replica.command(&["HGET", "tg:principal:user:ann", "active"]);
        assert_eq!(state, "$1\r\n0\r\n", "and all that came before it");
    });
}

#[test]
fn many_who_wait_are_all_told_the_same_in_time() {
    let (master, replica) = pair();
    on_worker(async {
        follows(&master).await;
        let store = open(tcp(master.port), WaitReplicas::Auto).await;
        let revoke_all = || {
            let one = |number| {
                let store = store.clone();
                tokio::task::spawn_local(async move { store.revoke(id(number)).await })
            };
            (1..=50).map(one).collect::<Vec<_>>()
        };
        replica.freeze();
        for revoked in revoke_all() {
            let revoked = revoked.await.unwrap();
            assert!(is_not_replicated(&revoked), "{revoked:?}");
        }
        replica.thaw();
        caught_up(&store).await;
        for revoked in revoke_all() {
            assert_eq!(revoked.await.unwrap(), Ok(false));
        }
        // They share waits: a hundred revocations are a few of them.
        assert!(master.calls("wait") < 60, "{}", master.calls("wait"));
    });
}

#[test]
fn nobody_waits_for_a_replica_that_there_is_not_unless_it_is_asked_for() {
    let master = TestRedis::start();
    on_worker(async {
        for (wanted, taken) in [(WaitReplicas::Auto, true), (WaitReplicas::Never, true)] {
            let store = open(tcp(master.port), wanted).await;
            store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
            assert_eq!(store.revoke(id(1)).await, Ok(taken), "{wanted:?}");
            assert_eq!(store.revoke(id(1)).await, Ok(false), "{wanted:?}");
        }
        assert_eq!(master.calls("wait"), 0);
        let store = open(tcp(master.port), WaitReplicas::Always(1)).await;
        let issued = store.issue(id(2), record("ann", i64::MAX)).await;
        assert!(is_not_replicated(&issued), "{issued:?}");
        let made = store.commit(put(None)).await;
        assert!(is_not_replicated(&made), "{made:?}");
    });
}

#[test]
fn without_waiting_a_held_replica_holds_nobody() {
    let (master, replica) = pair();
    on_worker(async {
        follows(&master).await;
        let store = open(tcp(master.port), WaitReplicas::Never).await;
        replica.freeze();
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        assert_eq!(store.revoke(id(1)).await, Ok(true));
        assert_eq!(store.confirm(Slot::Directory).await, Ok(()));
        assert_eq!(master.calls("wait"), 0);
    });
}

#[test]
fn in_a_cluster_the_node_that_made_a_write_is_asked_who_has_it() {
    let cluster = TestCluster::start();
    let replica = cluster.replica_of(0);
    on_worker(async {
        follows(&cluster.nodes[0]).await;
        let store = open(cluster.address(), WaitReplicas::Auto).await;
        let home = |number: u128| cluster.home(&format!("tg:token:{number:032x}"));
        for number in 1..=20 {
            store.issue(id(number), record("ann", i64::MAX)).await.unwrap();
        }
        replica.freeze();
        let (mut waited, mut others) = (0, 0);
        for number in 1..=20 {
            let revoked = store.revoke(id(number)).await;
            if home(number) == 0 {
                assert!(is_not_replicated(&revoked), "{revoked:?}");
                waited += 1;
            } else {
                assert_eq!(revoked, Ok(true));
                others += 1;
            }
        }
        assert!(waited > 0 && others > 0, "{waited} and {others}");
        replica.thaw();
        let on_node = (1..=20).find(|number| home(*number) == 0).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = store.revoke(id(on_node)).await {
            assert!(Instant::now() < deadline, "it never catches up: {error}");
        }
        for number in 1..=20 {
            assert_eq!(store.revoke(id(number)).await, Ok(false));
        }
    });
}

/// A master that is being replaced has lost its replicas before anybody is told.
#[test]
fn a_master_that_has_just_lost_its_replica_is_not_taken_for_one_that_has_none() {
    let (master, replica) = pair();
    on_worker(async {
        follows(&master).await;
        let store = open(tcp(master.port), WaitReplicas::Auto).await;
        caught_up(&store).await;
        let nobody = free_port().to_string();
        replica.command(&["REPLICAOF", "127.0.0.1", &nobody]);
        let info = || master.command(&["INFO", "replication"]);
        until("the replica has gone", || info().contains("connected_slaves:0")).await;
        let revoked = store.revoke(id(1)).await;
        assert!(is_not_replicated(&revoked), "{revoked:?}");
        // Later it is one that has none.
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = store.revoke(id(1)).await {
            assert!(Instant::now() < deadline, "nothing can be revoked any more: {error}");
        }
    });
}
