//! From a token's text to the caller it proves: forged, damaged and expired ones are refused here
//! without asking anyone, then this worker's hot level, the near cache and the store are tried.
//!
//! Invariant: expiry is judged on every use, whatever was cached; and a store that cannot answer is
//! [`Unresolved::StoreUnavailable`], never a refusal of the token.

use std::{
    cell::RefCell,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

pub use super::unresolved::Unresolved;
use super::{
    credential::Credential,
    hot::{Caller, HotLevel},
    near::{Confirmed, Failure, Found, Identity, Key, NearCache, Refusal},
    owners::{Owner, Owners},
};
use crate::{
    config::Foreign,
    directory::{Directory, Standing, vault::ClientId},
    fences::{Fences, Marks, Reading},
    principal::{Principal, PrincipalKind},
    secret::Secret,
    store::{
        Source, Store, StoreError,
        foreign::{self, ForeignFound},
    },
    telemetry::metrics::WorkerMetrics,
    token::{
        keyring::{Keyring, Verified},
        record::TokenRecord,
        ttl::NEVER_MS,
    },
};

/// Lengths of another service's tokens. Shorter ones could be guessed, longer ones cost every
/// request a hash over what no service issues.
const FOREIGN_LENGTH: std::ops::RangeInclusive<usize> = 16..=4096;

/// How far a look-up had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// This worker's own memory.
    Hot,
    /// The cache all workers share.
    Near,
    /// The store was asked (by us, or by another request for the same token just now).
    Store,
    /// The store could not answer, and its last word is young enough.
    Grace,
}

impl Level {
    /// The word for the log and the metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Near => "near",
            Self::Store => "store",
            Self::Grace => "grace",
        }
    }
}

/// A proven caller.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Who it is.
    pub identity: Rc<Caller>,
    /// Where that was known.
    pub level: Level,
    /// How long the store (or whoever asked it) let us wait.
    pub store_time: Duration,
}

impl Resolved {
    /// Nobody was asked.
    fn here(identity: Rc<Caller>, level: Level) -> Self {
        Self { identity, level, store_time: Duration::ZERO }
    }
}

impl From<Failure> for Unresolved {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.reason,
            Failure::Store(error) => match *error {
                StoreError::BadRecord { .. } => Self::StoreBadRecord(error),
                StoreError::Busy { .. } => Self::StoreBusy,
                StoreError::TimedOut { .. }
                | StoreError::Unreachable { .. }
                | StoreError::NotReplicated { .. }
                | StoreError::Failed { .. } => Self::StoreUnavailable(error),
            },
        }
    }
}

/// Which tokens there are: ours, or another service's.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// Texts that the keyring verifies, and records of ours.
    Own(Keyring),
    /// Texts that the keyring verifies, and principals of the directory.
    Tenants(Keyring),
    /// Texts of another service, and records in its layout.
    Foreign(Arc<Foreign>),
}

/// One worker's way from a text to a caller.
pub struct Resolver {
    scheme: Scheme,
    near: NearCache,
    store: Store,
    /// With [`Scheme::Tenants`].
    directory: Option<Directory>,
    pub(super) hot: RefCell<HotLevel>,
    owners: Owners,
    metrics: Option<Arc<WorkerMetrics>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver of this worker's own. `near` is shared, `store` is this worker's.
    #[must_use]
    pub fn new(scheme: Scheme, near: NearCache, store: Store) -> Self {
        let hot = RefCell::new(HotLevel::new(&near, store.is_remote()));
        Self { scheme, near, store, directory: None, hot, owners: Owners::new(), metrics: None }
    }

    /// The same, for principals of `directory`.
    #[must_use]
    pub fn over(self, directory: Option<Directory>) -> Self {
        Self { directory, ..self }
    }

    /// The same, whose looks into the near cache are counted.
    #[must_use]
    pub fn counted(self, metrics: Arc<WorkerMetrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The directory that this resolver asks.
    #[must_use]
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The store this resolver asks.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The near cache this resolver shares.
    #[must_use]
    pub fn near(&self) -> &NearCache {
        &self.near
    }

    /// Finds out whom `token` proves at `now_ms` (milliseconds since the epoch).
    ///
    /// Dropping this future leaves nothing half done: it only reads.
    ///
    /// # Errors
    ///
    /// [`Unresolved`] says whether the token is bad (401) or could not be checked (503).
    pub async fn resolve(&self, token: &str, now_ms: i64) -> Result<Resolved, Unresolved> {
        self.resolve_at(token, now_ms, Instant::now(), Source::NOBODY).await
    }

    /// The same for a request of `source`, and for whoever has just looked at the clock that nobody sets:
    /// `now` is what it told.
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](Self::resolve).
    pub async fn resolve_at(
        &self,
        token: &str,
        now_ms: i64,
        now: Instant,
        source: Source,
    ) -> Result<Resolved, Unresolved> {
        let hot = self.hot.borrow_mut().get(token, &self.near, now);
        let resolved = match hot {
            Some(identity) => Resolved::here(identity, Level::Hot),
            None => self.look_up(token, now_ms, source).await?,
        };
        if resolved.identity.expires_ms <= now_ms {
            return Err(Unresolved::Expired);
        }
        Ok(resolved)
    }

