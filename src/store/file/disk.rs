//! The file under the database, and what of it has to wait while the disk has no room.
//!
//! redb takes a failed write for its last: from then on it neither writes nor reads, until it is opened
//! again. A disk that is full for a minute would end every answer until somebody restarts the gateway. So
//! what finds no room waits here in its order, syncs included, and the database reads what it wrote.
//!
//! Invariant: what waits was acknowledged to nobody, and the writer changes nothing more until all of it
//! is on the disk. A process that ends meanwhile leaves the file as the last acknowledged write left it.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use redb::{BackendError, DatabaseError, StorageBackend, backends::FileBackend};

/// The file. Clones are one file.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: FileBackend,
    /// Whether anything waits: reads need not lock to learn that nothing does.
    behind: AtomicBool,
    backlog: Mutex<Backlog>,
}

#[derive(Debug, Default)]
struct Backlog {
    steps: VecDeque<Step>,
    /// How long the file would be with all of them.
    len: u64,
    /// A sync has failed.
    lost: bool,
}

/// Something to do to the file.
#[derive(Clone, Debug)]
enum Step {
    Length(u64),
    Write(u64, Arc<[u8]>),
    Sync,
}

impl Disk {
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        let (file, behind) = (FileBackend::new(file)?, AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { file, behind, backlog: Mutex::default() })))
    }

    /// Whether something waits for room.
    pub(super) fn is_behind(&self) -> bool {
        self.0.behind.load(SeqCst)
    }

    /// Does what waits. Called by the writer alone, between transactions.
    ///
    /// # Errors
    ///
    /// What the disk says; what was not done still waits. After a sync that failed, for good.
    pub(super) fn catch_up(&self) -> io::Result<()> {
        while self.is_behind() {
            // All up to a sync, which says whether it is on the disk: until then it may be done again.
            let steps: Vec<Step> = {
                let backlog = self.backlog();
                if backlog.lost {
                    return Err(lost(&"a sync has failed"));
                }
                let sync = backlog.steps.iter().position(|step| matches!(step, Step::Sync));
                let count = sync.map_or(backlog.steps.len(), |at| at + 1);
                backlog.steps.iter().take(count).cloned().collect()
            };
            for step in &steps {
                self.make(step)?;
            }
            let mut backlog = self.backlog();
            backlog.steps.drain(..steps.len());
            self.0.behind.store(!backlog.steps.is_empty(), SeqCst);
        }
        Ok(())
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.0.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, step: &Step) -> io::Result<()> {
        match step {
            Step::Length(len) => self.0.file.set_len(*len),
            Step::Write(offset, bytes) => self.0.file.write(*offset, bytes),
            Step::Sync => self.0.file.sync_data().map_err(|error| {
                self.backlog().lost = true; // what went by before anything waited is not done again
                lost(&error)
            }),
        }
    }

    /// Runs `now`, unless something waits already; what finds no room waits as `step`.
    fn change(
        &self,
        now: impl FnOnce(&FileBackend) -> io::Result<()>,
        step: impl FnOnce() -> Step,
    ) -> io::Result<()> {
        let mut backlog = self.backlog();
        if backlog.steps.is_empty() {
            match now(&self.0.file) {
                Err(error) if is_no_room(&error) => backlog.len = self.0.file.len()?,
                done => return done,
            }
        }
        let step = step();
        if let Step::Length(len) = step {
            backlog.len = len;
        }
        backlog.steps.push_back(step);
        self.0.behind.store(true, SeqCst);
        Ok(())
    }
}

/// No space, no quota, or a file as large as this process may make one.
fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Why what was written may not be there, which no room that comes later mends.
fn lost(why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{why}; what was written may be lost: restart the gateway"))
}

