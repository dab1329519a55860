//! Records in a Redis (or anything that speaks RESP3 and Lua as it does), shared by all gateways.
//!
//! | key                            | value                                  | expiry               |
//! |--------------------------------|----------------------------------------|----------------------|
//! | `{prefix}token:<uuid hex>`     | the record as JSON                     | the token's + 60 s   |
//! | `{prefix}principal:user:<id>`  | hash: `generation`, `active` (1 or 0)  | none                 |
//! | `{prefix}{<slot>}<name>`       | a document: any bytes                  | none                 |
//! | `{prefix}{<slot>}<set>`        | sorted set of members, each of score 0 | none                 |
//! | `{prefix}probe:<number>`       | nothing: how long a change takes to be told | 5 s             |
//! | `{prefix}tally:<key>`          | how often it was counted               | its window           |
//!
//! `{prefix}` is the configured one; the braces around a slot (`dir`, or an application's UUID in
//! hexadecimal) are in the key, as the hash tag that keeps a slot on one node of a cluster.
//!
//! Every command has the configured deadline and is carried out at most once. One command or script
//! touches one key, or the keys of one slot, so that a cluster can hold them.

mod changes;
mod cluster;
mod dial;
mod documents;
mod hearing;
mod link;
mod links;
mod live;
mod map;
mod place;
mod probe;
mod replicas;
mod reply;
mod sentinels;
mod slots;
mod tallies;
mod tls;

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use redis::{Cmd, Pipeline, Value};
use uuid::Uuid;

use self::{
    dial::Dialer,
    links::{Links, Settings},
};
use super::{
    Health, LinkEvent, Source, StoreError, Turn, first_generation,
    foreign::{self, ForeignFound, Raw},
    turns::Turns,
};
use crate::{
    config::{Foreign, ForeignRecord, RedisAddress, RedisStore, WaitReplicas},
    fences::{Ear, Fences},
    token::{
        record::{PrincipalState, TokenRecord},
        ttl::{record_expiry_ms, unix_ms},
    },
};

/// The state of a principal, made active with a first generation if there is none.
const STATE: &str = "redis.call('HSETNX', KEYS[1], 'generation', ARGV[1]) \
    redis.call('HSETNX', KEYS[1], 'active', '1') \
    return redis.call('HMGET', KEYS[1], 'generation', 'active')";

/// Adds one to the generation of a principal that exists, in one write.
///
/// Deleting what does not exist changes nothing, and a replica refuses to do it: without that, one
/// that lags behind would say that there is no such principal.
const REVOKE_ALL: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then \
        redis.call('DEL', KEYS[1]) return 0 end \
    redis.call('HINCRBY', KEYS[1], 'generation', 1) return 1";

/// Sets the status of a principal that exists; shutting it out ends its tokens in the same write.
const SET_ACTIVE: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then \
        redis.call('DEL', KEYS[1]) return 0 end \
    if ARGV[1] == '0' then redis.call('HINCRBY', KEYS[1], 'generation', 1) end \
    redis.call('HSET', KEYS[1], 'active', ARGV[1]) return 1";

/// Deletes what may have been deleted before. There it writes all the same, and leaves nothing: a server
/// knows which of its replicas have a write, and not which have what needed none.
const REVOKE: &str = "local gone = redis.call('DEL', KEYS[1]) \
    if gone == 0 then redis.call('SET', KEYS[1], '') redis.call('DEL', KEYS[1]) end \
    return gone";

/// The settings of a Redis, checked and with its certificates read. No connection.
#[derive(Clone, Debug)]
pub struct RedisOrigin {
    address: Arc<RedisAddress>,
    replicas: WaitReplicas,
    dialer: Arc<Dialer>,
    prefix: Arc<str>,
    /// Look-ups that a worker may have at the store, and waiting.
    turns: (usize, usize),
    timeout: Duration,
    /// For connections over which nothing is read.
    nobodys: Arc<Fences>,
}

impl RedisOrigin {
    /// Reads the files of certificates, if any are named. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] when the certificates cannot be read.
    pub(super) fn open(config: &RedisStore) -> Result<Self, StoreError> {
        let (dialer, address) = (Arc::new(Dialer::new(config)?), Arc::new(config.address.clone()));
        Ok(Self {
            address,
            replicas: config.wait_replicas,
            dialer,
            prefix: config.prefix.as_str().into(),
            turns: (config.questions, config.waiting),
            timeout: config.timeout,
            nobodys: Arc::default(),
        })
    }

    pub(super) fn attach(
        &self,
        fences: &Arc<Fences>,
        on_link: impl Fn(LinkEvent) + 'static,
    ) -> RedisLink {
        let (prefix, replicas) = (Arc::clone(&self.prefix), self.replicas);
        let settings = Settings {
            address: &self.address,
            replicas,
            dialer: Arc::clone(&self.dialer),
            prefix: Arc::clone(&prefix),
            nobodys: Arc::clone(&self.nobodys),
        };
        let turns = Turns::new(self.turns.0, self.turns.1, self.timeout);
        let links = Rc::new(Links::start(settings, fences, on_link));
        RedisLink { links, replicas, prefix, turns }
    }
}

/// One worker's connections, which tasks of their own keep alive.
#[derive(Clone, Debug)]
pub struct RedisLink {
    links: Rc<Links>,
    replicas: WaitReplicas,
    prefix: Arc<str>,
    turns: Rc<Turns>,
}

impl RedisLink {
    pub(super) fn ear(&self) -> Option<Ear> {
        self.links.ear()
    }

    pub(super) fn turns(&self) -> &Rc<Turns> {
        &self.turns
    }

