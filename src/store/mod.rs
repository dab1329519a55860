//! Where records live: Redis, an embedded file, or this process's memory, behind one enum.
//!
//! [`StoreOrigin`] is the process's part, opened once; [`Store`] is one worker's handle on it. Every
//! operation carries its own deadline and is tried once: whoever wants it repeated repeats it.
//!
//! Invariant: "could not find out" is a [`StoreError`], never `None`. A store that is down, slow,
//! loading, read-only or asking for a password never makes a token unknown.

pub mod documents;
pub mod file;
pub mod foreign;
pub mod memory;
pub mod redis;
mod tallies;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod topologies;
#[cfg(test)]
mod topology_tests;
mod turns;

#[cfg(test)]
mod behaviour_tests;
#[cfg(test)]
mod documents_tests;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

pub use self::turns::{Crowd, Source, Turn};
use self::{
    file::FileStore,
    foreign::ForeignFound,
    memory::MemoryStore,
    redis::{RedisLink, RedisOrigin},
};
use crate::{
    config,
    fences::{Ear, Fences},
    token::record::{PrincipalState, TokenRecord},
};

/// The store could not answer. Never means "unknown token".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It was asked and said nothing in time. A write may or may not have happened.
    #[error("no answer from {store} within {limit:?}")]
    TimedOut {
        /// Which store, without a password.
        store: String,
        /// The deadline that passed.
        limit: Duration,
    },
    /// There is no connection to it.
    #[error("{store} is unreachable: {cause}")]
    Unreachable {
        /// Which store, without a password.
        store: String,
        /// What connecting ended with.
        cause: String,
    },
    /// A record that does not fit: 503 `store_bad_record`, never a pass.
    #[error("the record of a token has no readable {field}")]
    BadRecord {
        /// Which part of the record; never its value.
        field: String,
    },
    /// It was not asked: as many questions are there as it may have at once, and as many wait as may.
    #[error("{store} is asked as much as it may be at once")]
    Busy {
        /// Which store, without a password.
        store: String,
    },
    /// It made a write, and too few replicas had it in time: a fail-over may lose it. Safe to repeat.
    #[error(
        "{store} made the write, and {had} of {wanted} replicas had it in time: it may be lost when a replica \
         takes over; it is safe to repeat"
    )]
    NotReplicated {
        /// Which store, without a password.
        store: String,
        /// How many were to have it.
        wanted: u8,
        /// How many had it when the time was over.
        had: u8,
    },
    /// It answered that it will not, or cannot.
    #[error("{store} failed: {cause}")]
    Failed {
        /// Which store, without a password.
        store: String,
        /// Its reason, in our words.
        cause: String,
    },
}

impl StoreError {
    fn bad_record(field: &str) -> Self {
        Self::BadRecord { field: field.to_owned() }
    }
}

/// What happened to the connection of one worker. Cached answers of before count no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Connected; `facts` is what the server said of itself.
    Up {
        /// `Redis 7.0.15, RESP3`.
        facts: String,
    },
    /// The connection is gone, or was given up. Reported once, not per attempt to dial.
    Lost {
        /// Why, without a password.
        cause: String,
    },
    /// The same of one node of several.
    NodeLost {
        /// Which and why, without a password.
        cause: String,
    },
}

/// How a worker's store is doing, without asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `redis://127.0.0.1:6379/0`, `file:tollgate.redb`, `memory:`; without a password.
    pub store: String,
    /// Whether it answers.
    pub state: HealthState,
    /// What it said of itself when it was last connected: `Redis 7.0.15, RESP3`.
    pub facts: String,
    /// What an operator should change although it works.
    pub warnings: Vec<Warning>,
}

/// Something that an operator should change although the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// When it was first seen.
    pub since: SystemTime,
    /// What is wrong, without a password.
    pub cause: String,
    /// What that means for whom.
    pub effect: &'static str,
}