    pub(super) fn remember(&self, token: &str, confirmed: Confirmed) -> Rc<Caller> {
        self.hot.borrow_mut().put(token, confirmed, &self.near)
    }

    fn fences(&self) -> &Fences {
        self.near.fences()
    }

    async fn look_up(
        &self,
        token: &str,
        now_ms: i64,
        source: Source,
    ) -> Result<Resolved, Unresolved> {
        let proof = self.prove(token, now_ms)?;
        match self.kept(&proof.key()) {
            Some(Ok(confirmed)) => Ok(Resolved::here(self.remember(token, confirmed), Level::Near)),
            Some(Err(why)) => Err(why),
            // Boxed: the questions' futures are large, and every request would carry room for them.
            None => Box::pin(self.ask(token, proof, source)).await,
        }
    }

    fn kept(&self, key: &Key) -> Option<Result<Confirmed, Unresolved>> {
        let kept = self.near.kept(key);
        if let Some(metrics) = &self.metrics {
            metrics.near(kept.is_some());
        }
        kept
    }

    /// What can be said of a token without asking anyone.
    pub(super) fn prove(&self, token: &str, now_ms: i64) -> Result<Proof, Unresolved> {
        match &self.scheme {
            Scheme::Own(keyring) | Scheme::Tenants(keyring) => {
                let verified = keyring.verify(token)?;
                if verified.expires_ms <= now_ms {
                    return Err(Unresolved::Expired);
                }
                Ok(Proof::Own(verified))
            }
            Scheme::Foreign(_) if !is_foreign_token(token) => Err(Unresolved::Malformed),
            Scheme::Foreign(layout) => {
                Ok(Proof::Foreign(Arc::clone(layout), Sha256::digest(token).into()))
            }
        }
    }

    /// Asks the store, and remembers what it says.
    async fn ask(&self, token: &str, proof: Proof, source: Source) -> Result<Resolved, Unresolved> {
        let (started, key) = (Instant::now(), proof.key());
        let found = match &proof {
            Proof::Own(verified) => {
                self.near.find(key, || self.in_turn(source, self.ask_own(*verified))).await
            }
            Proof::Foreign(layout, _) => {
                self.near.find(key, || self.in_turn(source, self.ask_foreign(token, layout))).await
            }
        };
        let found = found.inspect_err(|_| self.hot.borrow_mut().forget(token))?;
        let store_time = started.elapsed();
        Ok(match found {
            Found::Near(confirmed) => Resolved::here(self.remember(token, confirmed), Level::Near),
            Found::Asked(confirmed) => {
                let identity = self.remember(token, confirmed);
                Resolved { identity, level: Level::Store, store_time }
            }
            Found::Grace(confirmed) => {
                let credential = Credential::Token(Secret::new(token));
                let identity = Caller::new(&confirmed.identity, credential);
                Resolved { identity, level: Level::Grace, store_time }
            }
        })
    }

    /// Asks when it is the turn of `source`. Marks are taken after that, as late as can be.
    async fn in_turn<T>(
        &self,
        source: Source,
        ask: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let _turn = self.store.turn(source).await?;
        ask.await
    }

    /// Reads the record, then its principal: in this order a token issued between two readings is
    /// never compared with a principal older than itself.
    pub(super) async fn ask_own(&self, verified: Verified) -> Result<Confirmed, Failure> {
        let reading = self.near.reading(&self.store);
        let token = self.fences().mark(self.fences().of_token(verified.id));
        let refused = |reason, marks| Failure::Refused(Refusal { reason, marks, reading });
        let Some(record) = self.store.token(verified.id).await? else {
            return Err(refused(Unresolved::Unknown, Marks::of(token)));
        };
        if let Some(directory) = &self.directory {
            let expires_ms = record.expires_ms.min(verified.expires_ms);
            let times = (Some(record.issued_ms), expires_ms);
            let standing = directory.holder(&record, token).await?;
            return self.confirmed(standing, times, reading);
        }
        let ask = async || {
            let reading = self.near.reading(&self.store);
            let mark = self.fences().mark(self.fences().of_subject(&record.subject));
            let state = self.store.principal(&record.subject).await?;
            Ok(Owner { state, mark, reading })
        };
        let worth = (self.fences(), self.near.lives());
        let owner = self.owners.find(&record, worth, ask).await.map_err(Failure::Store)?;
        let (marks, reading) = (Marks::of(token).and(owner.mark), reading.with(owner.reading));
        let wrong = match owner.state {
            None => Some(Unresolved::PrincipalMissing),
            Some(state) if !state.active => Some(Unresolved::PrincipalInactive),
            Some(state) if state.generation != record.generation => Some(Unresolved::Revoked),
            Some(_) => None,
        };
        match wrong {
            Some(reason) => Err(Failure::Refused(Refusal { reason, marks, reading })),
            None => {
                let identity = identity(record, verified.expires_ms);
                Ok(self.near.confirmed(identity, marks, reading))
            }
        }
    }

