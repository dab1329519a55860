//! Records in this process's memory: for tests, and for trying things out. Gone when it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use uuid::Uuid;

use super::{StoreError, first_generation};
use crate::token::{
    record::{PrincipalState, TokenRecord},
    ttl::{record_expiry_ms, unix_ms},
};

/// How this store is called in errors and in `/readyz`.
pub(super) const NAME: &str = "memory:";

/// Most tokens and most principals, each: some 300 MB of them. A store that is meant for trying out
/// must not be what ends the process.
const ENTRIES_MAX: usize = 500_000;

/// Issues between two sweeps: each then drops about what was added since the last.
const SWEEP_EVERY: usize = 1_024;

/// The maps, shared by all workers.
#[derive(Clone, Default)]
pub struct MemoryStore {
    maps: Arc<Mutex<Maps>>,
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
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere leaves whole entries behind: every change below is one map operation.
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
        maps.issues += 1;
        if maps.issues.is_multiple_of(SWEEP_EVERY) || maps.tokens.len() >= ENTRIES_MAX {
            maps.sweep(unix_ms(SystemTime::now()));
        }
        if maps.tokens.len() >= ENTRIES_MAX || maps.principals.len() >= ENTRIES_MAX {
            return Err(failed("it is full"));
        }
        let fresh = PrincipalState { generation: first, active: true };
        record.generation =
            maps.principals.entry(record.subject.clone()).or_insert(fresh).generation;
        maps.tokens.insert(id, record.clone());
        Ok(record)
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
}

impl Maps {
    fn sweep(&mut self, now_ms: i64) {
        self.tokens
            .retain(|_, record| record_expiry_ms(record.expires_ms).is_none_or(|at| at > now_ms));
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
