//! Records in this process's memory: for tests, and for trying things out. Gone when it ends.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::{
    StoreError,
    documents::{Change, Commit, DocumentKey, Slot, Tally},
    first_generation,
    tallies::Tallies,
};
use crate::token::{
    record::{PrincipalState, TokenRecord},
    ttl::{record_expiry_ms, unix_ms},
};

/// How this store is called in errors and in `/readyz`.
pub(super) const NAME: &str = "memory:";

/// Most tokens, principals, documents and members of sets, each: some 300 MB of tokens. A store that is meant for trying out
/// must not be what ends the process.
const ENTRIES_MAX: usize = 500_000;

/// Issues between two sweeps: each then drops about what was added since the last.
const SWEEP_EVERY: usize = 1_024;

/// The maps, shared by all workers.
#[derive(Clone, Default)]
pub struct MemoryStore {
    maps: Arc<Mutex<Maps>>,
    tallies: Arc<Tallies>,
}

impl std::fmt::Debug for MemoryStore {
    /// Without the records: there may be half a million.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[derive(Default)]
struct Maps {
    tokens: HashMap<Uuid, TokenRecord>,
    principals: HashMap<String, PrincipalState>,
    issues: usize,
    /// By slot and name.
    documents: BTreeMap<String, Vec<u8>>,
    /// The members of sets by the set's slot and name, and how many there are in all.
    sets: BTreeMap<String, BTreeSet<String>>,
    members: usize,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere leaves whole entries behind: nothing below can end within a change.
    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn token(&self, id: Uuid) -> Option<TokenRecord> {
        self.maps().tokens.get(&id).cloned()
    }

    pub(super) fn principal(&self, subject: &str) -> Option<PrincipalState> {
        self.maps().principals.get(subject).copied()
    }

    pub(super) fn issue(
        &self,
        id: Uuid,
        mut record: TokenRecord,
    ) -> Result<TokenRecord, StoreError> {
        let first = first_generation(NAME)?;
        let mut maps = self.maps();
        maps.make_room()?;
        let fresh = PrincipalState { generation: first, active: true };
        record.generation =
            maps.principals.entry(record.subject.clone()).or_insert(fresh).generation;
        maps.tokens.insert(id, record.clone());
        Ok(record)
    }

    pub(super) fn keep(&self, id: Uuid, record: &TokenRecord) -> Result<(), StoreError> {
        let mut maps = self.maps();
        maps.make_room()?;
        maps.tokens.insert(id, record.clone());
        Ok(())
    }

    pub(super) fn revoke(&self, id: Uuid) -> bool {
        self.maps().tokens.remove(&id).is_some()
    }

    pub(super) fn revoke_all(&self, subject: &str) -> Result<bool, StoreError> {
        self.change(subject, |state| {
            Some(PrincipalState { generation: state.generation.checked_add(1)?, ..state })
        })
    }

    pub(super) fn set_active(&self, subject: &str, active: bool) -> Result<bool, StoreError> {
        self.change(subject, |state| {
            let generation = state.generation.checked_add(u64::from(!active))?;
            Some(PrincipalState { generation, active })
        })
    }

    fn change(
        &self,
        subject: &str,
        change: impl FnOnce(PrincipalState) -> Option<PrincipalState>,
    ) -> Result<bool, StoreError> {
        let mut maps = self.maps();
        let Some(state) = maps.principals.get_mut(subject) else { return Ok(false) };
        *state = change(*state).ok_or_else(|| failed("a generation is at its end"))?;
        Ok(true)
    }

    pub(super) fn documents(&self, keys: &[DocumentKey]) -> Vec<Option<Vec<u8>>> {
        let maps = self.maps();
        keys.iter().map(|key| maps.documents.get(&key.slot.key(&key.name)).cloned()).collect()
    }