/// What it means that a store takes no writes.
const NO_WRITES: &str = "tokens are read; nothing can be issued or revoked";
/// What it means that a store does not take the writes that replicas must have.
const NO_REVOCATIONS: &str = "tokens are read and issued; none can be revoked";
/// What it means that a store has no room, but can make some.
const NO_ROOM: &str = "tokens are read and revoked; none can be issued";
/// What it means that a store does not tell of changes.
const SEEN_LATE: &str = "what changes elsewhere is seen after `ttl-without-push`";
/// What it means that a part of a store is away.
pub const NODE_AWAY: &str = "what is kept there is 503 until it is back; all else is served";
/// What it means that a store forgets.
const MAY_LOSE: &str = "tokens may be lost early";

/// Whether a store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthState {
    /// It answered when it was last asked.
    Up,
    /// It does not.
    Down {
        /// Since when; for a store never reached, since the start.
        since: SystemTime,
        /// Why, without a password.
        cause: String,
    },
}

/// The process's part of a store: opened once, cheap to clone, given to every worker.
#[derive(Clone, Debug)]
pub enum StoreOrigin {
    /// Settings only: each worker connects for itself.
    Redis(RedisOrigin),
    /// The open file and its writer.
    File(FileStore),
    /// The maps.
    Memory(MemoryStore),
}

impl StoreOrigin {
    /// Opens the store `config` names. Redis is not dialled: starting without it is allowed.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened, or a CA file that cannot be read.
    pub fn open(config: &config::Store) -> Result<Self, StoreError> {
        Ok(match config {
            config::Store::Redis(config) => Self::Redis(RedisOrigin::open(config)?),
            config::Store::File(path) => Self::File(FileStore::open(path)?),
            config::Store::Memory => Self::Memory(MemoryStore::new()),
        })
    }

    /// One worker's handle. Must be called inside that worker's current-thread runtime, where it
    /// starts the task that keeps the connection; the task ends with the last clone of the handle.
    ///
    /// `on_link` is called in that runtime for every connection made or lost, after the epoch of `fences`
    /// has moved; what the store says of changes moves them too. The file and the memory have no
    /// connection, tell of nothing, and are held by one process.
    #[must_use]
    pub fn attach(&self, fences: &Arc<Fences>, on_link: impl Fn(LinkEvent) + 'static) -> Store {
        match self {
            Self::Redis(origin) => Store::Redis(origin.attach(fences, on_link)),
            Self::File(file) => Store::File(file.clone()),
            Self::Memory(memory) => Store::Memory(memory.clone()),
        }
    }
}

/// One worker's handle on the store. Not for other threads.
#[derive(Clone, Debug)]
pub enum Store {
    /// A Redis shared by every gateway.
    Redis(RedisLink),
    /// A file that this process alone holds.
    File(FileStore),
    /// This process's memory: tests, and trying things out.
    Memory(MemoryStore),
}

impl Store {
    /// Over which connection this handle reads, if that one may tell of changes.
    #[must_use]
    pub fn ear(&self) -> Option<Ear> {
        match self {
            Self::Redis(store) => store.ear(),
            Self::File(_) | Self::Memory(_) => None,
        }
    }

    /// A turn for the questions of one look-up, asked for by `source`: hold it until they are answered.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] when there is none within the store's deadline.
    pub async fn turn(&self, source: Source) -> Result<Turn, StoreError> {
        match self {
            Self::Redis(store) => store.turn(source).await,
            Self::File(_) | Self::Memory(_) => Ok(Turn::of_none()),
        }
    }

    /// A turn that nobody who waits could have had.
    #[must_use]
    pub fn spare_turn(&self) -> Option<Turn> {
        match self {
            Self::Redis(store) => store.turns().spare(),
            Self::File(_) | Self::Memory(_) => Some(Turn::of_none()),
        }
    }

    /// How many look-ups are at the store, and wait.
    #[must_use]
    pub fn crowd(&self) -> Crowd {
        match self {
            Self::Redis(store) => store.turns().crowd(),
            Self::File(_) | Self::Memory(_) => Crowd::default(),
        }
    }

