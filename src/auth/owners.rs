//! Principals of tokens that one worker has looked up: another token of the same is half a look-up, and
//! tokens that miss their principal at once share one question.
//!
//! Of one worker, not of all: what is known of a principal counts while the connection that it was read
//! over tells of changes, and that of the token's own reading has to be the same.
//!
//! Invariant: what is remembered may let a token in, as a cached identity may, and refuses none: a token
//! that was issued a moment ago may be of a newer generation.

use std::{sync::Arc, time::Instant};

use crate::{
    cache::{Cache, Found},
    fences::{Fences, Lives, Mark, Reading},
    store::StoreError,
    token::record::{PrincipalState, TokenRecord},
};

/// Most principals that a worker remembers.
const MOST: usize = 16_384;

/// A principal as the store had it a moment ago; without a state the store does not know it.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) state: Option<PrincipalState>,
    pub(super) mark: Mark,
    pub(super) reading: Reading,
}

impl Owner {
    /// Whether it counts for another token, which is then as old as this: for half of a life, or a token
    /// that is asked for anew would find what is as old as it was itself.
    fn counts(&self, fences: &Fences, lives: Lives) -> bool {
        let lives = Lives { alone: lives.alone / 2, heard: lives.heard / 2 };
        fences.vouch(&self.reading, lives, Instant::now()) && fences.holds(self.mark)
    }

    fn lets_in(&self, record: &TokenRecord) -> bool {
        self.state.is_some_and(|state| state.active && state.generation == record.generation)
    }
}

/// By subject.
pub(super) struct Owners(Cache<Box<str>, Owner, Arc<StoreError>>);

impl Owners {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// The principal of `record`, which was read before: remembered, if it lets the token in, or by
    /// `ask`, unless somebody is asking already.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) async fn find(
        &self,
        record: &TokenRecord,
        (fences, lives): (&Fences, Lives),
        ask: impl AsyncFn() -> Result<Owner, StoreError>,
    ) -> Result<Owner, Arc<StoreError>> {
        let read = Instant::now();
        let counts = |owner: &Owner| owner.counts(fences, lives);
        let lets_in = |owner: &Owner| owner.lets_in(record) && counts(owner);
        let asked = async || ask().await.map_err(Arc::new);
        let subject = record.subject.as_str().into();
        match self.0.find(&subject, lets_in, counts, asked).await? {
            Found::Kept(owner) => Ok(owner),
            Found::Asked(owner) if owner.reading.at >= read || lets_in(&owner) => Ok(owner),
            // Somebody's question, which is older than the record: it refuses nobody.
            Found::Asked(_) => ask().await.map_err(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use tokio::sync::Notify;

    use super::*;
    use crate::store::testing::{on_worker, record};

    const LIVES: Lives = Lives { alone: Duration::from_secs(30), heard: Duration::from_secs(30) };

    #[test]
    fn whoever_joins_an_older_question_is_let_in_by_it_and_refused_by_none_but_its_own() {
        on_worker(async {
            let (fences, owners) = (Fences::new(), Owners::new());
            let (generation, asked, answers) = (Cell::new(1), Cell::new(0), Notify::new());
            let ask = async || {
                asked.set(asked.get() + 1);
                let state = Some(PrincipalState { generation: generation.get(), active: true });
                let (reading, mark) = (fences.reading(None), fences.mark(fences.of_subject("ann")));
                if asked.get() == 1 {
                    answers.notified().await;
                }
                Ok(Owner { state, mark, reading })
            };
            let of = |generation| TokenRecord { generation, ..record("ann", i64::MAX) };
            let (old, other, young) = (of(1), of(1), of(2));
            let release = async {
                // All others wait by now. Meanwhile all tokens of before were revoked, and one was issued.
                tokio::task::yield_now().await;
                generation.set(2);
                answers.notify_one();
            };
            let (old, other, young, ()) = tokio::join!(
                owners.find(&old, (&fences, LIVES), ask),
                owners.find(&other, (&fences, LIVES), ask),
                owners.find(&young, (&fences, LIVES), ask),
                release,
            );
            let found = |owner: Result<Owner, _>| owner.unwrap().state.unwrap().generation;
            assert_eq!((found(old), found(other), found(young)), (1, 1, 2));
            assert_eq!(asked.get(), 2, "who is let in asks no more");
        });
    }
}
