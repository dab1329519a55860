//! Principals of tokens that one worker has looked up: another token of the same is half a look-up.
//!
//! Invariant: what is remembered may let a token in, as a cached identity may, and refuses none: a token
//! that was issued a moment ago may be of a newer generation.

use std::{cell::RefCell, time::Instant};

use foldhash::fast::RandomState;

use crate::{
    cache::Table,
    fences::{Fences, Lives, Mark, Reading},
    token::record::PrincipalState,
};

/// Most principals that a worker remembers.
const MOST: usize = 16_384;

/// A principal as the store had it a moment ago.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) state: PrincipalState,
    pub(super) mark: Mark,
    pub(super) reading: Reading,
}

impl Owner {
    fn counts(&self, fences: &Fences, lives: Lives) -> bool {
        fences.vouch(&self.reading, lives, Instant::now()) && fences.holds(self.mark)
    }
}

/// By subject.
pub(super) struct Owners(RefCell<Table<Box<str>, Owner, RandomState>>);

impl Owners {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Table::new(MOST, RandomState::default())))
    }

    /// The principal `subject`, if it lets tokens of `generation` in.
    pub(super) fn letting_in(
        &self,
        subject: &str,
        generation: u64,
        (fences, lives): (&Fences, Lives),
    ) -> Option<Owner> {
        let mut owners = self.0.borrow_mut();
        let owner = owners.get(subject, |owner| owner.counts(fences, lives))?;
        let lets_in = owner.state.active && owner.state.generation == generation;
        lets_in.then_some(*owner)
    }

    pub(super) fn remember(&self, subject: &str, owner: Owner, (fences, lives): (&Fences, Lives)) {
        self.0.borrow_mut().put(subject.into(), owner, |owner| owner.counts(fences, lives));
    }
}
