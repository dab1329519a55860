//! The one thread that writes to the file: gathers, commits once, answers all.
//!
//! Invariant: nobody is answered before the transaction that holds their change is on the disk.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant, SystemTime},
};

use redb::{Database, ReadableTable as _, Table};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{EXPIRIES, PRINCIPALS, TOKENS, disk::Disk, documents, parse};
use crate::{
    store::{StoreError, documents::Commit},
    token::{
        record::{PrincipalState, TokenRecord},
        ttl::{record_expiry_ms, unix_ms},
    },
};

/// Changes in one transaction. Bounds how long the first of them waits for the last.
const GATHERED_MAX: usize = 1_024;
/// Between two sweeps of what has expired.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Between two looks whether a full disk has room again.
const CATCH_UP_EVERY: Duration = Duration::from_millis(250);
/// Records forgotten in one sweep: some milliseconds, during which writes wait.
const SWEEP_MAX: usize = 10_000;

/// What to change.
pub(super) enum Change {
    Issue { id: Uuid, record: TokenRecord, first: u64 },
    Keep { id: Uuid, record: TokenRecord },
    Revoke { id: Uuid },
    RevokeAll { subject: String },
    SetActive { subject: String, active: bool },
    Commit(Commit),
}

/// A change, and who waits for it.
pub(super) struct Write {
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// What a change did.
#[derive(Default)]
pub(super) struct Written {
    /// What was to be changed was there; for a commit: all that was expected was.
    pub(super) found: bool,
    /// What was issued, as kept.
    pub(super) record: Option<TokenRecord>,
}

pub(super) type Outcome = Result<Written, StoreError>;

/// Why nothing can be written, and since when.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) since: SystemTime,
    pub(super) cause: String,
    /// Whether records can still be read.
    pub(super) reads: bool,
}

/// The thread's own.
pub(super) struct Writer {
    pub(super) database: Arc<Database>,
    pub(super) disk: Disk,
    pub(super) name: String,
    pub(super) trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Writer {
    /// Writes until the last handle of the store is dropped and the queue is empty.
    pub(super) fn run(&self, queue: &Receiver<Write>) {
        let mut sweep_at = Instant::now() + SWEEP_EVERY;
        loop {
            let idle = sweep_at.saturating_duration_since(Instant::now());
            let idle = if self.disk.is_behind() { idle.min(CATCH_UP_EVERY) } else { idle };
            let mut gathered = match queue.recv_timeout(idle) {
                Ok(first) => vec![first],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if !gathered.is_empty() {
                gathered.extend(queue.try_iter().take(GATHERED_MAX - 1));
                self.commit(gathered);
            }
            if self.has_room().is_ok() && sweep_at <= Instant::now() {
                // What cannot be swept now is swept later; it is expired either way.
                let _ = sweep(&self.database, unix_ms(SystemTime::now()));
                sweep_at = Instant::now() + SWEEP_EVERY;
            }
        }
    }

    /// Makes all changes in one transaction and answers once it is synced. If it fails, none counts as
    /// made, and all are told so.
    fn commit(&self, gathered: Vec<Write>) {
        let (changes, answers): (Vec<_>, Vec<_>) =
            gathered.into_iter().map(|write| (write.change, write.answer)).unzip();
        let outcomes = self.has_room().and_then(|()| {
            let outcomes = apply_all(&self.database, changes).map_err(|error| self.broken(&error));
            self.has_room().and(outcomes)
        });
        match outcomes {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(outcome); // nobody waits any more: it is written all the same
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Whether all that was written is on the disk, after another try of what is not.
    fn has_room(&self) -> Result<(), StoreError> {
        if !self.disk.is_behind() {
            return Ok(());
        }
        match self.disk.catch_up() {
            Ok(()) => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(())
            }
            Err(error) => Err(self.troubled(format!("its disk takes no more: {error}"), true)),
        }
    }

    /// The database has failed for good: it has to be opened again.
    fn broken(&self, error: &redb::Error) -> StoreError {
        self.troubled(format!("{error}; restart the gateway when its disk works again"), false)
    }

    fn troubled(&self, cause: String, reads: bool) -> StoreError {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let since = trouble.as_ref().map_or_else(SystemTime::now, |trouble| trouble.since);
        *trouble = Some(Trouble { since, cause: cause.clone(), reads });
        StoreError::Failed { store: self.name.clone(), cause }
    }
}

fn apply_all(database: &Database, changes: Vec<Change>) -> Result<Vec<Outcome>, redb::Error> {
    let write = database.begin_write()?; // durable by default: commit returns after the sync
    let mut outcomes = Vec::with_capacity(changes.len());
    {
        let mut tables = Tables {
            tokens: write.open_table(TOKENS)?,
            principals: write.open_table(PRINCIPALS)?,
            expiries: write.open_table(EXPIRIES)?,
            documents: documents::Tables::open(&write)?,
        };
        for change in changes {
            outcomes.push(match tables.apply(change) {
                Ok(written) => Ok(written),
                Err(Fault::Record(error)) => Err(error),
                Err(Fault::File(error)) => return Err(error),
            });
        }
    }
    write.commit()?;
    Ok(outcomes)
}

struct Tables<'t> {
    tokens: Table<'t, u128, &'static [u8]>,
    principals: Table<'t, &'static str, &'static [u8]>,
    expiries: Table<'t, (i64, u128), ()>,
    documents: documents::Tables<'t>,
}

/// Either one change cannot be made, and nothing of it was; or the file is at fault, and nothing of
/// the whole transaction may be kept.
enum Fault {
    Record(StoreError),
    File(redb::Error),
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        Self::File(error.into())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Record(error)
    }
}

impl Tables<'_> {
    fn apply(&mut self, change: Change) -> Result<Written, Fault> {
        match change {
            Change::Issue { id, record, first } => self.issue(id, record, first),
            Change::Keep { id, record } => {
                self.keep(id, &record)?;
                Ok(Written { found: true, record: None })
            }
            Change::Commit(commit) => {
                Ok(Written { found: self.documents.commit(&commit)?, record: None })
            }
            Change::Revoke { id } => self.revoke(id),
            Change::RevokeAll { subject } => self.change(&subject, |state| {
                let generation = state.generation.checked_add(1)?;
                Some(PrincipalState { generation, ..state })
            }),
            Change::SetActive { subject, active } => self.change(&subject, |state| {
                let generation = state.generation.checked_add(u64::from(!active))?;
                Some(PrincipalState { generation, active })
            }),
        }
    }

