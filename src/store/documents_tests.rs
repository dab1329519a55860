//! What every store does alike with documents, sets and tallies, as one table that all three are run
//! through.

use std::{cell::Cell, rc::Rc, time::Duration};

use uuid::Uuid;

use super::{
    Store, StoreOrigin,
    documents::{Change, Commit, DocumentKey, Slot},
    testing::{TestRedis, connected, on_worker, record, redis_at, tcp},
    topologies::TestCluster,
};
use crate::config;

/// One step, and what it must give.
enum Step {
    /// What is expected, what changes, and whether it is made.
    Make(Vec<(&'static str, Option<&'static [u8]>)>, Vec<Change>, bool),
    /// The same in an application's slot, with nothing expected.
    MakeInApplication(Vec<Change>),
    /// Documents and what each holds, asked for together.
    Read(Vec<(&'static str, Option<&'static [u8]>)>),
    ReadInApplication(&'static str, Option<&'static [u8]>),
    /// Set, after, limit, members.
    Page(&'static str, Option<&'static str>, usize, Vec<&'static str>),
    Count(&'static str, usize),
    /// Key, count.
    Tally(&'static str, u32),
    Untally(&'static str),
    Forget(&'static str),
}
use Step::*;

const APPLICATION: Slot = Slot::Application(Uuid::from_u128(0xa));
const WINDOW: Duration = Duration::from_secs(600);
const ODD: &str = "user:a b{c}{dir}\"'\\`ä€*[(+-:";

fn put(name: &str, value: &[u8]) -> Change {
    Change::Put { name: name.to_owned(), value: value.to_vec() }
}

fn delete(name: &str) -> Change {
    Change::Delete { name: name.to_owned() }
}

fn add(set: &str, member: &str) -> Change {
    Change::Add { set: set.to_owned(), member: member.to_owned() }
}

fn remove(set: &str, member: &str) -> Change {
    Change::Remove { set: set.to_owned(), member: member.to_owned() }
}

#[rustfmt::skip] // a table is read by column
fn documents() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("what is put is read, replaced and deleted",
            vec![Read(vec![("a", None)]), Make(vec![], vec![put("a", b"1")], true), Read(vec![("a", Some(b"1"))]),
                 Make(vec![], vec![put("a", b"2")], true), Read(vec![("a", Some(b"2"))]),
                 Make(vec![], vec![delete("a")], true), Read(vec![("a", None)])]),
        ("documents come in the order asked for, twice if asked twice",
            vec![Make(vec![], vec![put("a", b"1"), put("b", b"2")], true),
                 Read(vec![("b", Some(b"2")), ("none", None), ("a", Some(b"1")), ("b", Some(b"2"))]), Read(vec![])]),
        ("what is expected absent must be absent",
            vec![Make(vec![("a", None)], vec![put("a", b"1")], true), Make(vec![("a", None)], vec![put("a", b"2")], false), Read(vec![("a", Some(b"1"))])]),
        ("what is expected must be there byte for byte",
            vec![Make(vec![("a", Some(b"1"))], vec![put("a", b"2")], false), Read(vec![("a", None)]),
                 Make(vec![], vec![put("a", b"1")], true), Make(vec![("a", Some(b"1 "))], vec![put("a", b"2")], false),
                 Make(vec![("a", Some(b""))], vec![put("a", b"2")], false), Make(vec![("a", Some(b"1"))], vec![put("a", b"2")], true),
                 Read(vec![("a", Some(b"2"))])]),
        ("an empty document is there",
            vec![Make(vec![], vec![put("a", b"")], true), Read(vec![("a", Some(b""))]), Make(vec![("a", None)], vec![], false), Make(vec![("a", Some(b""))], vec![], true)]),
        ("one expectation that fails stops every change",
            vec![Make(vec![], vec![put("a", b"1"), add("set", "ann")], true),
                 Make(vec![("a", Some(b"1")), ("b", Some(b"2"))], vec![put("c", b"3"), delete("a"), add("set", "bob"), remove("set", "ann")], false),
                 Read(vec![("a", Some(b"1")), ("b", None), ("c", None)]), Page("set", None, 9, vec!["ann"])]),
        ("several changes are made in their order",
            vec![Make(vec![("a", None), ("b", None)], vec![put("a", b"1"), put("b", b"2"), delete("a"), put("c", b"3"), put("c", b"4"), add("set", "ann"), remove("set", "ann")], true),
                 Read(vec![("a", None), ("b", Some(b"2")), ("c", Some(b"4"))]), Count("set", 0)]),
        ("deleting and removing what is not there changes nothing",
            vec![Make(vec![], vec![delete("a"), remove("set", "ann")], true), Read(vec![("a", None)]), Count("set", 0)]),
        ("a commit of nothing is made, and one that only expects tells",
            vec![Make(vec![], vec![], true), Make(vec![("a", None)], vec![], true), Make(vec![("a", Some(b"1"))], vec![], false)]),
        ("values are any bytes",
            vec![Make(vec![], vec![put("a", b"\x00\xff\r\n$-1\r\n\xc3(\0")], true), Make(vec![("a", Some(b"\x00\xff\r\n$-1\r\n\xc3("))], vec![], false),
                 Make(vec![("a", Some(b"\x00\xff\r\n$-1\r\n\xc3(\0"))], vec![], true), Read(vec![("a", Some(b"\x00\xff\r\n$-1\r\n\xc3(\0"))])]),
        ("names are any text",
            vec![Make(vec![(ODD, None), ("", None)], vec![put(ODD, b"1"), put("", b"2"), put("*", b"3"), add("[", ODD)], true),
                 Read(vec![(ODD, Some(b"1")), ("", Some(b"2")), ("*", Some(b"3")), ("a", None)]), Page("[", None, 9, vec![ODD]), Page("[", Some(ODD), 9, vec![]),
                 Make(vec![(ODD, Some(b"1"))], vec![delete(ODD), remove("[", ODD)], true), Read(vec![(ODD, None), ("*", Some(b"3"))]), Count("[", 0)]),
        ("slots share no names and no sets",
            vec![Make(vec![], vec![put("a", b"1"), add("set", "ann")], true), ReadInApplication("a", None), MakeInApplication(vec![put("a", b"2"), add("set", "bob")]),
                 Read(vec![("a", Some(b"1"))]), ReadInApplication("a", Some(b"2")), Page("set", None, 9, vec!["ann"])]),
    ]
}

#[rustfmt::skip] // a table is read by column
fn sets_and_tallies() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("members come in the order of their bytes",
            vec![Make(vec![], ["b", "ä", "a", "B", "", "a b", "aa", "€", "~"].map(|member| add("set", member)).into(), true), Count("set", 9),
                 Page("set", None, 99, vec!["", "B", "a", "a b", "aa", "b", "~", "ä", "€"]), Page("set", None, usize::MAX, vec!["", "B", "a", "a b", "aa", "b", "~", "ä", "€"])]),
        ("a set is read in pages, and a page may begin after what is no member",
            vec![Make(vec![], ["a", "b", "d", "e"].map(|member| add("set", member)).into(), true),
                 Page("set", None, 2, vec!["a", "b"]), Page("set", Some("b"), 2, vec!["d", "e"]), Page("set", Some("c"), 1, vec!["d"]), Page("set", Some("e"), 2, vec![]),
                 Page("set", Some(""), 1, vec!["a"]), Page("set", None, 0, vec![])]),
        ("adding twice changes nothing, and a set ends with its last member",
            vec![Count("set", 0), Page("set", None, 9, vec![]), Make(vec![], vec![add("set", "ann"), add("set", "ann")], true), Make(vec![], vec![add("set", "ann")], true), Count("set", 1),
                 Make(vec![], vec![remove("set", "ann")], true), Count("set", 0), Page("set", None, 9, vec![])]),
        ("a set holds nothing of those beside it",
            vec![Make(vec![], vec![add("set", "ann"), add("se", "bob"), add("set:", "eve"), add("set ", "joe"), add("seu", "kim")], true),
                 Page("set", None, 9, vec!["ann"]), Page("set", Some("z"), 9, vec![]), Count("set", 1), Count("se", 1), Count("set:", 1)]),
        ("tallies count, each for itself",
            vec![Tally("a", 1), Tally("a", 2), Tally(ODD, 1), Tally("", 1), Tally("a", 3), Tally(ODD, 2)]),
        ("a count is taken back, and never more than there are",
            vec![Tally("a", 1), Tally("a", 2), Untally("a"), Tally("a", 2), Untally("a"), Untally("a"), Untally("a"), Tally("a", 1)]),
        ("taking back or forgetting what was never counted is nothing",
            vec![Untally("a"), Forget("a"), Tally("a", 1)]),
        ("what is forgotten is counted anew",
            vec![Tally("a", 1), Tally("b", 1), Tally("a", 2), Forget("a"), Tally("a", 1), Tally("b", 2)]),
    ]
}

fn behaviours() -> Vec<(&'static str, Vec<Step>)> {
    documents().into_iter().chain(sets_and_tallies()).collect()
}

fn owned(value: Option<&[u8]>) -> Option<Vec<u8>> {
    value.map(<[u8]>::to_vec)
}

fn key(slot: Slot, name: &str) -> DocumentKey {
    DocumentKey { slot, name: name.to_owned() }
}

async fn behaves(what: &str, store: &Store, steps: Vec<Step>) {
    let slot = Slot::Directory;
    for (number, step) in steps.into_iter().enumerate() {
        let place = format!("{what}, step {number}");
        match step {
            Make(expects, changes, made) => {
                let expects =
                    expects.into_iter().map(|(name, value)| (name.to_owned(), owned(value)));
                let commit = Commit { slot, expects: expects.collect(), changes };
                assert_eq!(store.commit(commit).await.unwrap(), made, "{place}");
            }
            MakeInApplication(changes) => {
                let commit = Commit { slot: APPLICATION, expects: Vec::new(), changes };
                assert!(store.commit(commit).await.unwrap(), "{place}");
            }
            Read(expected) => {
                let keys: Vec<_> = expected.iter().map(|(name, _)| key(slot, name)).collect();
                let values: Vec<_> = expected.iter().map(|&(_, value)| owned(value)).collect();
                assert_eq!(store.documents(&keys).await.unwrap(), values, "{place}");
            }
            ReadInApplication(name, value) => {
                let found = store.documents(&[key(APPLICATION, name)]).await.unwrap();
                assert_eq!(found, [owned(value)], "{place}");
            }
            Page(set, after, limit, members) => {
                let found = store.members(slot, set, after, limit).await.unwrap();
                assert_eq!(found, members, "{place}");
            }
            Count(set, count) => {
                assert_eq!(store.count_members(slot, set).await.unwrap(), count, "{place}");
            }
            Tally(key, count) => {
                let tally = store.tally(key, WINDOW).await.unwrap();
                assert_eq!(tally.count, count, "{place}");
                assert!(tally.left <= WINDOW && tally.left > WINDOW / 2, "{place}: {tally:?}");
                // A window that runs keeps its end, whatever is asked for.
                store.untally(key).await.unwrap();
                let tally = store.tally(key, WINDOW * 9).await.unwrap();
                assert!(tally.count == count && tally.left <= WINDOW, "{place}: {tally:?}");
            }
            Untally(key) => store.untally(key).await.unwrap(),
            Forget(key) => store.forget_tally(key).await.unwrap(),
        }
    }
}

/// A record is kept as it is, whatever its principal's state.
async fn keeps(store: &Store) {
    let id = Uuid::from_u128(1);
    let issued = store.issue(id, record("ann", i64::MAX)).await.unwrap();
    let mut own = record("org:acme", i64::MAX);
    own.generation = issued.generation ^ 1;
    store.keep(id, &own).await.unwrap();
    assert_eq!(store.token(id).await.unwrap(), Some(own));
    assert_eq!(store.principal("org:acme").await.unwrap(), None);
}

/// Of 50 commits at once that all want a name to be free, over `stores` in turn, one is made.
async fn agrees(stores: &[Store]) {
    let made = Rc::new(Cell::new(0));
    let tries: Vec<_> = (0..50_u8)
        .map(|number| {
            let (store, made) =
                (stores[usize::from(number) % stores.len()].clone(), Rc::clone(&made));
            let changes = vec![put("name", &[number]), add("taken", &number.to_string())];
            let expects = vec![("name".to_owned(), None)];
            let commit = Commit { slot: Slot::Directory, expects, changes };
            tokio::task::spawn_local(async move {
                if store.commit(commit).await.unwrap() {
                    made.set(made.get() + 1);
                    return Some(vec![number]);
                }
                None
            })
        })
        .collect();
    let mut winner = None;
    for attempt in tries {
        winner = attempt.await.unwrap().or(winner);
    }
    assert_eq!(made.get(), 1);
    let found = stores[0].documents(&[key(Slot::Directory, "name")]).await.unwrap();
    assert_eq!(found, [winner]);
    assert_eq!(stores[0].count_members(Slot::Directory, "taken").await.unwrap(), 1);
}

#[test]
fn the_memory_keeps_documents() {
    on_worker(async {
        let open = || {
            StoreOrigin::open(&config::Store::Memory)
                .unwrap()
                .attach(&std::sync::Arc::default(), |_| {})
        };
        for (what, steps) in behaviours() {
            behaves(what, &open(), steps).await;
        }
        keeps(&open()).await;
        agrees(&[open()]).await;
    });
}

#[test]
fn the_file_keeps_documents() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let path = folder.path().join(format!("{name}.redb"));
        StoreOrigin::open(&config::Store::File(path))
            .unwrap()
            .attach(&std::sync::Arc::default(), |_| {})
    };
    on_worker(async {
        for (number, (what, steps)) in behaviours().into_iter().enumerate() {
            behaves(what, &open(&number.to_string()), steps).await;
        }
        keeps(&open("keeps")).await;
        agrees(&[open("agrees")]).await;
    });
}

fn redis_at_keeps_documents(address: &config::RedisAddress) {
    let open = |prefix: &str| {
        let mut config = redis_at(address.clone());
        config.prefix = format!("{prefix}:");
        connected(
            StoreOrigin::open(&config::Store::Redis(Box::new(config)))
                .unwrap()
                .attach(&std::sync::Arc::default(), |_| {}),
        )
    };
    on_worker(async {
        for (number, (what, steps)) in behaviours().into_iter().enumerate() {
            behaves(what, &open(&number.to_string()).await, steps).await;
        }
        keeps(&open("keeps").await).await;
        agrees(&[open("agrees").await, open("agrees").await]).await;
    });
}

#[test]
fn redis_keeps_documents() {
    let redis = TestRedis::start();
    redis_at_keeps_documents(&tcp(redis.port));
}

#[test]
fn a_cluster_keeps_documents() {
    let redis = TestCluster::start();
    redis_at_keeps_documents(&redis.address());
}
