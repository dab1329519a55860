//! What the connections of one worker hear, as the one ear that the caches know. It hears what the
//! least lively of them does: whatever was read, it was read over one of these.
//!
//! Invariant: a connection leaves only after the epoch has moved. What was read over it counts no
//! more, so that the others need not wait for it.

use std::{cell::RefCell, sync::Arc, time::Instant};

use crate::fences::{Ear, Fences, Listener};

/// Shared by the links of one worker.
#[derive(Debug)]
pub(super) struct Hearing {
    /// `None` when too many listen already.
    listener: Option<Listener>,
    /// Each connection there is, by its link, and when it was asked what it answered last; `None` for
    /// one that does not tell of changes.
    connections: RefCell<Vec<(u32, Option<Instant>)>>,
}

impl Hearing {
    pub(super) fn new(fences: &Arc<Fences>) -> Self {
        Self { listener: Listener::new(fences), connections: RefCell::default() }
    }

    /// What is read over any of these links carries it.
    pub(super) fn ear(&self) -> Option<Ear> {
        self.listener.as_ref().map(Listener::ear)
    }

    /// A connection was made: what it was asked at `asked` it has answered.
    pub(super) fn joins(&self, link: u32, asked: Option<Instant>) {
        self.connections.borrow_mut().push((link, asked));
        // The newcomer may be the least, and a listener never takes an earlier moment by itself.
        self.deaf();
        self.tell();
    }

    /// A connection has answered what it was asked at `asked`.
    pub(super) fn heard(&self, link: u32, asked: Instant) {
        let mut connections = self.connections.borrow_mut();
        let found = connections.iter_mut().find(|(other, _)| *other == link);
        let Some((_, Some(last))) = found else { return };
        *last = asked.max(*last);
        drop(connections);
        self.tell();
    }

    /// A connection is gone, and the epoch has moved.
    pub(super) fn leaves(&self, link: u32) {
        self.connections.borrow_mut().retain(|(other, _)| *other != link);
        if self.connections.borrow().is_empty() {
            self.deaf();
        }
        self.tell();
    }

    fn deaf(&self) {
        if let Some(listener) = &self.listener {
            listener.lost();
        }
    }

    fn tell(&self) {
        // `None` is less than any moment: one connection that tells of nothing keeps the ear deaf.
        let least = self.connections.borrow().iter().map(|(_, last)| *last).min().flatten();
        if let (Some(listener), Some(least)) = (&self.listener, least) {
            listener.heard(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fences::HEARD_FOR;

    #[test]
    fn the_ear_hears_what_the_least_lively_connection_does() {
        let fences = Arc::new(Fences::new());
        let hearing = Hearing::new(&fences);
        let ear = hearing.ear().unwrap();
        let start = Instant::now() + Duration::from_secs(10);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!fences.hears(ear, start), "there is no connection yet");
        hearing.joins(1, Some(start));
        assert!(fences.hears(ear, at(900)) && !fences.hears(ear, start + HEARD_FOR));
        hearing.heard(1, at(500));
        // An older moment than what was heard last.
        hearing.joins(2, Some(at(300)));
        assert!(fences.hears(ear, at(1_200)) && !fences.hears(ear, at(1_300)));
        hearing.heard(1, at(800));
        assert!(!fences.hears(ear, at(1_300)), "the other is silent");
        hearing.heard(2, at(700));
        assert!(fences.hears(ear, at(1_600)) && !fences.hears(ear, at(1_700)));
        hearing.leaves(2);
        assert!(fences.hears(ear, at(1_700)) && !fences.hears(ear, at(1_800)));
        hearing.heard(2, at(1_000));
        assert!(!fences.hears(ear, at(1_800)), "what is gone is heard no more");
        hearing.leaves(1);
        assert!(!fences.hears(ear, at(800)));
    }

    #[test]
    fn one_connection_that_tells_of_nothing_makes_all_of_them_deaf() {
        let fences = Arc::new(Fences::new());
        let hearing = Hearing::new(&fences);
        let (ear, start) = (hearing.ear().unwrap(), Instant::now() + Duration::from_secs(10));
        hearing.joins(1, Some(start));
        hearing.joins(2, None);
        hearing.heard(1, start);
        hearing.heard(2, start);
        assert!(!fences.hears(ear, start));
        hearing.leaves(2);
        assert!(fences.hears(ear, start));
    }
}
