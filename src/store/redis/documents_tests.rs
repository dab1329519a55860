//! Documents and tallies in Redis: their keys, and what a Redis refuses.

use std::time::Duration;

use super::tests::{attach, id, to};
use crate::{
    secret::Secret,
    store::{
        StoreError,
        documents::{Change, Commit, DocumentKey, Slot},
        testing::{TestRedis, connected, free_port, on_worker, record, redis_at, tcp},
    },
};

const WINDOW: Duration = Duration::from_secs(60);

fn document() -> DocumentKey {
    DocumentKey { slot: Slot::Directory, name: "org:acme".to_owned() }
}

/// Expects `expected` under the name of [`document`] and writes `put` there.
fn commit(expected: Option<&[u8]>, put: Option<&str>) -> Commit {
    let name = || document().name;
    let value = |text: &str| text.as_bytes().to_vec();
    Commit {
        slot: document().slot,
        expects: vec![(name(), expected.map(<[u8]>::to_vec))],
        changes: put
            .map(|text| Change::Put { name: name(), value: value(text) })
            .into_iter()
            .collect(),
    }
}

fn add_to(set: &str) -> Change {
    Change::Add { set: set.to_owned(), member: "ann".to_owned() }
}

#[test]
fn documents_are_kept_under_documented_keys_and_for_ever() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        let mut both = commit(None, Some("{}"));
        both.changes.push(add_to("admins"));
        assert_eq!(store.commit(both).await, Ok(true));
        let slot = Slot::Application(id(0xabc));
        let changes = vec![add_to("users")];
        assert_eq!(store.commit(Commit { slot, expects: Vec::new(), changes }).await, Ok(true));
        assert_eq!(redis.command(&["GET", "tg:{dir}org:acme"]), "$2\r\n{}\r\n");
        assert_eq!(redis.command(&["PTTL", "tg:{dir}org:acme"]), ":-1\r\n");
        assert_eq!(redis.command(&["ZSCORE", "tg:{dir}admins", "ann"]), "$1\r\n0\r\n");
        let users = "tg:{00000000000000000000000000000abc}users";
        assert_eq!(redis.command(&["ZCARD", users]), ":1\r\n");
        assert_eq!(redis.command(&["DBSIZE"]), ":3\r\n");

        assert_eq!(store.tally("login:ann", WINDOW).await.unwrap().count, 1);
        let left: i64 = redis.command(&["PTTL", "tg:tally:login:ann"])[1..].trim().parse().unwrap();
        assert!((50_000..=60_000).contains(&left), "{left}");
    });
}

#[test]
fn what_is_no_document_or_set_of_ours_is_a_bad_record_and_stops_a_commit() {
    let redis = TestRedis::start();
    redis.command(&["RPUSH", "tg:{dir}list", "x"]);
    redis.command(&["ZADD", "tg:{dir}set", "0", "a"]);
    on_worker(async {
        let store = to(&redis).await;
        let bad = StoreError::bad_record("value of the right type");
        let key = |name: &str| DocumentKey { slot: Slot::Directory, name: name.to_owned() };
        let found = store.documents(&[key("org:acme"), key("list")]).await;
        assert_eq!(found, Err(bad.clone()));
        assert_eq!(store.members(Slot::Directory, "list", None, 1).await, Err(bad.clone()));
        assert_eq!(store.count_members(Slot::Directory, "list").await, Err(bad.clone()));
        let mut late = commit(None, Some("put"));
        late.changes.push(add_to("list"));
        assert_eq!(store.commit(late).await, Err(bad.clone()));
        let mut expecting = commit(None, Some("put"));
        expecting.expects.push(("set".to_owned(), None));
        assert_eq!(store.commit(expecting).await, Err(bad));
        assert_eq!(store.documents(&[document()]).await, Ok(vec![None]), "nothing was changed");
    });
}

#[test]
fn a_server_whose_memory_is_full_makes_no_part_of_a_commit_and_still_tells_what_differs() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let error = store.commit(commit(None, Some("put"))).await.unwrap_err();
        assert!(error.to_string().contains("OOM"), "{error}");
        assert_eq!(store.documents(&[document()]).await, Ok(vec![None]));
        assert_eq!(store.commit(commit(Some(b"other"), Some("put"))).await, Ok(false));
    });
}

#[test]
fn documents_of_a_frozen_server_are_an_error_within_the_limit() {
    let redis = TestRedis::start();
    on_worker(async {
        let store = to(&redis).await;
        redis.freeze();
        let error = store.commit(commit(None, Some("put"))).await.unwrap_err();
        assert!(matches!(error, StoreError::TimedOut { .. }), "{error}");
        let error = store.documents(&[document(), document()]).await.unwrap_err();
        assert!(matches!(error, StoreError::TimedOut { .. }), "{error}");
        assert_eq!(store.documents(&[]).await, Ok(Vec::new()), "nothing is asked for nothing");
    });
}

#[test]
fn a_commit_and_a_tally_need_no_more_rights_than_are_documented() {
    let documented = include_str!("../../../docs/redis.md");
    let line = documented.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    let redis = TestRedis::start();
    let line = line.replace(">PASSWORD", ">secret").replace("~tollgate:*", "~tg:*");
    let answer = redis.command(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(answer, "+OK\r\n");
    on_worker(async {
        let mut config = redis_at(tcp(redis.port));
        config.login.username = Some("tollgate".to_owned());
        config.login.password = Some(Secret::new("secret"));
        let store = connected(attach(config)).await;
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        let mut all = commit(None, Some("put"));
        let (set, member) = ("admins".to_owned(), "bob".to_owned());
        all.changes.extend([add_to("admins"), Change::Remove { set, member }]);
        all.changes.push(Change::Delete { name: "none".to_owned() });
        assert_eq!(store.commit(all).await, Ok(true));
        assert_eq!(store.commit(commit(None, None)).await, Ok(false));
        assert_eq!(store.members(Slot::Directory, "admins", None, 1).await.unwrap(), ["ann"]);
        assert_eq!(store.count_members(Slot::Directory, "admins").await, Ok(1));
        for _ in 0..2 {
            store.untally("ann").await.unwrap();
            store.tally("ann", WINDOW).await.unwrap();
        }
        store.forget_tally("ann").await.unwrap();
    });
}

#[test]
fn a_replica_reads_documents_and_refuses_to_say_what_it_would_write() {
    let master = free_port().to_string();
    let redis = TestRedis::with(&["--replicaof", "127.0.0.1", &master]);
    on_worker(async {
        let store = to(&redis).await;
        let commits = [
            ("one that would change something", commit(None, Some("put"))),
            ("one that changes nothing", commit(None, None)),
            ("one whose expectation does not hold here", commit(Some(b"other"), Some("put"))),
        ];
        for (what, commit) in commits {
            let error = store.commit(commit).await.unwrap_err();
            assert!(error.to_string().contains("READONLY"), "{what}: {error}");
        }
        assert_eq!(store.documents(&[document()]).await, Ok(vec![None]));
        assert!(store.keep(id(1), &record("ann", i64::MAX)).await.is_err());
        assert!(store.tally("ann", WINDOW).await.is_err());
        assert!(store.untally("ann").await.is_err());
        assert!(store.forget_tally("ann").await.is_err());
    });
}
