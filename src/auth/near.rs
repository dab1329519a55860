//! The near cache: what the store said of a token a moment ago, shared by all workers.
//!
//! Invariants: identities are cached, never decisions. An error is never cached. An entry counts
//! only while its fences and the epoch are where they were before the store was asked, and only for
//! the configured time from that moment. Concurrent misses share one question.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use moka::{Expiry, future::Cache};
use uuid::Uuid;

use super::unresolved::Unresolved;
use crate::{
    config::Tokens,
    fences::{Fence, Fences, Mark, Marks},
    principal::Principal,
    store::{Store, StoreError},
    token::ttl::unix_ms,
};

/// How long a token stays unknown: one that is issued a moment after it was tried works soon.
const UNKNOWN_LIFE: Duration = Duration::from_secs(1);

/// Unknown tokens have a small space of their own, so that asking for many throws nobody out.
const UNKNOWN_MAX: u64 = 10_000;

/// Questions until an answer is found that no revocation overtook. A bump needs an acknowledged
/// write, so that three in a row within one token's look-ups mean a storm, not bad luck.
const TRIES: usize = 3;

/// A proven caller, with the times of the token that proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The caller.
    pub principal: Principal,
    /// Milliseconds since the epoch, when the record tells.
    pub issued_ms: Option<i64>,
    /// Milliseconds since the epoch; `i64::MAX` never expires. Expired at this instant.
    pub expires_ms: i64,
}

/// An identity as the store confirmed it, and what that is worth.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// Who it is.
    pub identity: Arc<Identity>,
    pub(super) until: Until,
    /// Of the token, of its principal, and of what else was read; the token's alone for a foreign one.
    pub(super) marks: Marks,
}

/// How long a confirmation counts, by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// Without asking again.
    pub(super) fresh: Instant,
    /// While the store cannot be asked.
    pub(super) grace: Instant,
}

impl Confirmed {
    /// Whether it is fresh and nothing behind it was revoked here.
    pub(super) fn counts(&self, fences: &Fences, now: Instant) -> bool {
        now < self.until.fresh && self.unrevoked(fences)
    }

    fn unrevoked(&self, fences: &Fences) -> bool {
        fences.hold(&self.marks)
    }
}

/// What a token is cached under. No `Debug`: it holds the token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum TokenKey {
    /// The whole text, whose MAC was checked before.
    Own(Box<str>),
    /// The SHA-256 of another service's token.
    Foreign([u8; 32]),
}

/// The fence's value and the epoch are part of the key: an answer that was overtaken is out of
/// reach, however late it comes in.
#[derive(Clone, PartialEq, Eq, Hash)]
struct EntryKey {
    token: TokenKey,
    mark: Mark,
    epoch: u64,
}

/// A refusal by the store's word, and the marks under which it counts.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Unresolved,
    pub(super) marks: Marks,
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
    confirmed: Cache<EntryKey, Confirmed>,
    unknown: Cache<TokenKey, (Refusal, u64)>,
    /// The last confirmation of each token, for when the store cannot answer. `None`: no grace.
    last: Option<Cache<TokenKey, Confirmed>>,
    ttl: Duration,
    grace: Duration,
}

impl std::fmt::Debug for NearCache {
    /// Without the entries: their keys are tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NearCache({} entries)", self.entries())
    }
}