    fn state(&self, subject: &str) -> Result<Option<PrincipalState>, Fault> {
        let found = self.principals.get(subject)?;
        Ok(found.map(|json| parse(json.value())).transpose()?)
    }

    fn issue(&mut self, id: Uuid, mut record: TokenRecord, first: u64) -> Result<Written, Fault> {
        let known = self.state(&record.subject)?;
        let state = known.unwrap_or(PrincipalState { generation: first, active: true });
        record.generation = state.generation;
        let state_json = json(&state)?; // before anything is written
        self.keep(id, &record)?;
        if known.is_none() {
            self.principals.insert(record.subject.as_str(), state_json.as_slice())?;
        }
        Ok(Written { found: true, record: Some(record) })
    }

    fn keep(&mut self, id: Uuid, record: &TokenRecord) -> Result<(), Fault> {
        let record_json = json(record)?; // before anything is written
        self.tokens.insert(id.as_u128(), record_json.as_slice())?;
        if let Some(at) = record_expiry_ms(record.expires_ms) {
            self.expiries.insert((at, id.as_u128()), ())?;
        }
        Ok(())
    }

    /// Its line among the expiries stays: the sweep finds nothing under it and drops it.
    fn revoke(&mut self, id: Uuid) -> Result<Written, Fault> {
        let found = self.tokens.remove(id.as_u128())?.is_some();
        Ok(Written { found, record: None })
    }

    fn change(
        &mut self,
        subject: &str,
        change: impl FnOnce(PrincipalState) -> Option<PrincipalState>,
    ) -> Result<Written, Fault> {
        let Some(state) = self.state(subject)? else { return Ok(Written::default()) };
        let changed = change(state).ok_or_else(|| StoreError::bad_record("generation"))?;
        self.principals.insert(subject, json(&changed)?.as_slice())?;
        Ok(Written { found: true, record: None })
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| StoreError::bad_record("JSON"))
}

/// Forgets records that nobody can use any more; how many.
pub(super) fn sweep(database: &Database, now_ms: i64) -> Result<usize, redb::Error> {
    let write = database.begin_write()?;
    let mut swept = 0;
    {
        let mut expiries = write.open_table(EXPIRIES)?;
        let mut over = Vec::new();
        for entry in expiries.range(..=(now_ms, u128::MAX))?.take(SWEEP_MAX) {
            over.push(entry?.0.value());
        }
        if over.is_empty() {
            return Ok(0); // nothing was written: the transaction is dropped without a sync
        }
        let mut tokens = write.open_table(TOKENS)?;
        for (at, id) in over {
            expiries.remove((at, id))?;
            // The id may have been issued again with a later expiry: then it has another line.
            let due = tokens.get(id)?.is_some_and(|json| is_due(json.value(), now_ms));
            if due {
                tokens.remove(id)?;
                swept += 1;
            }
        }
    }
    write.commit()?;
    Ok(swept)
}

/// A record that cannot be read is left for someone to look at.
fn is_due(json: &[u8], now_ms: i64) -> bool {
    let expires_ms = parse::<TokenRecord>(json).map(|record| record.expires_ms);
    expires_ms.is_ok_and(|at| record_expiry_ms(at).is_some_and(|at| at <= now_ms))
}
