//! Passwords: argon2id with bounded work, on threads of its own that yield to forwarding.
//!
//! A hash costs some 13 ms and 19 MiB on purpose. So a fixed number of threads does them, each with memory
//! that it keeps (page faults are half the cost otherwise) and a lowered priority; whoever waits too long
//! is told so. An unknown user, a user without a password and an unreadable hash cost what a wrong
//! password costs.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, ParamsString, Salt},
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    config::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN},
    secret::Secret,
};

/// 19 MiB, two passes, one lane: the least that OWASP's cheat sheet on password storage takes for
/// argon2id, and the crate's default. More lanes would only help a guesser with more cores.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// What a stored hash may ask for: RFC 9106's second choice in memory. An imported hash that wants more
/// is treated as unreadable, since every login with it would cost us that much.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 16;

/// How long a password may wait to be hashed, the hashing included.
const WAIT: Duration = Duration::from_secs(2);
/// Jobs that may wait. Two threads do about 300 in [`WAIT`]; more could only time out.
const WAITING: usize = 256;

/// How much nicer than the workers the threads are: a full core then goes to them one part in ten.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;

/// A stored password: its PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`). Shown by nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(•••)")
    }
}

/// No thread came to the password in time. Nothing is known about it: 503, never "wrong".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

/// Why a password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHashed {
    /// No thread came to it in time.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// It is empty, or longer than a password is; [`policy`] says so first.
    #[error("a password has 1 to {PASSWORD_BYTES_MAX} bytes")]
    Length,
    /// The system gave no random salt.
    #[error("no random numbers for the salt of a password")]
    NoSalt,
}

/// What came of checking a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It is the one that was stored.
    Right {
        /// It was stored with other costs than today's: hash it anew while it is at hand.
        rehash: bool,
    },
    /// It is not, or there is none.
    Wrong,
}

/// The threads that hash. They end when this is dropped.
pub struct Passwords {
    queue: SyncSender<Job>,
}

impl Passwords {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn start(threads: usize) -> io::Result<Arc<Self>> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES));
        Self::start_with(threads, params.map_err(io::Error::other)?)
    }

    fn start_with(threads: usize, params: Params) -> io::Result<Arc<Self>> {
        let (queue, jobs) = sync_channel(WAITING);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads.max(1) {
            let (jobs, hasher) = (Arc::clone(&jobs), Hasher::new(params.clone()));
            std::thread::Builder::new()
                .name("password-hash".into())
                .spawn(move || work(&jobs, hasher))?;
        }
        Ok(Arc::new(Self { queue }))
    }

    /// Hashes `password` with a new salt.
    ///
    /// # Errors
    ///
    /// [`NotHashed`] when its length is not acceptable, or nobody came to it within two seconds.
    pub async fn hash(&self, password: &Secret) -> Result<PasswordHash, NotHashed> {
        if !has_acceptable_length(password) {
            return Err(NotHashed::Length);
        }
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| NotHashed::NoSalt)?;
        Ok(self.ask(password.clone(), |answer| Work::Hash(salt, answer)).await?)
    }

    /// Whether `password` is the one `known` was made of. `None`, for an unknown user or one without a
    /// password, costs the same time and is wrong; so is an empty password, and one that is too long.
    ///
    /// # Errors
    ///
    /// [`Busy`] when nobody came to it within two seconds.
    pub async fn verify(
        &self,
        password: &Secret,
        known: Option<&PasswordHash>,
    ) -> Result<Verified, Busy> {
        // The length of what a stranger sends must not show in the time either.
        let (password, known) = if has_acceptable_length(password) {
            (password.clone(), known.cloned())
        } else {
            (Secret::new(""), None)
        };
        self.ask(password, |answer| Work::Verify(known, answer)).await
    }

    /// Dropping the future withdraws the job, unless it is being done already.
    async fn ask<T>(
        &self,
        password: Secret,
        work: impl FnOnce(oneshot::Sender<T>) -> Work,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = Job { password, work: work(answer), until: Instant::now() + WAIT };
        self.queue.try_send(job).map_err(|_| Busy)?;
        match tokio::time::timeout(WAIT, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

/// A password that waits for a thread.
struct Job {
    password: Secret,
    work: Work,
    /// When whoever asked gives up.
    until: Instant,
}

enum Work {
    Hash([u8; SALT_BYTES], oneshot::Sender<PasswordHash>),
    Verify(Option<PasswordHash>, oneshot::Sender<Verified>),
}

impl Job {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self, now: Instant) -> bool {
        let gone = match &self.work {
            Work::Hash(_, answer) => answer.is_closed(),
            Work::Verify(_, answer) => answer.is_closed(),
        };
        !gone && now < self.until
    }
}

/// One thread's life: takes jobs until nobody can give any more.
fn work(jobs: &Mutex<Receiver<Job>>, mut hasher: Hasher) {
    lower_priority();
    loop {
        // One thread waits in `recv`, the others for the lock: the next job is one thread's.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if !job.is_wanted(Instant::now()) {
            continue;
        }
        // Sending fails when whoever asked has gone meanwhile: nobody is left to tell.
        match job.work {
            Work::Hash(salt, answer) => {
                // Dropping the answer says that there is none.
                if let Some(hash) = hasher.hash(&job.password, &salt) {
                    let _ = answer.send(hash);
                }
            }
            Work::Verify(known, answer) => {
                let _ = answer.send(hasher.verify(&job.password, known.as_ref()));
            }
        }
    }
}