impl NearCache {
    /// An empty cache as `[tokens]` wants it.
    #[must_use]
    pub fn new(config: &Tokens, fences: Arc<Fences>) -> Self {
        let last = (!config.grace.is_zero()).then(|| {
            Cache::builder().max_capacity(config.near_entries).time_to_live(config.grace).build()
        });
        Self {
            fences,
            confirmed: Cache::builder()
                .max_capacity(config.near_entries)
                .expire_after(UntilStale)
                .build(),
            unknown: Cache::builder().max_capacity(UNKNOWN_MAX).time_to_live(UNKNOWN_LIFE).build(),
            last,
            // Nothing tells us yet what changed elsewhere: only the shorter life is true.
            ttl: config.near_ttl.min(config.near_ttl_without_push),
            grace: config.grace,
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

    /// Entries now, about: what is on its way in or out may be missing or counted.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.confirmed.entry_count()
    }

    /// Does what the cache put off, so that [`entries`](Self::entries) is exact.
    #[cfg(test)]
    pub(super) async fn settle(&self) {
        self.confirmed.run_pending_tasks().await;
    }

    /// How long an answer counts.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How long the answer to a question that was asked at `asked` counts, about a token that expires at
    /// `expires_ms`. Never longer than the token has left, even if the wall clock, by which expiry is
    /// judged, is set back meanwhile.
    pub(super) fn until(&self, asked: Instant, expires_ms: i64) -> Until {
        let left = expires_ms.saturating_sub(unix_ms(SystemTime::now()));
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        Until { fresh: asked + self.ttl.min(left), grace: asked + self.grace.min(left) }
    }

    /// Finds who `key` proves: near, or by running `ask` with the token's mark. `ask` may run more
    /// than once, each time after the last has ended.
    pub(super) async fn find<F: Future<Output = Result<Confirmed, Failure>>>(
        &self,
        key: TokenKey,
        fence: Fence,
        ask: impl Fn(Mark) -> F,
    ) -> Result<Found, Failure> {
        if let Some((refusal, epoch)) = self.unknown.get(&key).await
            && self.still_refused(&refusal, epoch)
        {
            return Err(Failure::Refused(refusal));
        }
        let mut entry = self.entry_key(key, fence);
        if let Some(confirmed) = self.confirmed.get(&entry).await {
            if confirmed.counts(&self.fences, Instant::now()) {
                return Ok(Found::Near(confirmed));
            }
            self.confirmed.invalidate(&entry).await;
        }
        for _ in 0..TRIES {
            match self.shared_question(&entry, &ask).await {
                Ok(confirmed) if confirmed.unrevoked(&self.fences) => {
                    return Ok(Found::Asked(confirmed));
                }
                // Revoked while the store was being asked: ask again, under the marks of now.
                Ok(_) => {
                    self.confirmed.invalidate(&entry).await;
                    entry = self.entry_key(entry.token, fence);
                }
                Err(Failure::Store(error)) => return self.graced(&entry.token, error).await,
                Err(refused) => return Err(refused),
            }
        }
        // A question of our own is younger than this request, whatever moves meanwhile.
        ask(self.fences.mark(fence)).await.map(Found::Asked)
    }

    fn entry_key(&self, token: TokenKey, fence: Fence) -> EntryKey {
        EntryKey { token, mark: self.fences.mark(fence), epoch: self.fences.epoch() }
    }

    fn still_refused(&self, refusal: &Refusal, epoch: u64) -> bool {
        epoch == self.fences.epoch() && self.fences.hold(&refusal.marks)
    }

    /// Asks the store, or waits for whoever is asking the same already.
    async fn shared_question<F: Future<Output = Result<Confirmed, Failure>>>(
        &self,
        entry: &EntryKey,
        ask: &impl Fn(Mark) -> F,
    ) -> Result<Confirmed, Failure> {
        let question = async {
            let answer = ask(entry.mark).await;
            match &answer {
                Ok(confirmed) => self.remember(entry, confirmed).await,
                Err(Failure::Refused(refusal)) => self.remember_refusal(entry, refusal).await,
                Err(Failure::Store(_)) => {}
            }
            answer
        };
        self.confirmed
            .try_get_with_by_ref(entry, question)
            .await
            .map_err(|failure| Failure::clone(&failure))
    }

    async fn remember(&self, entry: &EntryKey, confirmed: &Confirmed) {
        if let Some(last) = &self.last {
            last.insert(entry.token.clone(), confirmed.clone()).await;
        }
    }

    /// With a grace, a refusal also moves the fences of what it was about: an older confirmation
    /// must not come back when the store goes away.
    async fn remember_refusal(&self, entry: &EntryKey, refusal: &Refusal) {
        // What one address may not ask now says nothing of what another asks.
        if matches!(refusal.reason, Unresolved::TooManyTries) {
            return;
        }
        let mut refusal = refusal.clone();
        if self.last.is_some() {
            refusal.marks = self.fences.bump_own(refusal.marks);
        }
        self.unknown.insert(entry.token.clone(), (refusal, entry.epoch)).await;
    }

    /// The store could not answer: what it said of this token less than `grace` ago still counts,
    /// unless it was revoked here since.
    async fn graced(&self, key: &TokenKey, error: Arc<StoreError>) -> Result<Found, Failure> {
        let answered = matches!(*error, StoreError::BadRecord { .. });
        if let Some(last) = &self.last
            && !answered
            && let Some(confirmed) = last.get(key).await
            && Instant::now() < confirmed.until.grace
            && confirmed.unrevoked(&self.fences)
        {
            return Ok(Found::Grace(confirmed));
        }
        Err(Failure::Store(error))
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
    fn bump_at_end(&self, fence: Fence) -> BumpAtEnd<'_> {
        BumpAtEnd { fences: &self.fences, fence }
    }
}

struct BumpAtEnd<'a> {
    fences: &'a Fences,
    fence: Fence,
}

impl Drop for BumpAtEnd<'_> {
    fn drop(&mut self) {
        self.fences.bump(self.fence);
    }
}

/// Drops an entry when it stops counting.
struct UntilStale;

impl Expiry<EntryKey, Confirmed> for UntilStale {
    fn expire_after_create(
        &self,
        _: &EntryKey,
        value: &Confirmed,
        at: Instant,
    ) -> Option<Duration> {
        Some(value.until.fresh.saturating_duration_since(at))
    }

    fn expire_after_update(
        &self,
        _: &EntryKey,
        value: &Confirmed,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.until.fresh.saturating_duration_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::ttl::NEVER_MS;

    #[test]
    fn what_is_kept_of_a_token_never_outlives_it_whatever_the_wall_clock_does() {
        let minute = Duration::from_secs(60);
        let tokens = Tokens {
            from: Vec::new(),
            near_entries: 1,
            near_ttl: minute,
            near_ttl_without_push: minute,
            grace: 2 * minute,
            ttl: None,
            foreign: None,
        };
        let (near, asked) = (NearCache::new(&tokens, Arc::default()), Instant::now());
        let now = unix_ms(SystemTime::now());
        let until = |expires_ms| {
            let Until { fresh, grace } = near.until(asked, expires_ms);
            (fresh - asked, grace - asked)
        };
        assert_eq!(until(NEVER_MS), (minute, 2 * minute));
        assert_eq!(until(now - 1), (Duration::ZERO, Duration::ZERO));
        let (fresh, grace) = until(now + 30_000);
        assert!(fresh <= minute / 2 && grace <= minute / 2, "{fresh:?} {grace:?}");
        let (fresh, grace) = until(now + 90_000);
        assert!(fresh == minute && grace <= 3 * minute / 2, "{fresh:?} {grace:?}");
    }
}
