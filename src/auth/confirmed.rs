//! An identity as the store confirmed it, for how long that counts, and when it is asked for ahead.
//!
//! Invariant: it counts only while its fences and the epoch are where they were before the store was
//! asked, no longer than configured, and never past its token's end by a clock that nobody sets.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    fences::{Fences, Lives, Marks, Reading},
    principal::Principal,
    token::ttl::unix_ms,
};

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
    /// Of the token, of its principal, and of what else was read; the token's alone for a foreign one.
    pub(super) marks: Marks,
    /// When, and over which connection.
    pub(super) reading: Reading,
    /// Milliseconds from the reading until it counts no more although its connection tells of changes, and
    /// where it does not: its own share of the lives, and never past the end of the token.
    heard_ms: u32,
    alone_ms: u32,
    /// Milliseconds from the reading until the token expires, by a clock that nobody sets; as many as there
    /// is room for where it is later, which is longer than anything counts.
    left_ms: u32,
}

/// The part of a life by which entries differ, so that those which were read together are not asked for
/// together; and the part before its end in which an entry that is used is asked for ahead.
const PART: u32 = 10;

/// A shorter life is over before a worker's next ticks can ask ahead.
const AHEAD_FROM: Duration = Duration::from_millis(500);

/// How long confirmations count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) lives: Lives,
    /// While the store cannot be asked.
    pub(super) grace: Duration,
    /// Milliseconds before the end of either life from which on whatever is used is asked for again.
    ahead_heard_ms: u32,
    ahead_alone_ms: u32,
}

impl Lifetimes {
    pub(super) fn new(lives: Lives, grace: Duration) -> Self {
        let ahead = |life: Duration| if life < AHEAD_FROM { 0 } else { millis(life / PART) };
        let (ahead_heard_ms, ahead_alone_ms) = (ahead(lives.heard), ahead(lives.alone));
        Self { lives, grace, ahead_heard_ms, ahead_alone_ms }
    }
}

/// As many as there is room for: some 49 days.
fn millis(duration: Duration) -> u32 {
    let whole = duration.as_secs().saturating_mul(1_000) + u64::from(duration.subsec_millis());
    u32::try_from(whole).unwrap_or(u32::MAX)
}

impl Confirmed {
    /// What was read under `marks`. It never outlives the token, even if the wall clock, by which expiry is
    /// judged, is set back meanwhile.
    pub(super) fn new(identity: Identity, marks: Marks, reading: Reading, lives: Lives) -> Self {
        let now_ms = unix_ms(SystemTime::now());
        let left = identity.expires_ms.saturating_sub(now_ms).clamp(0, i64::from(u32::MAX));
        let left_ms = u32::try_from(left).unwrap_or(0);
        let own = |life: Duration| millis(life - marks.share(life / PART)).min(left_ms);
        let (heard_ms, alone_ms) = (own(lives.heard), own(lives.alone));
        Self { identity: Arc::new(identity), marks, reading, heard_ms, alone_ms, left_ms }
    }

    /// Whether it need not be asked for again: it is young enough, no link to the store was lost since,
    /// and nothing behind it has changed as far as anybody told.
    pub(super) fn counts(&self, fences: &Fences, now: Instant) -> bool {
        let age = self.age_ms(now);
        (age < self.alone_ms || age < self.heard_ms && fences.is_told(&self.reading, now))
            && fences.is_of_now(&self.reading)
            && self.unrevoked(fences)
    }

    /// Whether what [`counts`](Self::counts) will soon do so no more, of age and not because its token
    /// expires: whoever uses it has it asked for ahead, so that nobody waits.
    pub(super) fn is_due(&self, fences: &Fences, lifetimes: Lifetimes, now: Instant) -> bool {
        let age = self.age_ms(now);
        let alone = age < self.alone_ms;
        if alone && age.saturating_add(lifetimes.ahead_alone_ms) < self.alone_ms {
            return false; // young by either life
        }
        // What is older than the shorter life counts by the longer one.
        let is_longer = || self.heard_ms > self.alone_ms && fences.is_told(&self.reading, now);
        let (life, ahead) = if !alone || is_longer() {
            (self.heard_ms, lifetimes.ahead_heard_ms)
        } else {
            (self.alone_ms, lifetimes.ahead_alone_ms)
        };
        age.saturating_add(ahead) >= life && age < life && life < self.left_ms
    }

    fn age_ms(&self, now: Instant) -> u32 {
        millis(now.saturating_duration_since(self.reading.at))
    }

    /// Whether it is younger than `life`, and its token has not expired.
    fn is_within(&self, life: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.reading.at) < life && self.age_ms(now) < self.left_ms
    }

    pub(super) fn unrevoked(&self, fences: &Fences) -> bool {
        fences.hold(&self.marks)
    }

    /// Whether it stands in for a store that cannot be asked.
    pub(super) fn graces(&self, fences: &Fences, lifetimes: Lifetimes, now: Instant) -> bool {
        self.is_within(lifetimes.grace, now) && self.unrevoked(fences)
    }

    /// Whether it may count for anything once more.
    pub(super) fn is_of_use(&self, fences: &Fences, lifetimes: Lifetimes, now: Instant) -> bool {
        let longest = lifetimes.lives.heard.max(lifetimes.grace);
        self.is_within(longest, now) && self.unrevoked(fences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::near::NearCache,
        config::{self, Tokens},
        store::StoreOrigin,
        token::ttl::NEVER_MS,
    };

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
        let near = NearCache::new(&tokens, Arc::default());
        let store = StoreOrigin::open(&config::Store::Memory).unwrap();
        let store = store.attach(&near.shared_fences(), |_| {});
        let now = unix_ms(SystemTime::now());
        let lasts = |expires_ms, lived: Duration| {
            let identity = Identity { principal: Principal::guest(), issued_ms: None, expires_ms };
            let reading = near.reading(&store);
            let mark = near.fences().mark(near.fences().of_subject("ann"));
            let confirmed = near.confirmed(identity, Marks::of(mark), reading);
            let then = reading.at + lived;
            let counts = confirmed.counts(near.fences(), then);
            (counts, confirmed.graces(near.fences(), near.lifetimes(), then))
        };
        let second = Duration::from_secs(1);
        assert_eq!(lasts(NEVER_MS, minute * 9 / 10 - second), (true, true));
        assert_eq!(lasts(NEVER_MS, minute), (false, true));
        assert_eq!(lasts(NEVER_MS, 2 * minute), (false, false));
        assert_eq!(lasts(now - 1, Duration::ZERO), (false, false));
        assert_eq!(lasts(now + 30_000, second), (true, true));
        assert_eq!(lasts(now + 30_000, minute / 2), (false, false));
        assert_eq!(lasts(now + 90_000, minute), (false, true));
        assert_eq!(lasts(now + 90_000, 3 * minute / 2), (false, false));
    }
}