    pub(super) fn commit(&self, commit: Commit) -> Result<bool, StoreError> {
        let mut maps = self.maps();
        let holds = |(name, expected): &(String, Option<Vec<u8>>)| {
            maps.documents.get(&commit.slot.key(name)) == expected.as_ref()
        };
        if !commit.expects.iter().all(holds) {
            return Ok(false);
        }
        // As if all that is written were new: near the end, a little early. Removing always works.
        let written = commit.changes.iter().filter(|change| writes(change)).count();
        if written > 0 && maps.documents.len().max(maps.members) + written > ENTRIES_MAX {
            return Err(failed("it is full"));
        }
        for change in commit.changes {
            maps.change(commit.slot, change);
        }
        Ok(true)
    }

    pub(super) fn members(
        &self,
        slot: Slot,
        set: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<String> {
        let maps = self.maps();
        let Some(members) = maps.sets.get(&slot.key(set)) else { return Vec::new() };
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        members.range::<str, _>((first, Bound::Unbounded)).take(limit).cloned().collect()
    }

    pub(super) fn count_members(&self, slot: Slot, set: &str) -> usize {
        self.maps().sets.get(&slot.key(set)).map_or(0, BTreeSet::len)
    }

    pub(super) fn tally(&self, key: &str, window: Duration) -> Result<Tally, StoreError> {
        self.tallies.tally(key, window).ok_or_else(|| failed("too much is counted"))
    }

    pub(super) fn tallied(&self, key: &str) -> u32 {
        self.tallies.tallied(key)
    }

    pub(super) fn untally(&self, key: &str) {
        self.tallies.untally(key);
    }

    pub(super) fn forget_tally(&self, key: &str) {
        self.tallies.forget(key);
    }
}

impl Maps {
    /// Sweeps now and then and when there is no room for a token; fails when there is none after
    /// that either.
    fn make_room(&mut self) -> Result<(), StoreError> {
        self.issues += 1;
        if self.issues.is_multiple_of(SWEEP_EVERY) || self.tokens.len() >= ENTRIES_MAX {
            self.sweep(unix_ms(SystemTime::now()));
        }
        if self.tokens.len() >= ENTRIES_MAX || self.principals.len() >= ENTRIES_MAX {
            return Err(failed("it is full"));
        }
        Ok(())
    }

    fn change(&mut self, slot: Slot, change: Change) {
        match change {
            Change::Put { name, value } => {
                self.documents.insert(slot.key(&name), value);
            }
            Change::Delete { name } => {
                self.documents.remove(&slot.key(&name));
            }
            Change::Add { set, member } => {
                let added = self.sets.entry(slot.key(&set)).or_default().insert(member);
                self.members += usize::from(added);
            }
            Change::Remove { set, member } => {
                let key = slot.key(&set);
                let Some(members) = self.sets.get_mut(&key) else { return };
                self.members -= usize::from(members.remove(&member));
                if members.is_empty() {
                    self.sets.remove(&key);
                }
            }
        }
    }

    fn sweep(&mut self, now_ms: i64) {
        self.tokens
            .retain(|_, record| record_expiry_ms(record.expires_ms).is_none_or(|at| at > now_ms));
    }
}

fn writes(change: &Change) -> bool {
    match change {
        Change::Put { .. } | Change::Add { .. } => true,
        Change::Delete { .. } | Change::Remove { .. } => false,
    }
}

fn failed(cause: &str) -> StoreError {
    StoreError::Failed { store: NAME.to_owned(), cause: cause.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::record;

    #[test]
    fn expired_records_are_swept_and_others_stay() {
        let store = MemoryStore::new();
        let now = unix_ms(SystemTime::now());
        let gone = record("ann", now - 120_000);
        let kept = record("ann", i64::MAX);
        store.issue(Uuid::from_u128(1), gone).unwrap();
        store.issue(Uuid::from_u128(2), kept).unwrap();
        store.maps().sweep(now);
        assert!(store.token(Uuid::from_u128(1)).is_none());
        assert!(store.token(Uuid::from_u128(2)).is_some());
        assert!(store.principal("ann").is_some(), "a state outlives its tokens");
    }
}
