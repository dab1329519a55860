//! A worker's own first level. Nothing is locked, nothing is allocated on a hit, and no counter is shared
//! with another worker.
//!
//! Invariant: it shortens the way to an answer of the near cache and never lengthens that answer's
//! life. What is here counts under the same marks and until the same instant.

use std::{
    cell::{Cell, OnceCell},
    ops::Deref,
    rc::Rc,
    time::Instant,
};

use foldhash::fast::RandomState;

use super::{
    credential::Credential,
    near::{Confirmed, Identity, NearCache},
};
use crate::{cache::Table, secret::Secret, wire::Ready};

/// Most callers that one worker remembers, where the near cache may hold so many: some 15 MB.
const MOST: usize = 16_384;

/// Most tokens that a worker has asked for ahead between two ticks; of others whoever uses them next waits.
const DUE_MAX: usize = 1_024;

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

/// What a worker remembers, by the text of the token.
pub(super) struct HotLevel {
    /// The hash is keyed, so that nobody can choose tokens that meet.
    entries: Table<Box<str>, Entry, RandomState>,
    /// Tokens in use whose answers soon count no more.
    due: Vec<Box<str>>,
    /// Whether it is noticed at all: a store at hand is asked as fast later as now.
    looks_ahead: bool,
}

/// One remembered token.
struct Entry {
    caller: Rc<Caller>,
    /// Until when, and under which marks.
    confirmed: Confirmed,
    /// Whether it was found to be due; once is enough, whatever comes of it.
    is_due: Cell<bool>,
}

impl HotLevel {
    /// For `near`, which is never smaller: what an operator bounds is bounded here as well.
    pub(super) fn new(near: &NearCache, looks_ahead: bool) -> Self {
        let entries = Table::new(MOST.min(near.most()), RandomState::default());
        Self { entries, due: Vec::new(), looks_ahead }
    }

    /// Who `text` proved, if that is remembered and still counts.
    pub(super) fn get(&mut self, text: &str, near: &NearCache, now: Instant) -> Option<Rc<Caller>> {
        let (fences, lifetimes) = (near.fences(), near.lifetimes());
        let entry = self.entries.get(text, |entry| entry.confirmed.counts(fences, now))?;
        if self.looks_ahead
            && entry.confirmed.is_due(fences, lifetimes, now)
            && self.due.len() < DUE_MAX
            && !entry.is_due.replace(true)
        {
            self.due.push(text.into());
        }
        Some(Rc::clone(&entry.caller))
    }

    /// The tokens that were found to be due since this was asked last.
    pub(super) fn take_due(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.due)
    }

    /// Remembers an answer of the near cache.
    pub(super) fn put(&mut self, text: &str, confirmed: Confirmed, near: &NearCache) -> Rc<Caller> {
        let (text, known) = match self.entries.take(text) {
            Some((text, entry)) => (text, Some(entry.caller)),
            None => (text.into(), None),
        };
        // While nothing has changed since it was last confirmed, what was made of it stays right.
        let same = known.filter(|caller| caller.identity == *confirmed.identity);
        let caller = same.unwrap_or_else(|| {
            Caller::new(&confirmed.identity, Credential::Token(Secret::new(&*text)))
        });
        let (fences, now) = (near.fences(), Instant::now());
        let entry = Entry { caller: Rc::clone(&caller), confirmed, is_due: Cell::new(false) };
        self.entries.put(text, entry, |entry| entry.confirmed.counts(fences, now));
        caller
    }

    /// Forgets `text`, which turned out to count no more.
    pub(super) fn forget(&mut self, text: &str) {
        self.entries.take(text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::{config, fences::Marks, principal::Principal, store::StoreOrigin, wire::Fields};

    fn confirmed(near: &NearCache, id: &str) -> Confirmed {
        let store = StoreOrigin::open(&config::Store::Memory).unwrap();
        let store = store.attach(&near.shared_fences(), |_| {});
        let principal = Principal { id: id.to_owned(), ..Principal::guest() };
        let identity = Identity { principal, issued_ms: None, expires_ms: i64::MAX };
        let (reading, fences) = (near.reading(&store), near.fences());
        let marks = Marks::of(fences.mark(fences.of_subject(id)));
        near.confirmed(identity, marks, reading)
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
        let minute = std::time::Duration::from_secs(60);
        let tokens = config::Tokens {
            from: Vec::new(),
            near_entries: 1,
            near_ttl: minute,
            near_ttl_without_push: minute,
            grace: minute,
            ttl: None,
            foreign: None,
        };
        let near = NearCache::new(&tokens, Arc::default());
        let mut hot = HotLevel::new(&near, true);
        let caller = hot.put("token", confirmed(&near, "ann"), &near);
        assert_eq!(said(caller.fields(|| name("ann"))), "ann");
        let again = hot.put("token", confirmed(&near, "ann"), &near);
        assert_eq!(said(again.fields(|| panic!("made before"))), "ann");
        let other = hot.put("token", confirmed(&near, "eve"), &near);
        assert_eq!(said(other.fields(|| name("eve"))), "eve");
    }
}
