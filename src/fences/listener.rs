//! Whether a connection to the store still tells of every change. It does while it answers: what the
//! store says of changes comes in order with its answers, so that whoever has the answer to a question
//! has heard of everything that changed before the store read it.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
        },
    },
    time::{Duration, Instant},
};

use super::Fences;

/// How long an answer proves that no change was missed, from when its question was asked: a connection
/// that dies in silence, and what changed meanwhile, is noticed after it.
pub const HEARD_FOR: Duration = Duration::from_secs(1);

/// Most connections that listen at once: one a worker, twice while a reload changes the store.
const EARS: usize = 256;

/// Nobody has this place.
const FREE: u64 = u64::MAX;
/// Somebody has it and has heard nothing (any more).
const DEAF: u64 = 0;
/// A busy connection writes here so often, not with each answer: others read it all the time.
const BEAT_MS: u64 = 20;

/// What was heard last over each connection.
pub(super) struct Ears {
    born: Instant,
    /// When the last question was asked that was answered, in milliseconds from `born`, plus one.
    heard: [AtomicU64; EARS],
}

impl Ears {
    pub(super) fn new() -> Self {
        Self { born: Instant::now(), heard: [const { AtomicU64::new(FREE) }; EARS] }
    }

    fn at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.born).as_millis();
        u64::try_from(since).unwrap_or(FREE - 2) + 1
    }
}

/// Over which connection something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ear(u8);

/// A place for one link to the store, whose connection may tell of changes. Given back when dropped.
#[derive(Debug)]
pub struct Listener {
    fences: Arc<Fences>,
    ear: Ear,
}

impl Listener {
    /// A place, if there is one left. Without one, what is read counts as if nothing told of changes.
    #[must_use]
    pub fn new(fences: &Arc<Fences>) -> Option<Self> {
        let claimed =
            |heard: &AtomicU64| heard.compare_exchange(FREE, DEAF, AcqRel, Acquire).is_ok();
        let place = fences.ears.heard.iter().position(claimed)?;
        let ear = Ear(u8::try_from(place).ok()?);
        Some(Self { fences: Arc::clone(fences), ear })
    }

    /// What is read over this link carries it.
    #[must_use]
    pub fn ear(&self) -> Ear {
        self.ear
    }

    /// The connection, which tells of changes, has answered what was asked at `asked`.
    pub fn heard(&self, asked: Instant) {
        let (at, cell) = (self.fences.ears.at(asked), self.cell());
        let before = cell.load(Relaxed);
        if before == DEAF || at >= before + BEAT_MS {
            cell.store(at, Release);
        }
    }

    /// The connection is gone.
    pub fn lost(&self) {
        self.cell().store(DEAF, Release);
    }

    fn cell(&self) -> &AtomicU64 {
        &self.fences.ears.heard[usize::from(self.ear.0)]
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Whoever gets the place speaks for nothing that was read over this link.
        self.fences.next_epoch();
        self.cell().store(FREE, Release);
    }
}

impl Fences {
    /// Whether the connection behind `ear` would have told of every change until a moment ago.
    #[must_use]
    pub fn hears(&self, ear: Ear, now: Instant) -> bool {
        let heard = self.ears.heard[usize::from(ear.0)].load(Acquire);
        let least = self.ears.at(now).saturating_sub(millis(HEARD_FOR));
        heard != FREE && heard != DEAF && heard > least
    }
}

const fn millis(duration: Duration) -> u64 {
    duration.as_secs() * 1_000 + duration.subsec_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_heard_for_a_second_from_what_it_answered_last() {
        let fences = Arc::new(Fences::new());
        let listener = Listener::new(&fences).unwrap();
        // Later than the fences' own beginning, from which they count.
        let asked = Instant::now() + Duration::from_secs(10);
        assert!(!fences.hears(listener.ear(), asked), "nothing was answered yet");
        listener.heard(asked);
        assert!(fences.hears(listener.ear(), asked));
        assert!(fences.hears(listener.ear(), asked + HEARD_FOR - Duration::from_millis(2)));
        assert!(!fences.hears(listener.ear(), asked + HEARD_FOR));
        // An answer that was late says nothing newer.
        listener.heard(asked - Duration::from_millis(500));
        assert!(!fences.hears(listener.ear(), asked + HEARD_FOR));
        listener.heard(asked + HEARD_FOR);
        assert!(fences.hears(listener.ear(), asked + HEARD_FOR));
        listener.lost();
        assert!(!fences.hears(listener.ear(), asked + HEARD_FOR));
    }

    #[test]
    fn a_place_that_changes_hands_moves_the_epoch_and_there_are_only_so_many() {
        let fences = Arc::new(Fences::new());
        let taken: Vec<_> = (0..EARS).map(|_| Listener::new(&fences).unwrap()).collect();
        assert!(Listener::new(&fences).is_none());
        let (asked, epoch) = (Instant::now(), fences.epoch());
        taken[7].heard(asked);
        let ear = taken[7].ear();
        drop(taken);
        assert_ne!(fences.epoch(), epoch);
        assert!(!fences.hears(ear, asked));
        assert!(Listener::new(&fences).is_some());
    }
}
