//! Records in an embedded file (redb: pure Rust, one file, no threads of its own, and after
//! `kill -9` every acknowledged write is there). One process holds the file.
//!
//! Reads run where they are asked for, on a snapshot: they wait for nobody. Writes go through one
//! thread, which takes all that have gathered, commits them in one synced transaction and only then
//! answers: an acknowledged write survives the loss of power. Tallies alone are in memory: a process
//! that has to start again counts anew.

mod disk;
mod documents;
mod writer;

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt as _,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase as _, TableDefinition, TableError,
};
use serde::de::DeserializeOwned;
use tokio::{sync::oneshot, time};
use uuid::Uuid;

use self::{
    disk::Disk,
    writer::{Change, Trouble, Write},
};
use super::{
    Health, HealthState, NO_WRITES, StoreError, Warning, documents::Tally, tallies::Tallies,
};
use crate::token::record::{PrincipalState, TokenRecord};

/// Records as JSON by the UUID of their token.
const TOKENS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("tokens");
/// States as JSON by subject.
const PRINCIPALS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("principals");
/// When a record may be forgotten, ms, and which: what the sweep reads.
const EXPIRIES: TableDefinition<'_, (i64, u128), ()> = TableDefinition::new("expiries");
/// What kind of file this is.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The version of the four tables above and the two of [`documents`]. A file of a later one is
/// refused, not guessed at.
const FORMAT: u64 = 2;
/// The version without the tables of [`documents`]: they are made when such a file is opened.
const FORMAT_WITHOUT_DOCUMENTS: u64 = 1;

/// Writes that may wait for the writer, and how long one waits. Together they bound what a dead disk
/// can pile up; a healthy one commits in well under a millisecond.
const WAITING_MAX: usize = 4_096;
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// The open file, shared by all workers. Dropping the last clone waits for the writer and closes it.
#[derive(Clone, Debug)]
pub struct FileStore {
    open: Arc<Open>,
}

struct Open {
    name: String,
    database: Arc<Database>,
    /// `None` only while the file is being closed.
    writes: Option<mpsc::SyncSender<Write>>,
    writer: Option<JoinHandle<()>>,
    /// Why nothing can be written, as the writer found it.
    trouble: Arc<Mutex<Option<Trouble>>>,
    tallies: Tallies,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Open({})", self.name)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.writes = None; // the writer finishes what is queued and ends
        if let Some(writer) = self.writer.take() {
            let _ = writer.join(); // a writer that panicked has nothing left to wait for
        }
    }
}

impl FileStore {
    /// Opens the file, making it (readable by its owner alone) if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, is in use, is no store, or is one of a format unknown to us.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let name = format!("file:{}", path.display());
        let failed = |cause: String| StoreError::Failed { store: name.clone(), cause };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|error| failed(error.to_string()))?;
        let disk = Disk::new(file).map_err(|error| failed(opening(&error)))?;
        let database = whole(&disk).map_err(failed)?;
        if disk.is_behind() {
            return Err(failed("its disk has no room".to_owned()));
        }
        let (database, trouble) = (Arc::new(database), Arc::default());
        let (writes, queue) = mpsc::sync_channel(WAITING_MAX);
        let writer = {
            let (database, trouble) = (Arc::clone(&database), Arc::clone(&trouble));
            let name = name.clone();
            let writer = writer::Writer { database, disk, name, trouble };
            thread::Builder::new()
                .name("store-writer".to_owned())
                .spawn(move || writer.run(&queue))
                .map_err(|error| StoreError::Failed {
                    store: format!("file:{}", path.display()),
                    cause: format!("starting its writer: {error}"),
                })?
        };
        let (writes, writer, tallies) = (Some(writes), Some(writer), Tallies::default());
        Ok(Self { open: Arc::new(Open { name, database, writes, writer, trouble, tallies }) })
    }

    pub(super) fn name(&self) -> &str {
        &self.open.name
    }

    /// Whether it can be read, and what keeps it from being written.
    pub(super) fn health(&self) -> Health {
        let trouble = self.open.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut state, mut warnings) = (HealthState::Up, Vec::new());
        match trouble {
            None => {}
            Some(Trouble { since, cause, reads: true }) => {
                warnings.push(Warning { since, cause, effect: NO_WRITES });
            }
            Some(Trouble { since, cause, reads: false }) => {
                state = HealthState::Down { since, cause };
            }
        }
        let facts = "embedded file, every write synced".to_owned();
        Health { store: self.open.name.clone(), state, facts, warnings }
    }

    fn failed(&self, cause: impl ToString) -> StoreError {
        StoreError::Failed { store: self.open.name.clone(), cause: cause.to_string() }
    }

    pub(super) fn token(&self, id: Uuid) -> Result<Option<TokenRecord>, StoreError> {
        let table = self.table(TOKENS)?;
        let found = table.get(id.as_u128()).map_err(|error| self.failed(error))?;
        found.map(|json| parse(json.value())).transpose()
    }

    pub(super) fn principal(&self, subject: &str) -> Result<Option<PrincipalState>, StoreError> {
        let table = self.table(PRINCIPALS)?;
        let found = table.get(subject).map_err(|error| self.failed(error))?;
        found.map(|json| parse(json.value())).transpose()
    }

    /// `table` as it is now. Opening made every table, so that one that is missing is a fault.
    fn table<K: redb::Key, V: redb::Value>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, StoreError> {
        let read = self.open.database.begin_read().map_err(|error| self.failed(error))?;
        read.open_table(table).map_err(|error| self.failed(error))
    }

    pub(super) async fn issue(
        &self,
        id: Uuid,
        record: TokenRecord,
    ) -> Result<TokenRecord, StoreError> {
        let first = super::first_generation(&self.open.name)?;
        let change = |answer| Write { change: Change::Issue { id, record, first }, answer };
        let issued = self.write(change).await?;
        issued.record.ok_or_else(|| self.failed("it did not say what it kept"))
    }

    pub(super) async fn keep(&self, id: Uuid, record: &TokenRecord) -> Result<(), StoreError> {
        let change = Change::Keep { id, record: record.clone() };
        self.write(|answer| Write { change, answer }).await.map(|_| ())
    }

    pub(super) async fn revoke(&self, id: Uuid) -> Result<bool, StoreError> {
        Ok(self.write(|answer| Write { change: Change::Revoke { id }, answer }).await?.found)
    }

    pub(super) async fn revoke_all(&self, subject: &str) -> Result<bool, StoreError> {
        let change = Change::RevokeAll { subject: subject.to_owned() };
        Ok(self.write(|answer| Write { change, answer }).await?.found)
    }

    pub(super) async fn set_active(&self, subject: &str, active: bool) -> Result<bool, StoreError> {
        let change = Change::SetActive { subject: subject.to_owned(), active };
        Ok(self.write(|answer| Write { change, answer }).await?.found)
    }

    pub(super) fn tally(&self, key: &str, window: Duration) -> Result<Tally, StoreError> {
        let tally = self.open.tallies.tally(key, window);
        tally.ok_or_else(|| self.failed("too much is counted"))
    }

    pub(super) fn tallied(&self, key: &str) -> u32 {
        self.open.tallies.tallied(key)
    }

    pub(super) fn untally(&self, key: &str) {
        self.open.tallies.untally(key);
    }

    pub(super) fn forget_tally(&self, key: &str) {
        self.open.tallies.forget(key);
    }

    /// Hands a write to the writer and waits until it is on the disk.
    async fn write(
        &self,
        make: impl FnOnce(oneshot::Sender<writer::Outcome>) -> Write,
    ) -> Result<writer::Written, StoreError> {
        let (answer, answered) = oneshot::channel();
        let writes = self.open.writes.as_ref().ok_or_else(|| self.failed("it is closed"))?;
        writes.try_send(make(answer)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => self.failed("too many writes wait for the disk"),
            mpsc::TrySendError::Disconnected(_) => self.failed("its writer has stopped"),
        })?;
        match time::timeout(WRITE_LIMIT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(self.failed("its writer has stopped")),
            Err(_) => {
                let store = self.open.name.clone();
                Err(StoreError::TimedOut { store, limit: WRITE_LIMIT })
            }
        }
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|_| StoreError::bad_record("JSON"))
}

