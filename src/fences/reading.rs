//! When and over which connection something was read from the store, and for how long that counts.

use std::time::{Duration, Instant};

use super::{Ear, Fences, HEARD_FOR};

/// Made before the store is asked.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// When it was asked.
    pub at: Instant,
    epoch: u32,
    ear: Option<Ear>,
}

impl Reading {
    /// Whether it was made in this epoch or a later one.
    #[must_use]
    pub fn is_since(&self, epoch: u32) -> bool {
        self.epoch >= epoch
    }

    /// Of what was made of both, which were read over one connection: as old as the older, and of no
    /// epoch but one that both are of.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), epoch: self.epoch.min(other.epoch), ear: self.ear }
    }
}

/// How long what was read counts without being asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Whether or not anybody tells of changes.
    pub alone: Duration,
    /// While the connection that it was read over tells of them.
    pub heard: Duration,
}

impl Lives {
    /// Of what counts, the store vouched this long ago at most: then it was asked, or had told of every
    /// change.
    #[must_use]
    pub fn vouched_within(self) -> Duration {
        if self.heard > self.alone { self.alone.max(HEARD_FOR) } else { self.alone }
    }
}

impl Fences {
    /// The store is about to be asked, over `ear`'s connection if that one may tell of changes. Marks are
    /// taken after this.
    #[must_use]
    pub fn reading(&self, ear: Option<Ear>) -> Reading {
        Reading { at: Instant::now(), epoch: self.epoch(), ear }
    }

    /// Whether a reading counts: it is young enough, and no link to the store was made or lost since.
    #[must_use]
    pub fn vouch(&self, reading: &Reading, lives: Lives, now: Instant) -> bool {
        let age = now.saturating_duration_since(reading.at);
        (age < lives.alone || age < lives.heard && self.is_told(reading, now))
            && self.is_of_now(reading)
    }

    /// Whether the connection of a reading tells of changes.
    #[must_use]
    pub fn is_told(&self, reading: &Reading, now: Instant) -> bool {
        reading.ear.is_some_and(|ear| self.hears(ear, now))
    }

    /// Whether no link to the store was made or lost since.
    #[must_use]
    pub fn is_of_now(&self, reading: &Reading) -> bool {
        reading.epoch == self.epoch()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fences::Listener;

    const LIVES: Lives =
        Lives { alone: Duration::from_millis(500), heard: Duration::from_secs(30) };

    #[test]
    fn the_longer_life_holds_while_the_connection_is_heard_and_none_outlives_the_epoch() {
        let fences = Arc::new(Fences::new());
        let listener = Listener::new(&fences).unwrap();
        let (told, untold) = (fences.reading(Some(listener.ear())), fences.reading(None));
        let counts = |reading: &Reading, ms: u64| {
            fences.vouch(reading, LIVES, reading.at + Duration::from_millis(ms))
        };
        assert!(counts(&told, 499) && counts(&untold, 499));
        assert!(!counts(&told, 500) && !counts(&untold, 500), "nothing was heard yet");
        listener.heard(told.at + Duration::from_secs(29));
        assert!(counts(&told, 500) && !counts(&untold, 500));
        assert!(counts(&told, 29_900) && !counts(&told, 30_000));
        fences.next_epoch();
        assert!(!counts(&told, 0) && !counts(&untold, 0));
    }

    #[test]
    fn what_was_made_of_two_readings_counts_while_both_do() {
        let fences = Fences::new();
        let first = fences.reading(None);
        let second = Reading { at: first.at + Duration::from_millis(100), ..fences.reading(None) };
        for both in [first.with(second), second.with(first)] {
            assert!(fences.vouch(&both, LIVES, first.at + Duration::from_millis(499)));
            assert!(!fences.vouch(&both, LIVES, first.at + Duration::from_millis(500)));
        }
        // A connection was lost and made between the two.
        fences.next_epoch();
        let later = fences.reading(None);
        for both in [first.with(later), later.with(first)] {
            assert!(!fences.vouch(&both, LIVES, first.at));
        }
    }

    #[test]
    fn what_counts_was_vouched_for_lately() {
        let ms = Duration::from_millis;
        #[rustfmt::skip] // a table is read by column
        let rows = [
            (ms(1_000), ms(30_000), HEARD_FOR),
            (ms(5_000), ms(30_000), ms(5_000)),
            (ms(100), ms(30_000), HEARD_FOR),
            (ms(100), ms(100), ms(100)),
            (ms(0), ms(0), ms(0)),
        ];
        for (alone, heard, within) in rows {
            assert_eq!(Lives { alone, heard }.vouched_within(), within);
        }
    }
}