    pub(super) async fn turn(&self, source: Source) -> Result<Turn, StoreError> {
        let full = |_| StoreError::Busy { store: self.links.store().to_owned() };
        self.turns.take(source).await.map_err(full)
    }

    fn token_key(&self, id: Uuid) -> String {
        let mut hex = [0; uuid::fmt::Simple::LENGTH];
        [&self.prefix, "token:", &*id.simple().encode_lower(&mut hex)].concat()
    }

    fn principal_key(&self, subject: &str) -> String {
        format!("{}principal:user:{subject}", self.prefix)
    }

    pub(super) async fn token(&self, id: Uuid) -> Result<Option<TokenRecord>, StoreError> {
        let command = command("GET", &self.token_key(id));
        match reply::bytes(self.links.call(&command).await?)? {
            None => Ok(None),
            Some(json) => {
                serde_json::from_slice(&json).map(Some).map_err(|_| StoreError::bad_record("JSON"))
            }
        }
    }

    pub(super) async fn principal(
        &self,
        subject: &str,
    ) -> Result<Option<PrincipalState>, StoreError> {
        let mut command = command("HMGET", &self.principal_key(subject));
        command.arg("generation").arg("active");
        reply::principal(self.links.call(&command).await?)
    }

    pub(super) async fn foreign(
        &self,
        token: &str,
        layout: &Foreign,
    ) -> Result<Option<ForeignFound>, StoreError> {
        let key = foreign::key(layout, token);
        let read = match layout.record {
            ForeignRecord::Json | ForeignRecord::Text => "GET",
            ForeignRecord::Hash => "HGETALL",
        };
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command(read, &key)).add_command(command("PTTL", &key));
        // Taken before the answer, so that the key's end is never put later than it is.
        let asked_ms = unix_ms(SystemTime::now());
        let mut answers = self.links.call_all(&pipeline).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let (value, left) = (next(), next());
        let raw = match layout.record {
            ForeignRecord::Json => reply::bytes(value)?.map(Raw::Json),
            ForeignRecord::Text => reply::bytes(value)?.map(Raw::Text),
            ForeignRecord::Hash => reply::pairs(value)?.map(Raw::Hash),
        };
        let (Some(raw), Some(left)) = (raw, reply::time_left(&left)?) else { return Ok(None) };
        foreign::read(raw, layout, left.map(|left| asked_ms.saturating_add(left))).map(Some)
    }

    /// Makes a write that takes access away.
    async fn take(&self, write: &Cmd) -> Result<Value, StoreError> {
        match self.replicas {
            WaitReplicas::Never => self.links.call(write).await,
            WaitReplicas::Auto | WaitReplicas::Always(_) => self.links.call_lasting(write).await,
        }
    }

    /// Makes a write that gives access.
    async fn give(&self, write: &Cmd) -> Result<Value, StoreError> {
        match self.replicas {
            WaitReplicas::Never | WaitReplicas::Auto => self.links.call(write).await,
            WaitReplicas::Always(_) => self.links.call_lasting(write).await,
        }
    }

    /// Two writes, the principal's first: a record whose principal is missing is refused, while a
    /// principal without a record lets nobody in.
    pub(super) async fn issue(
        &self,
        id: Uuid,
        mut record: TokenRecord,
    ) -> Result<TokenRecord, StoreError> {
        record.generation = self.generation(&record.subject).await?;
        self.keep(id, &record).await?;
        Ok(record)
    }

    pub(super) async fn keep(&self, id: Uuid, record: &TokenRecord) -> Result<(), StoreError> {
        let json = serde_json::to_vec(record).map_err(|_| StoreError::bad_record("JSON"))?;
        let mut command = command("SET", &self.token_key(id));
        command.arg(json);
        if let Some(left) = reply::lifetime(record_expiry_ms(record.expires_ms)) {
            command.arg("PX").arg(left);
        }
        self.give(&command).await?;
        Ok(())
    }

    /// The generation of `subject`, whose state is made if it is missing and never touched if not.
    async fn generation(&self, subject: &str) -> Result<u64, StoreError> {
        let mut command = script(STATE, &self.principal_key(subject));
        command.arg(first_generation(self.links.store())?);
        let state = reply::principal(self.give(&command).await?)?;
        state.map(|state| state.generation).ok_or_else(|| StoreError::bad_record("principal"))
    }

    pub(super) async fn revoke(&self, id: Uuid) -> Result<bool, StoreError> {
        let key = self.token_key(id);
        let command = match self.replicas {
            WaitReplicas::Never => command("DEL", &key),
            WaitReplicas::Auto | WaitReplicas::Always(_) => script(REVOKE, &key),
        };
        reply::was_there(&self.take(&command).await?)
    }

    pub(super) async fn revoke_all(&self, subject: &str) -> Result<bool, StoreError> {
        let command = script(REVOKE_ALL, &self.principal_key(subject));
        reply::was_there(&self.take(&command).await?)
    }

    pub(super) async fn set_active(&self, subject: &str, active: bool) -> Result<bool, StoreError> {
        let mut command = script(SET_ACTIVE, &self.principal_key(subject));
        command.arg(i64::from(active));
        reply::was_there(&self.take(&command).await?)
    }

    pub(super) fn health(&self) -> Health {
        self.links.health()
    }
}

fn command(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name).arg(key);
    command
}

fn script(text: &str, key: &str) -> Cmd {
    let mut command = Cmd::new();
    command.arg("EVAL").arg(text).arg(1).arg(key);
    command
}

#[cfg(test)]
mod documents_tests;
#[cfg(test)]
mod replicas_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
