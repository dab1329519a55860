//! The near cache: what the store said of a token a moment ago, shared by all workers.
//!
//! Invariants: identities are cached, never decisions. An error is never cached. An entry counts
//! only while its fences and the epoch are where they were before the store was asked, and only for
//! the configured time from that moment: the longer one while the connection it was read over tells of
//! changes and has answered within the last second. Each has up to a tenth less of either, so that what was
//! read together is not asked for together. Concurrent misses share one question.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use uuid::Uuid;

pub use super::confirmed::{Confirmed, Identity};
use super::{confirmed::Lifetimes, unresolved::Unresolved};
use crate::{
    cache::{self, Cache},
    config::Tokens,
    fences::{Fence, Fences, Lives, Marks, Reading},
    principal::Words,
    store::{Store, StoreError},
    token::keyring::Verified,
};

/// How long a token stays unknown: one that is issued a moment after it was tried works soon.
const UNKNOWN_LIFE: Duration = Duration::from_secs(1);

/// Unknown tokens have a small space of their own, so that asking for many throws nobody out.
const UNKNOWN_MAX: usize = 10_000;

/// Most lists of roles and scopes that are kept once for all.
const WORDS_MAX: usize = 1_024;

/// Questions until an answer is found that no revocation overtook. A bump needs an acknowledged
/// write, so that three in a row within one token's look-ups mean a storm, not bad luck.
const TRIES: usize = 3;

/// What a credential is kept under: never its text. No `Debug` all the same: the digest of a weak one
/// could be searched for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// A token of ours, whose MAC was checked before: what that vouches for.
    pub(super) fn of_own(token: Verified) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(token.id.as_bytes());
        key[16..24].copy_from_slice(&token.expires_ms.to_be_bytes());
        Self(key)
    }

    /// Anything else, by its SHA-256.
    pub(super) fn of_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

/// A refusal by the store's word, and under what it counts.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Unresolved,
    pub(super) marks: Marks,
    pub(super) reading: Reading,
}

impl Refusal {
    fn counts(&self, fences: &Fences, now: Instant) -> bool {
        let is_young = now < self.reading.at + UNKNOWN_LIFE;
        is_young && fences.is_of_now(&self.reading) && fences.hold(&self.marks)
    }
}

/// Why a question gave no identity.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Refused(Refusal),
    Store(Arc<StoreError>),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// What a look-up found, and how far it had to go.
pub(super) enum Found {
    Near(Confirmed),
    Asked(Confirmed),
    /// The store could not answer, and what it said a short while ago still counts.
    Grace(Confirmed),
}

/// Shared by all workers; cheap to clone.
#[derive(Clone)]
pub struct NearCache {
    fences: Arc<Fences>,
    confirmed: Cache<Key, Confirmed, Failure>,
    unknown: Cache<Key, Refusal, Infallible>,
    lifetimes: Lifetimes,
    /// Entries at most.
    most: usize,
    /// Lists of roles and scopes, of which there are far fewer than tokens.
    words: Arc<Mutex<HashSet<Words>>>,
}

impl std::fmt::Debug for NearCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NearCache({} entries)", self.entries())
    }
}

impl NearCache {
    /// An empty cache as `[tokens]` wants it.
    #[must_use]
    pub fn new(config: &Tokens, fences: Arc<Fences>) -> Self {
        let most = usize::try_from(config.near_entries).unwrap_or(usize::MAX);
        Self {
            fences,
            confirmed: Cache::new(most),
            unknown: Cache::new(UNKNOWN_MAX),
            lifetimes: Lifetimes::new(config.lives(), config.grace),
            most,
            words: Arc::default(),
        }
    }

    /// The fences, for a cache that takes this one's place.
    #[must_use]
    pub fn shared_fences(&self) -> Arc<Fences> {
        Arc::clone(&self.fences)
    }

    /// The fences that guard this cache.
    #[must_use]
    pub fn fences(&self) -> &Fences {
        &self.fences
    }

