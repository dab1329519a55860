//! A worker's own first level: an array in which each token has exactly one place. Nothing is
//! locked, nothing is allocated on a hit, and no counter is shared with another worker.
//!
//! Invariant: it shortens the way to an answer of the near cache and never lengthens that answer's
//! life. What is here counts under the same marks and until the same instant.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Instant,
};

use super::{
    fences::Fences,
    near::{Confirmed, Identity},
};

/// Places: 1.3 MiB of them a worker.
const PLACES: usize = 16_384;

/// The array.
pub(super) struct HotLevel {
    places: Box<[Option<Entry>]>,
    /// Random, so that nobody can choose tokens that push each other out.
    hasher: RandomState,
}

/// One remembered token.
struct Entry {
    text: Box<str>,
    /// A copy of this worker's own: a count that all workers share would travel between their cores
    /// with every request.
    confirmed: Confirmed,
    epoch: u64,
}

impl HotLevel {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| None).collect(), hasher: RandomState::new() }
    }

    fn place(&self, text: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "below 16,384")]
        let place = (self.hasher.hash_one(text) % PLACES as u64) as usize;
        place
    }

    /// Who `text` proved, if that is remembered and still counts.
    pub(super) fn get(&self, text: &str, fences: &Fences, now: Instant) -> Option<Arc<Identity>> {
        let entry = self.places[self.place(text)].as_ref()?;
        let counts = *entry.text == *text
            && entry.epoch == fences.epoch()
            && entry.confirmed.counts(fences, now);
        counts.then(|| Arc::clone(&entry.confirmed.identity))
    }

    /// Remembers an answer of the near cache that was asked for under `epoch`.
    pub(super) fn put(&mut self, text: &str, confirmed: &Confirmed, epoch: u64) {
        let identity = Arc::new(Identity::clone(&confirmed.identity));
        let place = self.place(text);
        self.places[place] = Some(Entry {
            text: text.into(),
            confirmed: Confirmed { identity, ..*confirmed },
            epoch,
        });
    }

    /// Forgets `text`, which turned out to count no more.
    pub(super) fn forget(&mut self, text: &str) {
        let place = self.place(text);
        if self.places[place].as_ref().is_some_and(|entry| *entry.text == *text) {
            self.places[place] = None;
        }
    }
}
