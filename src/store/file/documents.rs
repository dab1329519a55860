//! Documents and sets in the file: two tables, written by its writer like all else.

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadableTable as _, StorageError, Table, TableDefinition, TableError};

use super::{
    FileStore,
    writer::{self, Write},
};
use crate::store::{
    StoreError,
    documents::{Change, Commit, DocumentKey, Slot},
};

/// Documents by slot and name.
pub(super) const DOCUMENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("documents");
/// The members of sets, by the slot and name of the set and then by their bytes.
pub(super) const MEMBERS: TableDefinition<'_, (&str, &str), ()> = TableDefinition::new("members");

/// Both tables, in a transaction of the writer.
pub(super) struct Tables<'t> {
    documents: Table<'t, &'static str, &'static [u8]>,
    members: Table<'t, (&'static str, &'static str), ()>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(write: &'t redb::WriteTransaction) -> Result<Self, TableError> {
        Ok(Self { documents: write.open_table(DOCUMENTS)?, members: write.open_table(MEMBERS)? })
    }

    /// Makes a commit on what the transaction has already changed. `false`: something expected does
    /// not hold, and nothing of it was made.
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<bool, StorageError> {
        for (name, expected) in &commit.expects {
            let found = self.documents.get(commit.slot.key(name).as_str())?;
            if found.as_ref().map(redb::AccessGuard::value) != expected.as_deref() {
                return Ok(false);
            }
        }
        for change in &commit.changes {
            self.change(commit.slot, change)?;
        }
        Ok(true)
    }

    fn change(&mut self, slot: Slot, change: &Change) -> Result<(), StorageError> {
        match change {
            Change::Put { name, value } => {
                self.documents.insert(slot.key(name).as_str(), value.as_slice())?;
            }
            Change::Delete { name } => {
                self.documents.remove(slot.key(name).as_str())?;
            }
            Change::Add { set, member } => {
                self.members.insert((slot.key(set).as_str(), member.as_str()), ())?;
            }
            Change::Remove { set, member } => {
                self.members.remove((slot.key(set).as_str(), member.as_str()))?;
            }
        }
        Ok(())
    }
}

impl FileStore {
    /// All as they were at one moment.
    pub(in crate::store) fn documents(
        &self,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let table = self.table(DOCUMENTS)?;
        let document = |key: &DocumentKey| -> Result<_, StorageError> {
            let found = table.get(key.slot.key(&key.name).as_str())?;
            Ok(found.map(|document| document.value().to_vec()))
        };
        keys.iter().map(document).collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    pub(in crate::store) async fn commit(&self, commit: Commit) -> Result<bool, StoreError> {
        let change = writer::Change::Commit(commit);
        Ok(self.write(|answer| Write { change, answer }).await?.found)
    }

    pub(in crate::store) fn members(
        &self,
        slot: Slot,
        set: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let table = self.table(MEMBERS)?;
        let members = || -> Result<Vec<String>, StorageError> {
            let found = members_of(&table, &slot.key(set), after)?;
            found.take(limit).map(|entry| Ok(entry?.0.value().1.to_owned())).collect()
        };
        members().map_err(|error| self.failed(error))
    }

    /// Walks the set: the file keeps no counts.
    pub(in crate::store) fn count_members(
        &self,
        slot: Slot,
        set: &str,
    ) -> Result<usize, StoreError> {
        let table = self.table(MEMBERS)?;
        let count = || {
            let mut found = members_of(&table, &slot.key(set), None)?;
            found.try_fold(0, |count, entry| entry.map(|_| count + 1))
        };
        count().map_err(|error: StorageError| self.failed(error))
    }
}

/// The members of `set` that come after `after`, in the order of their bytes.
fn members_of(
    table: &ReadOnlyTable<(&'static str, &'static str), ()>,
    set: &str,
    after: Option<&str>,
) -> Result<redb::Range<'static, (&'static str, &'static str), ()>, StorageError> {
    let first = match after {
        Some(after) => Bound::Excluded((set, after)),
        None => Bound::Included((set, "")),
    };
    let next_set = format!("{set}\0"); // nothing sorts between a text and this
    table.range::<(&str, &str)>((first, Bound::Excluded((next_set.as_str(), ""))))
}
