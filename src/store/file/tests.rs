use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::store::{
    documents::{Change as DocumentChange, Commit, DocumentKey, Slot},
    testing::{on_worker, record},
};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[track_caller]
fn refusal(path: &Path) -> String {
    FileStore::open(path).unwrap_err().to_string()
}

#[test]
fn acknowledged_writes_are_there_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.redb");
    on_worker(async {
        let store = FileStore::open(&path).unwrap();
        let kept = store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        store.issue(id(2), record("ann", i64::MAX)).await.unwrap();
        store.revoke(id(2)).await.unwrap();
        drop(store);

        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.token(id(1)).unwrap(), Some(kept));
        assert_eq!(store.token(id(2)).unwrap(), None);
    });
}

#[test]
fn many_writers_are_all_answered() {
    let folder = tempfile::tempdir().unwrap();
    on_worker(async {
        let store = FileStore::open(&folder.path().join("tollgate.redb")).unwrap();
        let issues: Vec<_> = (0..200)
            .map(|number| {
                let store = store.clone();
                let record = record(&format!("user{}", number % 7), i64::MAX);
                tokio::task::spawn_local(async move { store.issue(id(number), record).await })
            })
            .collect();
        for issue in issues {
            issue.await.unwrap().unwrap();
        }
        for number in 0..200 {
            assert!(store.token(id(number)).unwrap().is_some());
        }
    });
}

#[test]
fn a_second_opener_is_told_whom_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.redb");
    let _first = FileStore::open(&path).unwrap();
    let refusal = refusal(&path);
    assert!(refusal.contains("in use") && refusal.contains("admin listener"), "{refusal}");
}

#[test]
fn only_its_owner_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.redb");
    let _store = FileStore::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.redb");
    drop(FileStore::open(&path).unwrap());
    let database = Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert("format", FORMAT + 1).unwrap();
    write.commit().unwrap();
    drop(database);
    let refusal = refusal(&path);
    assert!(refusal.contains("has format 3"), "{refusal}");
}

#[test]
fn a_file_without_documents_gets_tables_for_them_and_keeps_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.redb");
    let kept = on_worker(async {
        let store = FileStore::open(&path).unwrap();
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap()
    });
    let database = Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    assert!(write.delete_table(documents::DOCUMENTS).unwrap());
    assert!(write.delete_table(documents::MEMBERS).unwrap());
    write.open_table(META).unwrap().insert("format", FORMAT_WITHOUT_DOCUMENTS).unwrap();
    write.commit().unwrap();
    drop(database);

    for _ in 0..2 {
        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.token(id(1)).unwrap(), Some(kept.clone()));
        assert_eq!(store.count_members(Slot::Directory, "admins").unwrap(), 0);
        let table = store.table(META).unwrap();
        assert_eq!(table.get("format").unwrap().unwrap().value(), FORMAT);
    }
}

#[test]
fn acknowledged_documents_are_there_after_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.redb");
    let (slot, name, set) = (Slot::Directory, "admin:ann".to_owned(), "admins".to_owned());
    let key = DocumentKey { slot, name: name.clone() };
    on_worker(async {
        let store = FileStore::open(&path).unwrap();
        let changes = vec![
            DocumentChange::Put { name, value: vec![0, 255] },
            DocumentChange::Add { set, member: "ann".to_owned() },
        ];
        assert!(store.commit(Commit { slot, expects: Vec::new(), changes }).await.unwrap());
        drop(store);

        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.documents(&[key]).unwrap(), [Some(vec![0, 255])]);
        assert_eq!(store.members(slot, "admins", None, 9).unwrap(), ["ann"]);
    });
}

#[test]
fn what_is_no_store_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();

    let text = folder.path().join("notes.txt");
    let notes = "not a database. ".repeat(1_000);
    fs::write(&text, &notes).unwrap();
    assert!(refusal(&text).contains("is not a store of tollgate"), "{}", refusal(&text));
    assert_eq!(fs::read_to_string(&text).unwrap(), notes);

    let other = folder.path().join("other.redb");
    let database = Database::create(&other).unwrap();
    let write = database.begin_write().unwrap();
    let table: TableDefinition<'_, &str, &str> = TableDefinition::new("theirs");
    write.open_table(table).unwrap().insert("a", "b").unwrap();
    write.commit().unwrap();
    drop(database);
    assert!(refusal(&other).contains("is not a store of tollgate"), "{}", refusal(&other));

    let missing = folder.path().join("no/such/folder/tollgate.redb");
    assert!(refusal(&missing).contains("No such file"), "{}", refusal(&missing));
}

#[test]
fn expired_records_are_swept_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    on_worker(async {
        let store = FileStore::open(&folder.path().join("tollgate.redb")).unwrap();
        store.issue(id(1), record("ann", 1_000)).await.unwrap();
        store.issue(id(2), record("ann", 2_000)).await.unwrap();
        store.issue(id(3), record("ann", i64::MAX)).await.unwrap();
        // Issued again for longer: its first expiry must not end it.
        store.issue(id(4), record("ann", 1_000)).await.unwrap();
        store.issue(id(4), record("ann", 9_000)).await.unwrap();

        assert_eq!(writer::sweep(&store.open.database, 61_000).unwrap(), 1);
        let left: Vec<bool> = (1..=4).map(|n| store.token(id(n)).unwrap().is_some()).collect();
        assert_eq!(left, [false, true, true, true]);
        assert_eq!(writer::sweep(&store.open.database, 61_000).unwrap(), 0);
        assert!(store.principal("ann").unwrap().is_some());
    });
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_not_an_unknown_token() {
    let folder = tempfile::tempdir().unwrap();
    on_worker(async {
        let store = FileStore::open(&folder.path().join("tollgate.redb")).unwrap();
        store.issue(id(1), record("ann", i64::MAX)).await.unwrap();
        let write = store.open.database.begin_write().unwrap();
        let broken: &[u8] = b"{\"generation\":";
        write.open_table(TOKENS).unwrap().insert(1, broken).unwrap();
        write.open_table(PRINCIPALS).unwrap().insert("ann", broken).unwrap();
        write.commit().unwrap();
        let bad = StoreError::bad_record("JSON");
        assert_eq!(store.token(id(1)).unwrap_err(), bad);
        assert_eq!(store.principal("ann").unwrap_err(), bad);
        assert_eq!(store.revoke_all("ann").await.unwrap_err(), bad);
        assert_eq!(store.issue(id(2), record("ann", 1)).await.unwrap_err(), bad);
        assert!(store.issue(id(3), record("bob", 1)).await.is_ok(), "one bad record is one error");
    });
}
