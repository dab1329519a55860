//! Counters that move when what is cached behind them may have changed. They are what makes a
//! revocation true: removing entries from a cache is only tidying, because an answer that is under
//! way while an entry is removed would put the old one back.
//!
//! Invariant: a mark is taken before the store is asked, and what the store answered counts only
//! while the mark holds.

use std::{
    hash::BuildHasher as _,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire},
    time::Duration,
};

use foldhash::quality::RandomState;
use uuid::Uuid;

pub use self::{
    listener::{Ear, HEARD_FOR, Listener},
    reading::{Lives, Reading},
};

mod listener;
mod reading;

/// Fences of one process: 64 KiB. Two keys that share one cost each other a needless question.
const FENCES: usize = 16_384;

/// Shared by all workers.
pub struct Fences {
    fences: Box<[AtomicU32]>,
    epoch: AtomicU32,
    /// How often any fence has moved.
    moves: AtomicU64,
    /// Random, so that nobody can choose keys that share a fence.
    hasher: RandomState,
    ears: listener::Ears,
}

/// Which fence guards a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence(u16);

/// A fence and the value it had. Wraps after 2^32 moves within one entry's life: never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    fence: Fence,
    value: u32,
}

/// Most marks that one answer is made under: a token, its principal, and what that one belongs to.
const MARKS_MAX: usize = 5;

/// The marks under which an answer was made. It counts while all of them hold.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    fences: [Fence; MARKS_MAX],
    count: u8,
    values: [u32; MARKS_MAX],
}

impl Marks {
    /// One mark.
    #[must_use]
    pub fn of(mark: Mark) -> Self {
        Self { fences: [mark.fence; MARKS_MAX], count: 1, values: [mark.value; MARKS_MAX] }
    }

    /// One mark more; at most five in all.
    #[must_use]
    pub fn and(mut self, mark: Mark) -> Self {
        let place = usize::from(self.count);
        (self.fences[place], self.values[place]) = (mark.fence, mark.value);
        self.count += 1;
        self
    }

    /// A share of `whole` that another key of this process, and the same key of another process, have
    /// another of: which fence guards a key is as good as a die, and costs nothing to know.
    #[must_use]
    pub fn share(&self, whole: Duration) -> Duration {
        whole * u32::from(self.fences[0].0) / FENCES as u32
    }

    fn all(&self) -> impl Iterator<Item = Mark> {
        let marks = self.fences.iter().zip(self.values).take(usize::from(self.count));
        marks.map(|(fence, value)| Mark { fence: *fence, value })
    }
}