/// Puts over `out`, which begins at `offset`, what `step` changes of it.
fn lay_over(out: &mut [u8], offset: u64, step: &Step) {
    let index = |at: u64| usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
    match step {
        // What a file loses and gets again is zero.
        Step::Length(len) => {
            let from = index(*len).min(out.len());
            out[from..].fill(0);
        }
        Step::Write(at, bytes) => {
            let skipped = usize::try_from(offset.saturating_sub(*at)).unwrap_or(usize::MAX);
            let bytes = bytes.get(skipped..).unwrap_or_default();
            let out = out.get_mut(index(*at)..).unwrap_or_default();
            let count = bytes.len().min(out.len());
            out[..count].copy_from_slice(&bytes[..count]);
        }
        Step::Sync => {}
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let backlog = self.backlog();
        if backlog.steps.is_empty() { self.0.file.len() } else { Ok(backlog.len) }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.is_behind() {
            return self.0.file.read(offset, out);
        }
        let backlog = self.backlog();
        if backlog.steps.is_empty() {
            return self.0.file.read(offset, out);
        }
        let there = self.0.file.len()?.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(out.len());
        self.0.file.read(offset, &mut out[..there])?;
        out[there..].fill(0);
        backlog.steps.iter().for_each(|step| lay_over(out, offset, step));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.set_len(len), || Step::Length(len))
    }

    /// A failed sync is not waited out: the system has forgotten what it could not write, and would call
    /// the next one a success.
    fn sync_data(&self) -> io::Result<()> {
        let sync = |file: &FileBackend| file.sync_data().map_err(|error| lost(&error));
        self.change(sync, || Step::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|file| file.write(offset, data), || Step::Write(offset, data.into()))
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_read_as_if_it_were_done_and_is_done_in_its_order() {
        let disk = Disk::new(tempfile::tempfile().unwrap()).unwrap();
        disk.set_len(8).unwrap();
        disk.write(0, b"abcdefgh").unwrap();
        // A disk that is full for the second write, and for all that follow it.
        let full = |_: &FileBackend| Err(io::ErrorKind::StorageFull.into());
        disk.change(full, || Step::Write(6, (*b"XYZ").into())).unwrap();
        disk.set_len(4).unwrap();
        disk.set_len(12).unwrap();
        disk.write(3, b"12").unwrap();
        disk.sync_data().unwrap();
        disk.write(11, b"!").unwrap();

        let seen = |from: u64, count: usize| {
            let mut out = vec![b'?'; count];
            disk.read(from, &mut out).unwrap();
            String::from_utf8(out).unwrap().replace('\0', ".")
        };
        let whole = "abc12......!";
        assert!(disk.is_behind());
        assert_eq!(disk.len().unwrap(), 12);
        assert_eq!(
            (seen(0, 12), seen(4, 3), seen(10, 2)),
            (whole.into(), "2..".into(), ".!".into())
        );
        assert_eq!(disk.0.file.len().unwrap(), 8, "nothing went past what waits");

        disk.catch_up().unwrap();
        assert!(!disk.is_behind());
        assert_eq!((disk.0.file.len().unwrap(), seen(0, 12)), (12, whole.to_owned()));
        disk.write(0, b"A").unwrap();
        assert!(!disk.is_behind(), "there is room again");
    }

    #[test]
    fn a_sync_that_failed_is_never_taken_for_done_later() {
        // What cannot be synced at all; the system fails once, and then has forgotten.
        let (_reader, unsynced) = io::pipe().unwrap();
        let disk = Disk::new(File::from(std::os::fd::OwnedFd::from(unsynced))).unwrap();
        assert!(disk.sync_data().is_err() && !disk.is_behind(), "the database is told");
        let full = |_: &FileBackend| Err(io::ErrorKind::StorageFull.into());
        disk.change(full, || Step::Sync).unwrap();
        assert!(disk.catch_up().unwrap_err().to_string().contains("lost"));
        disk.backlog().steps.clear();
        disk.backlog().steps.push_back(Step::Length(0));
        assert!(disk.catch_up().unwrap_err().to_string().contains("a sync has failed"));
    }

    #[test]
    fn only_a_lack_of_room_is_waited_for() {
        let disk = Disk::new(tempfile::tempfile().unwrap()).unwrap();
        let broken = |_: &FileBackend| Err(io::Error::other("broken"));
        assert!(disk.change(broken, || Step::Sync).is_err());
        assert!(!disk.is_behind());
    }
}