    /// Entries now, those included that count no more and were not swept out yet.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.confirmed.entries()
    }

    /// Entries at most.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How long confirmations count.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// How long what was read from the store counts.
    pub(super) fn lives(&self) -> Lives {
        self.lifetimes.lives
    }

    /// Of what is found here, the store vouched this long ago at most: then it was asked, or had told of
    /// every change.
    #[must_use]
    pub fn vouched_within(&self) -> Duration {
        self.lifetimes.lives.vouched_within()
    }

    /// `store` is about to be asked. Marks are taken after this.
    pub(super) fn reading(&self, store: &Store) -> Reading {
        self.fences.reading(store.ear())
    }

    /// What the store confirmed. It never outlives the token, even if the wall clock, by which expiry is
    /// judged, is set back meanwhile.
    pub(super) fn confirmed(
        &self,
        mut identity: Identity,
        marks: Marks,
        reading: Reading,
    ) -> Confirmed {
        let principal = &mut identity.principal;
        for words in [&mut principal.roles, &mut principal.scopes] {
            *words = self.once(words);
        }
        Confirmed::new(identity, marks, reading, self.lives())
    }

    /// The list that is kept for all who have these words.
    fn once(&self, words: &Words) -> Words {
        let mut known = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(words) {
            return Arc::clone(known);
        }
        if known.len() >= WORDS_MAX {
            known.retain(|words| Arc::strong_count(words) > 1);
        }
        if known.len() < WORDS_MAX {
            known.insert(Arc::clone(words));
        }
        Arc::clone(words)
    }

    /// Who `key` proves, or why it proves nobody, as far as that is known here.
    pub(super) fn kept(&self, key: &Key) -> Option<Result<Confirmed, Unresolved>> {
        let (fences, now) = (&*self.fences, Instant::now());
        let counts = |confirmed: &Confirmed| confirmed.counts(fences, now);
        if let Some(confirmed) = self.confirmed.get(key, counts) {
            return Some(Ok(confirmed));
        }
        let refused = |refusal: &Refusal| refusal.counts(fences, now);
        self.unknown.get(key, refused).map(|refusal| Err(refusal.reason))
    }

    /// Finds who `key` proves by running `ask`, unless somebody else just has. `ask` may run more than
    /// once, each time after the last has ended.
    pub(super) async fn find<F: Future<Output = Result<Confirmed, Failure>>>(
        &self,
        key: Key,
        ask: impl Fn() -> F,
    ) -> Result<Found, Failure> {
        let (fences, lifetimes) = (&*self.fences, self.lifetimes);
        // Whoever comes after a link was lost takes no answer to a question of before: what changed
        // meanwhile may never be told.
        let epoch = fences.epoch();
        let counts = |confirmed: &Confirmed| confirmed.counts(fences, Instant::now());
        let worth = |confirmed: &Confirmed| confirmed.is_of_use(fences, lifetimes, Instant::now());
        for _ in 0..TRIES {
            let question = async || {
                ask().await.map_err(|failure| match failure {
                    Failure::Refused(refusal) => Failure::Refused(self.remember(&key, refusal)),
                    Failure::Store(_) => failure,
                })
            };
            match self.confirmed.find(&key, counts, worth, question).await {
                Ok(cache::Found::Kept(confirmed)) => return Ok(Found::Near(confirmed)),
                Ok(cache::Found::Asked(confirmed))
                    if confirmed.unrevoked(&self.fences) && confirmed.reading.is_since(epoch) =>
                {
                    return Ok(Found::Asked(confirmed));
                }
                Err(Failure::Refused(refusal)) if self.fences.hold(&refusal.marks) => {
                    return Err(Failure::Refused(refusal));
                }
                Err(Failure::Store(error)) => return self.graced(&key, error),
                // Something moved while the store was being asked: ask again, under the marks of now.
                Ok(cache::Found::Asked(_)) | Err(Failure::Refused(_)) => {}
            }
        }
        // A question of our own is younger than this request, whatever moves meanwhile.
        ask().await.map(Found::Asked)
    }

    /// Asks ahead for what still counts, by `ask`, unless somebody has done so already: the answer, when it
    /// is of use. When there is none, the entry lives on to its end. When the store refuses, it ends here:
    /// whatever nobody told of, this is newer.
    pub(super) async fn renew(
        &self,
        key: Key,
        ask: impl Future<Output = Result<Confirmed, Failure>>,
    ) -> Option<Confirmed> {
        let (fences, lifetimes) = (&*self.fences, self.lifetimes);
        let is_fresh = |confirmed: &Confirmed| {
            let now = Instant::now();
            confirmed.counts(fences, now) && !confirmed.is_due(fences, lifetimes, now)
        };
        let worth = |confirmed: &Confirmed| confirmed.is_of_use(fences, lifetimes, Instant::now());
        match self.confirmed.find(&key, is_fresh, worth, async || ask.await).await {
            Ok(cache::Found::Kept(confirmed)) => Some(confirmed),
            Ok(cache::Found::Asked(confirmed)) => Some(confirmed).filter(|it| it.unrevoked(fences)),
            Err(Failure::Refused(refusal)) => {
                let _after = fences.bump_own(refusal.marks);
                None
            }
            Err(Failure::Store(_)) => None,
        }
    }

    /// Keeps a refusal. With a grace it also moves the fences of what it was about: an older confirmation
    /// must not come back when the store goes away.
    fn remember(&self, key: &Key, mut refusal: Refusal) -> Refusal {
        // What one address may not ask now says nothing of what another asks.
        if matches!(refusal.reason, Unresolved::TooManyTries) {
            return refusal;
        }
        if !self.lifetimes.grace.is_zero() {
            refusal.marks = self.fences.bump_own(refusal.marks);
        }
        let counts = |refusal: &Refusal| refusal.counts(&self.fences, Instant::now());
        self.unknown.put(key, refusal.clone(), counts);
        refusal
    }

    /// The store could not answer: what it said of this token less than `grace` ago still counts,
    /// unless it was revoked since, as far as anybody told.
    fn graced(&self, key: &Key, error: Arc<StoreError>) -> Result<Found, Failure> {
        let answered = matches!(*error, StoreError::BadRecord { .. });
        let graces =
            |confirmed: &Confirmed| confirmed.graces(&self.fences, self.lifetimes, Instant::now());
        match self.confirmed.get(key, graces) {
            Some(confirmed) if !answered => Ok(Found::Grace(confirmed)),
            Some(_) | None => Err(Failure::Store(error)),
        }
    }

    /// Revokes the token `id` in `store`, then makes every cached answer about it worthless, before
    /// it returns. `false` when there was no such token.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that the token is gone; safe to repeat.
    pub async fn revoke(&self, store: &Store, id: Uuid) -> Result<bool, StoreError> {
        let _bump = self.bump_at_end(self.fences.of_token(id));
        store.revoke(id).await
    }

    /// Ends all tokens of `subject`, as [`revoke`](Self::revoke) ends one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that they are ended; safe to repeat.
    pub async fn revoke_all(&self, store: &Store, subject: &str) -> Result<bool, StoreError> {
        let _bump = self.bump_at_end(self.fences.of_subject(subject));
        store.revoke_all(subject).await
    }

    /// Lets `subject` in or shuts it out, and makes every cached answer about it worthless.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not certain that the state is kept; safe to repeat.
    pub async fn set_active(
        &self,
        store: &Store,
        subject: &str,
        active: bool,
    ) -> Result<bool, StoreError> {
        let _bump = self.bump_at_end(self.fences.of_subject(subject));
        store.set_active(subject, active).await
    }

    /// Bumps when dropped: after the store's acknowledgement and before ours, and also when the
    /// store failed or nobody waits any more, since the write may have happened all the same.
    pub(super) fn bump_at_end(&self, fence: Fence) -> BumpAtEnd<'_> {
        BumpAtEnd { fences: &self.fences, fence }
    }
}

pub(super) struct BumpAtEnd<'a> {
    fences: &'a Fences,
    fence: Fence,
}

impl Drop for BumpAtEnd<'_> {
    fn drop(&mut self) {
        self.fences.bump(self.fence);
    }
}