/// Lets the workers go first. Linux counts niceness by thread; where it is counted by process,
/// nothing is changed.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    // A thread may always be nicer; refused by a sandbox, it hashes all the same.
    let _ = rustix::process::nice(NICER);
}

/// One thread's memory, and today's costs.
struct Hasher {
    params: Params,
    /// Empty until the first password: a gateway without logins holds none.
    memory: Vec<Block>,
}

/// A PHC string, read: how to compute, and what must come out.
struct Stored {
    argon2: Argon2<'static>,
    algorithm: Algorithm,
    version: Version,
    salt: Salt,
    output: Output,
}

impl Hasher {
    fn new(params: Params) -> Self {
        Self { params, memory: Vec::new() }
    }

    /// `None` cannot happen: the password's length is checked, the salt's and the costs are ours.
    fn hash(&mut self, password: &Secret, salt: &[u8; SALT_BYTES]) -> Option<PasswordHash> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let salt = Salt::new(salt).ok()?;
        let output = self.compute(&argon2, password, &salt, OUTPUT_BYTES)?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).ok()?,
            salt: Some(salt),
            hash: Some(output),
        };
        Some(PasswordHash(hash.to_string()))
    }

    fn verify(&mut self, password: &Secret, known: Option<&PasswordHash>) -> Verified {
        let Some(stored) = known.and_then(|known| Stored::read(&known.0)) else {
            // The same work for nothing, so that no clock tells who exists.
            std::hint::black_box(self.hash(password, &[0; SALT_BYTES]));
            return Verified::Wrong;
        };
        let computed = self.compute(&stored.argon2, password, &stored.salt, stored.output.len());
        // `Output` compares in constant time.
        if computed != Some(stored.output) {
            return Verified::Wrong;
        }
        Verified::Right { rehash: !stored.is_current(&self.params) }
    }

    fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &Secret,
        salt: &Salt,
        length: usize,
    ) -> Option<Output> {
        let blocks = argon2.params().block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::new());
        }
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..length)?;
        let computed = argon2.hash_password_into_with_memory(
            password.expose().as_bytes(),
            salt,
            output,
            &mut self.memory[..blocks],
        );
        // A costlier hash of elsewhere must not make us keep its memory.
        self.memory.truncate(self.params.block_count());
        self.memory.shrink_to_fit();
        computed.ok()?;
        Output::new(output).ok()
    }
}

impl Stored {
    /// `None` for what is no argon2 hash, and for one that asks for more than we give.
    fn read(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::new(hash.algorithm.as_str()).ok()?;
        let version = match hash.version {
            Some(version) => Version::try_from(version).ok()?,
            None => Version::V0x10, // older than the field
        };
        let params = Params::try_from(&hash).ok()?;
        let affordable = params.m_cost() <= MEMORY_KIB_MAX
            && params.t_cost() <= PASSES_MAX
            && params.p_cost() <= LANES_MAX;
        if !affordable {
            return None;
        }
        let argon2 = Argon2::new(algorithm, version, params);
        Some(Self { argon2, algorithm, version, salt: hash.salt?, output: hash.hash? })
    }

    fn is_current(&self, params: &Params) -> bool {
        let stored = self.argon2.params();
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.salt.len() >= SALT_BYTES
            && (stored.m_cost(), stored.t_cost(), stored.p_cost(), self.output.len())
                == (params.m_cost(), params.t_cost(), params.p_cost(), OUTPUT_BYTES)
    }
}

fn has_acceptable_length(password: &Secret) -> bool {
    (1..=PASSWORD_BYTES_MAX).contains(&password.expose().len())
}

/// Why nobody may choose a password. The texts are what clients of the platform know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than four characters.
    #[error("error_length_policy: must be at least {PASSWORD_CHARS_MIN} characters ")]
    TooShort,
    /// More than [`PASSWORD_BYTES_MAX`] bytes.
    #[error("error_length_policy: must be at most {PASSWORD_BYTES_MAX} bytes ")]
    TooLong,
}

/// Whether `password` may be chosen.
///
/// # Errors
///
/// [`WeakPassword`] says what is wrong with it.
pub fn policy(password: &str) -> Result<(), WeakPassword> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(WeakPassword::TooShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(WeakPassword::TooLong);
    }
    Ok(())
}

#[cfg(test)]
#[path = "passwords_tests.rs"]
mod tests;
