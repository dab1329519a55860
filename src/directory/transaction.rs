//! Changing documents: read, change, write if nothing that was read has changed meanwhile, and else
//! again from the start.
//!
//! Invariant: a cached answer about a document counts no more once a write of it was acknowledged, nor
//! after one of which nobody knows whether it was made.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{Directory, DirectoryError, keys};
use crate::{
    fences::{Fence, Fences},
    store::{
        StoreError,
        documents::{Change, Commit, DocumentKey, Slot},
    },
};

/// Tries until a transaction finds what it has read unchanged. Each failure means that another
/// succeeded: so many in a row are a storm.
const TRIES: usize = 100;

/// Largest document, bytes: what a caller may make every look-up of it read.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// And the largest table of roles and groups, which every look-up of its tenant reads.
const TABLE_BYTES_MAX: usize = 1024 * 1024;

/// Longest pause before the next try, milliseconds.
const PAUSE_MAX_MS: u64 = 20;

/// One try to change documents of one slot.
pub(crate) struct Transaction<'d> {
    directory: &'d Directory,
    slot: Slot,
    read: Vec<(String, Option<Vec<u8>>)>,
    changes: Vec<Change>,
}

impl Directory {
    /// Runs `body` until what it has read is unchanged when its changes are made. A body that fails
    /// changes nothing.
    pub(crate) async fn transact<R>(
        &self,
        slot: Slot,
        body: impl AsyncFn(&mut Transaction<'_>) -> Result<R, DirectoryError>,
    ) -> Result<R, DirectoryError> {
        for number in 0..TRIES {
            let mut transaction =
                Transaction { directory: self, slot, read: Vec::new(), changes: Vec::new() };
            let result = match body(&mut transaction).await {
                Ok(result) => result,
                Err(gone @ DirectoryError::Missing { .. }) => {
                    // Whoever removed it may not have been told so: what is said of it now has to last.
                    self.store.confirm(slot).await?;
                    return Err(gone);
                }
                Err(error) => return Err(error),
            };
            if transaction.commit().await? {
                return Ok(result);
            }
            let random = u64::from(getrandom::u32().unwrap_or(0));
            let pause = random % (1 + PAUSE_MAX_MS.min(number as u64));
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(DirectoryError::Contended)
    }

    /// The document under `key`, as the store has it now.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        key: &DocumentKey,
    ) -> Result<Option<T>, StoreError> {
        let mut found = self.store.documents(std::slice::from_ref(key)).await?;
        found.pop().flatten().map(|json| parse(&json)).transpose()
    }

    /// The documents under `keys`, those that are there.
    pub(crate) async fn read_all<T: DeserializeOwned>(
        &self,
        keys: &[DocumentKey],
    ) -> Result<Vec<T>, StoreError> {
        let found = self.store.documents(keys).await?;
        found.into_iter().flatten().map(|json| parse(&json)).collect()
    }
}

impl Transaction<'_> {
    /// The document under `key`, which must not change before the commit; nor may one that is not
    /// there come to be.
    pub(crate) async fn get<T: DeserializeOwned>(
        &mut self,
        key: &DocumentKey,
    ) -> Result<Option<T>, StoreError> {
        debug_assert_eq!(key.slot, self.slot, "a transaction is about one slot");
        let mut found = self.directory.store.documents(std::slice::from_ref(key)).await?;
        let json = found.pop().flatten();
        let value = json.as_deref().map(parse).transpose()?;
        self.read.push((key.name.clone(), json));
        Ok(value)
    }

    /// Writes a document.
    pub(crate) fn put(
        &mut self,
        key: &DocumentKey,
        value: &impl Serialize,
    ) -> Result<(), DirectoryError> {
        let value = serde_json::to_vec(value).map_err(|_| bad_document())?;
        let most = if key.name == keys::ROLES { TABLE_BYTES_MAX } else { DOCUMENT_BYTES_MAX };
        if value.len() > most {
            return Err(DirectoryError::invalid(format!(
                "this would take more than {} KiB to keep; it has too many properties, or too long ones",
                most / 1024
            )));
        }
        self.changes.push(Change::Put { name: key.name.clone(), value });
        Ok(())
    }

    /// Removes a document.
    pub(crate) fn delete(&mut self, key: &DocumentKey) {
        self.changes.push(Change::Delete { name: key.name.clone() });
    }

    /// Adds a member to a set.
    pub(crate) fn add(&mut self, set: impl Into<String>, member: impl Into<String>) {
        self.changes.push(Change::Add { set: set.into(), member: member.into() });
    }

    /// Removes a member from a set.
    pub(crate) fn remove(&mut self, set: impl Into<String>, member: impl Into<String>) {
        self.changes.push(Change::Remove { set: set.into(), member: member.into() });
    }

    async fn commit(self) -> Result<bool, StoreError> {
        if self.changes.is_empty() {
            // It is as it should be, and whoever made it so may not have been told.
            self.directory.store.confirm(self.slot).await?;
            return Ok(true);
        }
        let fences = &self.directory.fences;
        let fence = |name: &String| {
            let key = DocumentKey { slot: self.slot, name: name.clone() };
            fences.of_document(&key.to_string())
        };
        let moved = self.changes.iter().filter_map(|change| match change {
            Change::Put { name, .. } | Change::Delete { name } => Some(fence(name)),
            Change::Add { .. } | Change::Remove { .. } => None,
        });
        let _bump = BumpAtEnd { fences, moved: moved.collect() };
        let commit = Commit { slot: self.slot, expects: self.read, changes: self.changes };
        self.directory.store.commit(commit).await
    }
}

/// Moves fences when dropped: after the store's acknowledgement and before ours, and also when nobody
/// waits for it any more.
pub(super) struct BumpAtEnd<'a> {
    pub(super) fences: &'a Fences,
    pub(super) moved: Vec<Fence>,
}

impl Drop for BumpAtEnd<'_> {
    fn drop(&mut self) {
        for fence in &self.moved {
            self.fences.bump(*fence);
        }
    }
}

/// A document, or [`StoreError::BadRecord`].
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|_| bad_document())
}

fn bad_document() -> StoreError {
    StoreError::BadRecord { field: "document of the directory".to_owned() }
}