    /// What the directory says of a principal, as the near cache keeps it.
    fn confirmed(
        &self,
        Standing { principal, marks }: Standing,
        (issued_ms, expires_ms): (Option<i64>, i64),
        reading: Reading,
    ) -> Result<Confirmed, Failure> {
        match principal {
            Err(why) => Err(Failure::Refused(Refusal { reason: why.into(), marks, reading })),
            Ok(principal) => {
                let identity = Identity { principal, issued_ms, expires_ms };
                Ok(self.near.confirmed(identity, marks, reading))
            }
        }
    }

    /// Finds out whom a client's id and secret prove.
    ///
    /// # Errors
    ///
    /// [`Unresolved`] says whether they are wrong (401) or could not be checked (503).
    ///
    /// Only what is not near is looked at: so many tries of it are wrong at once as there are workers,
    /// and after too many wrong ones from `address` none is looked at, right or not.
    pub async fn client(
        &self,
        id: &str,
        secret: &Secret,
        address: Option<IpAddr>,
    ) -> Result<Resolved, Unresolved> {
        let (Some(directory), Some(client)) = (&self.directory, ClientId::parse(id)) else {
            return Err(Unresolved::ClientWrong);
        };
        let started = Instant::now();
        let mut hash = Sha256::new();
        // An id has one length: nothing can move from it to the secret.
        hash.update(b"client\0");
        hash.update(id);
        hash.update(secret.expose());
        let digest: [u8; 32] = hash.finalize().into();
        let ask = async || {
            let reading = self.near.reading(&self.store);
            let mark = self.fences().mark(self.fences().of_client(&digest));
            if directory.is_braked(&format!("client/{id}"), address).await? {
                let (reason, marks) = (Unresolved::TooManyTries, Marks::of(mark));
                return Err(Failure::Refused(Refusal { reason, marks, reading }));
            }
            let standing = directory.client(client, secret, mark).await?;
            self.confirmed(standing, (None, NEVER_MS), reading)
        };
        let key = Key::of_digest(digest);
        let found = match self.kept(&key) {
            Some(known) => Found::Near(known?),
            None => self.near.find(key, || self.in_turn(Source::of(address), ask())).await?,
        };
        let (confirmed, level) = match found {
            Found::Near(confirmed) => (confirmed, Level::Near),
            Found::Asked(confirmed) => (confirmed, Level::Store),
            Found::Grace(confirmed) => (confirmed, Level::Grace),
        };
        let store_time = if level == Level::Near { Duration::ZERO } else { started.elapsed() };
        let credential = Credential::Client { id: id.to_owned(), secret: secret.clone() };
        Ok(Resolved { identity: Caller::new(&confirmed.identity, credential), level, store_time })
    }

    /// A token of another service: one question, and no principal of ours behind it.
    pub(super) async fn ask_foreign(
        &self,
        token: &str,
        layout: &Foreign,
    ) -> Result<Confirmed, Failure> {
        let reading = self.near.reading(&self.store);
        let fence = self.fences().of_foreign(foreign::key(layout, token).as_bytes());
        let marks = Marks::of(self.fences().mark(fence));
        match self.store.foreign(token, layout).await? {
            Some(found) => Ok(self.near.confirmed(foreign_identity(found), marks, reading)),
            None => {
                let reason = Unresolved::Unknown;
                Err(Failure::Refused(Refusal { reason, marks, reading }))
            }
        }
    }
}

/// A token that nothing speaks against so far.
pub(super) enum Proof {
    /// One of ours, whose MAC is right and whose time has not come.
    Own(Verified),
    /// Another service's, by its SHA-256.
    Foreign(Arc<Foreign>, [u8; 32]),
}

impl Proof {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Own(verified) => Key::of_own(*verified),
            Self::Foreign(_, digest) => Key::of_digest(*digest),
        }
    }
}

/// `[A-Za-z0-9._~+/=-]{16,4096}`: what RFC 6750 lets a bearer token hold, and nothing that a key of
/// the store could be bent with.
fn is_foreign_token(token: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(&byte);
    FOREIGN_LENGTH.contains(&token.len()) && token.bytes().all(allowed)
}

/// The text's expiry is signed and the record's is not: the earlier of both counts.
fn identity(record: TokenRecord, expires_ms: i64) -> Identity {
    Identity {
        issued_ms: Some(record.issued_ms),
        expires_ms: record.expires_ms.min(expires_ms),
        principal: Principal {
            kind: PrincipalKind::User,
            id: record.subject,
            name: record.name,
            email: record.email,
            roles: record.roles.into(),
            scopes: record.scopes.into(),
            home: None,
        },
    }
}

fn foreign_identity(found: ForeignFound) -> Identity {
    Identity {
        issued_ms: None,
        expires_ms: found.expires_ms.unwrap_or(NEVER_MS),
        principal: Principal {
            kind: PrincipalKind::User,
            id: found.subject,
            name: found.name,
            email: found.email,
            roles: found.roles.into(),
            scopes: found.scopes.into(),
            home: None,
        },
    }
}