    /// Whether an answer has to be waited for.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Redis(_) => true,
            Self::File(_) | Self::Memory(_) => false,
        }
    }

    /// The record of the token `id`; `None` when it was never issued, was revoked, or is forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn token(&self, id: Uuid) -> Result<Option<TokenRecord>, StoreError> {
        match self {
            Self::Redis(store) => store.token(id).await,
            Self::File(store) => store.token(id),
            Self::Memory(store) => Ok(store.token(id)),
        }
    }

    /// The state that all tokens of `subject` share; `None` when no token was ever issued to it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn principal(&self, subject: &str) -> Result<Option<PrincipalState>, StoreError> {
        match self {
            Self::Redis(store) => store.principal(subject).await,
            Self::File(store) => store.principal(subject),
            Self::Memory(store) => Ok(store.principal(subject)),
        }
    }

    /// What another service recorded for `token`, read as `layout` says.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell, and always for the file and the memory: no other
    /// service writes there.
    pub async fn foreign(
        &self,
        token: &str,
        layout: &config::Foreign,
    ) -> Result<Option<ForeignFound>, StoreError> {
        let name = match self {
            Self::Redis(store) => return store.foreign(token, layout).await,
            Self::File(store) => store.name(),
            Self::Memory(_) => memory::NAME,
        };
        let cause = "it keeps no records of other services".to_owned();
        Err(StoreError::Failed { store: name.to_owned(), cause })
    }

    /// Keeps `record` under `id` and returns it as kept: its generation is the principal's.
    ///
    /// A principal without a state gets one, active and with a random first generation, so that a
    /// state that was lost and made again revives no old token. An existing state is never reset.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that the record is kept.
    pub async fn issue(&self, id: Uuid, record: TokenRecord) -> Result<TokenRecord, StoreError> {
        match self {
            Self::Redis(store) => store.issue(id, record).await,
            Self::File(store) => store.issue(id, record).await,
            Self::Memory(store) => store.issue(id, record),
        }
    }

    /// Forgets the token `id`. `false` when there was none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that the token is gone; safe to repeat.
    pub async fn revoke(&self, id: Uuid) -> Result<bool, StoreError> {
        match self {
            Self::Redis(store) => store.revoke(id).await,
            Self::File(store) => store.revoke(id).await,
            Self::Memory(store) => Ok(store.revoke(id)),
        }
    }

    /// Adds one to the generation of `subject`, which ends all its tokens in one write. `false` when
    /// the store does not know it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that they are ended; safe to repeat.
    pub async fn revoke_all(&self, subject: &str) -> Result<bool, StoreError> {
        match self {
            Self::Redis(store) => store.revoke_all(subject).await,
            Self::File(store) => store.revoke_all(subject).await,
            Self::Memory(store) => store.revoke_all(subject),
        }
    }

    /// Lets `subject` in, or not. Shutting it out adds one to its generation in the same write, so
    /// that letting it in again revives no token. `false` when the store does not know it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that the state is kept; safe to repeat.
    pub async fn set_active(&self, subject: &str, active: bool) -> Result<bool, StoreError> {
        match self {
            Self::Redis(store) => store.set_active(subject, active).await,
            Self::File(store) => store.set_active(subject, active).await,
            Self::Memory(store) => store.set_active(subject, active),
        }
    }

    /// How long a change took from its command until this handle was told of it, tried with a key of no
    /// meaning. `None` where nothing tells of changes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store did not make this one.
    pub async fn probe(&self) -> Result<Option<Duration>, StoreError> {
        match self {
            Self::Redis(store) => store.probe().await,
            Self::File(_) | Self::Memory(_) => Ok(None),
        }
    }

    /// How the store is doing, without asking it: the link of Redis asks every second by itself.
    #[must_use]
    pub fn health(&self) -> Health {
        match self {
            Self::Redis(store) => store.health(),
            Self::File(store) => store.health(),
            Self::Memory(_) => Health {
                store: memory::NAME.to_owned(),
                state: HealthState::Up,
                facts: "gone when this process ends".to_owned(),
                warnings: Vec::new(),
            },
        }
    }
}

/// A first generation that nobody can guess and no JSON reader rounds (52 bits; doubles hold 53).
fn first_generation(store: &str) -> Result<u64, StoreError> {
    getrandom::u64().map(|random| random >> 12).map_err(|error| StoreError::Failed {
        store: store.to_owned(),
        cause: format!("no random numbers: {error}"),
    })
}
