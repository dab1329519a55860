//! A worker's own first level: an array in which each token has exactly one place. Nothing is
//! locked, nothing is allocated on a hit, and no counter is shared with another worker.
//!
//! Invariant: it shortens the way to an answer of the near cache and never lengthens that answer's
//! life. What is here counts under the same marks and until the same instant.

use std::{cell::OnceCell, hash::BuildHasher as _, ops::Deref, rc::Rc, time::Instant};

use foldhash::fast::RandomState;

use super::{
    credential::Credential,
    near::{Confirmed, Identity},
};
use crate::{fences::Fences, secret::Secret, wire::Ready};

/// Places, of a pointer each: 128 KiB a worker.
const PLACES: usize = 16_384;

/// A caller as one worker knows it under one configuration, and what was made of it there. A copy of
/// this worker's own: a count that all workers share would travel between their cores with every
/// request.
#[derive(Debug)]
pub struct Caller {
    identity: Identity,
    /// What proved it: for whoever has to ask again.
    credential: Credential,
    fields: OnceCell<Option<Rc<Ready>>>,
}

impl Caller {
    pub(super) fn new(identity: &Identity, credential: Credential) -> Rc<Self> {
        Rc::new(Self { identity: identity.clone(), credential, fields: OnceCell::new() })
    }

    /// The credential that proved it.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The caller's identity fields, `made` at their first use; `None` when they cannot be sent. Callers
    /// are never kept across a reload, so that what one configuration made is never used by another.
    pub fn fields(&self, made: impl FnOnce() -> Option<Rc<Ready>>) -> Option<Rc<Ready>> {
        self.fields.get_or_init(made).clone()
    }
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

/// The array.
pub(super) struct HotLevel {
    places: Box<[Option<Box<Entry>>]>,
    /// Random, so that nobody can choose tokens that push each other out.
    hasher: RandomState,
}

/// One remembered token.
struct Entry {
    text: Box<str>,
    caller: Rc<Caller>,
    /// Until when, and under which marks.
    confirmed: Confirmed,
    epoch: u64,
}

impl HotLevel {
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| None).collect(), hasher: RandomState::default() }
    }

    fn place(&self, text: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "below 16,384")]
        let place = (self.hasher.hash_one(text) % PLACES as u64) as usize;
        place
    }

    /// Who `text` proved, if that is remembered and still counts.
    pub(super) fn get(&self, text: &str, fences: &Fences, now: Instant) -> Option<Rc<Caller>> {
        let entry = self.places[self.place(text)].as_deref()?;
        let counts = *entry.text == *text
            && entry.epoch == fences.epoch()
            && entry.confirmed.counts(fences, now);
        counts.then(|| Rc::clone(&entry.caller))
    }

    /// Remembers an answer of the near cache that was asked for under `epoch`.
    pub(super) fn put(&mut self, text: &str, confirmed: Confirmed, epoch: u64) -> Rc<Caller> {
        let place = self.place(text);
        let caller = || Caller::new(&confirmed.identity, Credential::Token(Secret::new(text)));
        let known = self.places[place].take().filter(|entry| *entry.text == *text);
        let (text, caller) = match known {
            // Nothing has changed since it was last confirmed: what was made of it stays right.
            Some(entry) if entry.caller.identity == *confirmed.identity => {
                (entry.text, entry.caller)
            }
            Some(entry) => (entry.text, caller()),
            None => (text.into(), caller()),
        };
        let entry = Entry { text, caller: Rc::clone(&caller), confirmed, epoch };
        self.places[place] = Some(Box::new(entry));
        caller
    }

    /// Forgets `text`, which turned out to count no more.
    pub(super) fn forget(&mut self, text: &str) {
        let place = self.place(text);
        if self.places[place].as_ref().is_some_and(|entry| *entry.text == *text) {
            self.places[place] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::{auth::near::Until, fences::Marks, principal::Principal, wire::Fields};

    fn confirmed(fences: &Fences, id: &str) -> Confirmed {
        let principal = Principal { id: id.to_owned(), ..Principal::guest() };
        let identity = Identity { principal, issued_ms: None, expires_ms: i64::MAX };
        let (asked, mark) = (Instant::now(), fences.mark(fences.of_subject(id)));
        let fresh = asked + std::time::Duration::from_secs(60);
        let until = Until { fresh, grace: asked };
        Confirmed { identity: Arc::new(identity), until, marks: Marks::of(mark) }
    }

    const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");

    fn name(value: &'static str) -> Option<Rc<Ready>> {
        Some(Ready::new(Fields::from_iter([(SUBJECT, HeaderValue::from_static(value))])))
    }

    fn said(ready: Option<Rc<Ready>>) -> HeaderValue {
        ready.unwrap().fields().only(&SUBJECT).unwrap().clone()
    }

    #[test]
    fn what_was_made_of_a_caller_is_kept_while_the_store_says_the_same_of_it() {
        let (fences, mut hot) = (Fences::new(), HotLevel::new());
        let caller = hot.put("token", confirmed(&fences, "ann"), fences.epoch());
        assert_eq!(said(caller.fields(|| name("ann"))), "ann");
        let again = hot.put("token", confirmed(&fences, "ann"), fences.epoch());
        assert_eq!(said(again.fields(|| panic!("made before"))), "ann");
        let other = hot.put("token", confirmed(&fences, "eve"), fences.epoch());
        assert_eq!(said(other.fields(|| name("eve"))), "eve");
    }
}