/// The database of a file that is ours and undamaged. Every page is read once and compared with its
/// checksum: otherwise a damaged one would be found by whoever needs it, some day, and as a panic.
fn whole(disk: &Disk) -> Result<Database, String> {
    let open = || {
        let database = Database::builder().create_with_backend(disk.clone());
        let mut database = database.map_err(|error| opening(&error))?;
        match database.check_integrity() {
            Ok(true) => check_format(&database).map(|()| database),
            Ok(false) => {
                Err("it was damaged, and is mended as far as it could be: the last changes may be \
                              lost; start again to use it as it is, or put a copy back"
                    .to_owned())
            }
            Err(error) => Err(opening(&error)),
        }
    };
    // The pages that lead to all others are read before any checksum says what they are worth.
    panic::catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| Err(damaged("a page")))
}

fn damaged(what: &str) -> String {
    format!("it is damaged ({what}): put a copy of it back, or another file in its place")
}

/// Why a file could not be opened, and what to do.
fn opening(error: &DatabaseError) -> String {
    if let DatabaseError::DatabaseAlreadyOpen = error {
        return "it is in use by another process; if that is the gateway, ask it through its admin \
                listener (`admin = …` in its configuration)"
            .to_owned();
    }
    if let DatabaseError::UpgradeRequired(version) = error {
        return format!("its file format {version} is too old for this version of tollgate");
    }
    if let DatabaseError::Storage(redb::StorageError::Io(error)) = error {
        if error.kind() == io::ErrorKind::InvalidData {
            return "it is not a store of tollgate".to_owned();
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return damaged("its end is missing");
        }
    }
    if let DatabaseError::Storage(redb::StorageError::Corrupted(what)) = error {
        return format!(
            "it is damaged ({what}): put a copy of it back, or another file in its place"
        );
    }
    error.to_string()
}

/// Makes the tables of a new file and those that an old one lacks; checks that it is ours.
fn check_format(database: &Database) -> Result<(), String> {
    let read = database.begin_read().map_err(|error| error.to_string())?;
    let found = match read.open_table(META) {
        Ok(meta) => {
            let found = meta.get("format").map_err(|error| error.to_string())?;
            found.map(|version| version.value())
        }
        Err(TableError::TableDoesNotExist(_)) if is_empty(&read)? => return make_tables(database),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.to_string()),
    };
    match found {
        Some(FORMAT) => Ok(()),
        Some(FORMAT_WITHOUT_DOCUMENTS) => make_tables(database),
        Some(other) => {
            Err(format!("it has format {other}, and this version of tollgate reads {FORMAT}"))
        }
        None => Err("it is not a store of tollgate".to_owned()),
    }
}

fn is_empty(read: &redb::ReadTransaction) -> Result<bool, String> {
    Ok(read.list_tables().map_err(|error| error.to_string())?.next().is_none())
}

/// Makes every table that is not there, and sets the format, in one transaction.
fn make_tables(database: &Database) -> Result<(), String> {
    let make = || -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        write.open_table(TOKENS)?;
        write.open_table(PRINCIPALS)?;
        write.open_table(EXPIRIES)?;
        documents::Tables::open(&write)?;
        write.open_table(META)?.insert("format", FORMAT)?;
        Ok(write.commit()?)
    };
    make().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