/// What a fence can guard. The variant is hashed too: no subject shares a key with a token.
#[derive(Hash)]
enum Guarded<'a> {
    Token(&'a [u8]),
    Foreign(&'a [u8]),
    Client(&'a [u8]),
    Subject(&'a str),
    Document(&'a str),
}

impl Default for Fences {
    fn default() -> Self {
        let fences = (0..FENCES).map(|_| AtomicU32::new(0)).collect();
        Self {
            fences,
            epoch: AtomicU32::new(0),
            moves: AtomicU64::new(0),
            hasher: RandomState::default(),
            ears: listener::Ears::new(),
        }
    }
}

impl std::fmt::Debug for Fences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fences(epoch {})", self.epoch())
    }
}

impl Fences {
    /// All fences at their start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fence of the token `id`.
    #[must_use]
    pub fn of_token(&self, id: Uuid) -> Fence {
        self.of(&Guarded::Token(id.as_bytes()))
    }

    /// The fence of another service's token, by the key under which that one keeps it.
    #[must_use]
    pub fn of_foreign(&self, key: &[u8]) -> Fence {
        self.of(&Guarded::Foreign(key))
    }

    /// The fence of a client's id and secret, by the SHA-256 of both.
    #[must_use]
    pub fn of_client(&self, digest: &[u8; 32]) -> Fence {
        self.of(&Guarded::Client(digest))
    }

    /// The fence of everything that belongs to `subject`.
    #[must_use]
    pub fn of_subject(&self, subject: &str) -> Fence {
        self.of(&Guarded::Subject(subject))
    }

    /// The fence of a document of the directory, by the text of its key.
    #[must_use]
    pub fn of_document(&self, key: &str) -> Fence {
        self.of(&Guarded::Document(key))
    }

    fn of(&self, key: &Guarded<'_>) -> Fence {
        #[expect(clippy::cast_possible_truncation, reason = "below 16,384")]
        Fence((self.hasher.hash_one(key) % FENCES as u64) as u16)
    }

    fn counter(&self, fence: Fence) -> &AtomicU32 {
        &self.fences[usize::from(fence.0)]
    }

    /// The fence as it stands. Take it before asking the store.
    #[must_use]
    pub fn mark(&self, fence: Fence) -> Mark {
        Mark { fence, value: self.counter(fence).load(Acquire) }
    }

    /// Whether the fence has not moved since.
    #[must_use]
    pub fn holds(&self, mark: Mark) -> bool {
        self.counter(mark.fence).load(Acquire) == mark.value
    }

    /// Whether none of the fences has moved since.
    #[must_use]
    pub fn hold(&self, marks: &Marks) -> bool {
        marks.all().all(|mark| self.holds(mark))
    }

    /// [`bump_from`](Self::bump_from) for the first two marks, those of a token and its principal: the
    /// others guard what belongs to many.
    #[must_use]
    pub fn bump_own(&self, mut marks: Marks) -> Marks {
        for place in 0..usize::from(marks.count.min(2)) {
            let mark = Mark { fence: marks.fences[place], value: marks.values[place] };
            marks.values[place] = self.bump_from(mark).value;
        }
        marks
    }

    /// Moves one fence: nothing that was asked before counts any more.
    pub fn bump(&self, fence: Fence) {
        self.counter(fence).fetch_add(1, AcqRel);
        self.moves.fetch_add(1, AcqRel);
    }

    /// Moves two fences of one change.
    pub fn bump_both(&self, first: Fence, second: Fence) {
        self.counter(first).fetch_add(1, AcqRel);
        self.bump(second);
    }

    /// Moves the fence of `mark` and gives the mark after that one move. If the fence had moved
    /// before, so that `mark` did not hold, what is given does not hold either.
    #[must_use]
    pub fn bump_from(&self, mark: Mark) -> Mark {
        let before = self.counter(mark.fence).fetch_add(1, AcqRel);
        self.moves.fetch_add(1, AcqRel);
        let moved = if before == mark.value { 1 } else { 0 };
        Mark { value: mark.value.wrapping_add(moved), ..mark }
    }

    /// Moves every fence: a reload changed what tokens mean.
    pub fn bump_all(&self) {
        for fence in &self.fences {
            fence.fetch_add(1, AcqRel);
        }
        self.moves.fetch_add(1, AcqRel);
    }

    /// How often something was made worthless; another number after each move of any fence, for whoever
    /// waits for one and would not look at all.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.moves.load(Acquire)
    }

    /// The epoch of the links. It moves when one is lost or made: what was read over a link that
    /// died may have changed unseen, and has to be asked for again.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Acquire)
    }

    /// Moves the epoch. Links to the store do, whenever a connection is made or lost.
    pub fn next_epoch(&self) {
        self.epoch.fetch_add(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_mark_holds_until_its_fence_moves() {
        let fences = Fences::new();
        let fence = fences.of_subject("ann");
        let mark = fences.mark(fence);
        assert!(fences.holds(mark));
        let moves = fences.moves();
        fences.bump(fence);
        assert_ne!(fences.moves(), moves);
        assert!(!fences.holds(mark));
        let mark = fences.mark(fence);
        fences.bump_all();
        assert!(!fences.holds(mark));
    }

    #[test]
    fn the_epoch_moves_apart_from_the_fences() {
        let fences = Fences::new();
        let mark = fences.mark(fences.of_token(Uuid::from_u128(1)));
        let epoch = fences.epoch();
        fences.next_epoch();
        assert_ne!(fences.epoch(), epoch);
        assert!(fences.holds(mark));
    }

    #[test]
    fn a_bump_from_a_mark_that_no_longer_held_gives_none_that_holds() {
        let fences = Fences::new();
        let mark = fences.mark(fences.of_subject("ann"));
        let after = fences.bump_from(mark);
        assert!(!fences.holds(mark));
        assert!(fences.holds(after));
        assert!(!fences.holds(fences.bump_from(mark)));
    }

    #[test]
    fn keys_spread_over_the_fences() {
        let fences = Fences::new();
        let used: HashSet<Fence> =
            (0..10_000_u128).map(|id| fences.of_token(Uuid::from_u128(id))).collect();
        assert!(used.len() > 7_000, "10,000 keys fell on {} fences", used.len());
    }

    #[test]
    fn shares_are_spread_over_the_whole_and_differ_between_processes() {
        let (here, there) = (Fences::new(), Fences::new());
        let whole = Duration::from_secs(16);
        let share = |fences: &Fences, id| {
            Marks::of(fences.mark(fences.of_token(Uuid::from_u128(id)))).share(whole)
        };
        let mut seconds = [0; 16];
        for id in 0..16_000 {
            seconds[usize::try_from(share(&here, id).as_secs()).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|count| (700..1_300).contains(count)), "{seconds:?}");
        assert!((0..100).any(|id| share(&here, id) != share(&there, id)));
    }

    #[test]
    fn a_token_and_a_subject_of_the_same_bytes_have_their_own_fences() {
        // One pair may collide by chance, a hundred do not.
        let fences = Fences::new();
        let same = (0..100).filter(|n| {
            let text = format!("{n:032}");
            fences.of_foreign(text.as_bytes()) == fences.of_subject(&text)
        });
        assert!(same.count() < 5);
    }
}
