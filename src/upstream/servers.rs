//! Which server of a backend gets a request: of two by chance the one with less to do. Those that fail are left
//! out, as long as enough others are left.
//!
//! Invariant: the choice reads cells of this worker alone. What other threads know comes in at a tick.

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher as _, RandomState},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use super::{
    UpstreamError,
    budget::Budget,
    http1::Connection,
    member::Member,
    roster::{Roster, Spot},
};
use crate::{config::Balancing, tick};

/// The servers of one backend, and those of them that get requests.
pub(super) struct Servers {
    roster: Arc<Roster>,
    /// The roster as it was when it was looked at last.
    seen: RefCell<Arc<Vec<Arc<Spot>>>>,
    all: RefCell<Vec<Rc<Member>>>,
    /// Whoever may be chosen.
    chosen_from: RefCell<Vec<Rc<Member>>>,
    dice: Dice,
    pub(super) budget: Budget,
    pub(super) rules: Balancing,
}

impl Servers {
    /// The servers of `roster`. Those that were known `before` keep their connections and what is thought of them.
    pub(super) fn new(roster: Arc<Roster>, rules: Balancing, before: Option<&Self>) -> Self {
        let servers = Self {
            seen: RefCell::default(),
            all: RefCell::new(before.map(|before| before.all.borrow().clone()).unwrap_or_default()),
            chosen_from: RefCell::default(),
            dice: Dice::default(),
            budget: Budget::new(rules.retry.budget),
            roster,
            rules,
        };
        servers.follow();
        servers.settle(tick::now());
        servers
    }

    /// Whether there is more than one to choose from.
    pub(super) fn are_several(&self) -> bool {
        self.chosen_from.borrow().len() > 1
    }

    /// The server for the next try of a request, after `tried`. `None` when no other gets requests.
    pub(super) fn choose(&self, tried: &[Rc<Member>]) -> Option<Rc<Member>> {
        let among = self.chosen_from.borrow();
        match &**among {
            [] => None,
            [only] if tried.is_empty() => Some(Rc::clone(only)),
            several if tried.is_empty() => {
                self.budget.deposit();
                Some(Rc::clone(self.better_of_two(several)))
            }
            several => {
                let left: Vec<_> =
                    several.iter().filter(|member| !is_among(tried, member)).cloned().collect();
                match &*left {
                    [] => None,
                    [only] => Some(Rc::clone(only)),
                    left => Some(Rc::clone(self.better_of_two(left))),
                }
            }
        }
    }

    /// The less loaded of two. One that has just come gets less than its share.
    fn better_of_two<'a>(&self, several: &'a [Rc<Member>]) -> &'a Rc<Member> {
        let first = self.dice.below(several.len());
        let second = (first + 1 + self.dice.below(several.len() - 1)) % several.len();
        let (first, second) = (&several[first], &several[second]);
        let (better, other) =
            if second.load() < first.load() { (second, first) } else { (first, second) };
        let fresh = better.share() < 100 && self.dice.below(100) >= usize::from(better.share());
        if fresh { other } else { better }
    }

    /// Where none gets requests: one that refuses at once, so that whoever asks learns whether it is back. One request at
    /// a time.
    pub(super) fn chance(&self, tried: &[Rc<Member>]) -> Option<Rc<Member>> {
        let all = self.all.borrow();
        let out = self.chosen_from.borrow().is_empty();
        let may_try = |member: &&Rc<Member>| member.condition.is_quick() && !member.is_on_trial();
        let mut quick = all.iter().filter(may_try).filter(|member| !is_among(tried, member));
        quick.next().filter(|_| out).cloned()
    }

    /// A connection that nobody uses, of whichever server gets requests; of any where none takes connections.
    pub(super) fn any_idle(&self) -> Option<Box<Connection>> {
        let among = self.chosen_from.borrow();
        let all = self.all.borrow();
        let from = if among.is_empty() { &all } else { &among };
        from.iter().find_map(Member::pop_idle)
    }

    /// The first server of which there is what `find` looks for.
    pub(super) fn any<T>(&self, find: impl Fn(&Member) -> Option<T>) -> Option<(Rc<Member>, T)> {
        let all = self.all.borrow();
        all.iter().find_map(|member| find(member).map(|found| (Rc::clone(member), found)))
    }

    /// Closes a connection that nobody uses, of whichever server; whether there was one.
    pub(super) fn close_one(&self) -> bool {
        self.all.borrow().iter().any(|member| member.close_one())
    }

    /// How many could still be tried.
    pub(super) fn left(&self, tried: &[Rc<Member>]) -> u32 {
        let among = self.chosen_from.borrow();
        let left = among.iter().filter(|member| !is_among(tried, member)).count();
        u32::try_from(left).unwrap_or(u32::MAX).max(1)
    }

    /// Why no server gets requests.
    pub(super) fn why(&self) -> UpstreamError {
        let all = self.all.borrow();
        let why = all.iter().find_map(|member| member.condition.last_error());
        why.unwrap_or(UpstreamError::ConnectTimedOut)
    }

    /// A request that `member` had taken was not answered.
    pub(super) fn failed(&self, member: &Member) {
        let now = tick::now();
        if member.condition.failed((now, &self.rules.ejection), self.dice.roll()) {
            self.settle(now);
        }
    }

    /// A connect to `member` failed, as its condition knows.
    pub(super) fn refused(&self) {
        self.roster.doubt();
        self.settle(tick::now());
    }

    /// A connection was made: whoever was left out for want of one is not any more.
    pub(super) fn connected(&self) {
        let some_are_out = self.chosen_from.borrow().len() < self.all.borrow().len();
        if some_are_out {
            self.settle(tick::now());
        }
    }

    pub(super) fn jitter(&self) -> u64 {
        self.dice.roll()
    }

    /// The work of each tick. Calls `probe` with those that it is time to look at.
    pub(super) fn tick(&self, now: Instant, probe: impl Fn(&Rc<Member>)) {
        self.budget.tick();
        self.follow();
        for member in &*self.all.borrow() {
            if member.condition.is_probe_due(now) {
                probe(member);
            }
        }
        self.settle(now);
    }

    /// Does `each` to every server.
    pub(super) fn each(&self, each: impl Fn(&Rc<Member>)) {
        self.all.borrow().iter().for_each(each);
    }

    /// Goes along with the roster.
    fn follow(&self) {
        if self.roster.is_at(&self.seen.borrow()) {
            return;
        }
        let spots = self.roster.spots();
        let mut before = self.all.take();
        let now = spots.iter().map(|spot| {
            let known = before.iter().position(|member| Arc::ptr_eq(&member.spot, spot));
            known.map_or_else(
                || Member::new(spot, self.rules.slow_start),
                |known| before.swap_remove(known),
            )
        });
        let now: Vec<_> = now.collect();
        before.iter().for_each(|member| member.leave());
        self.all.replace(now);
        self.seen.replace(spots);
    }

    /// Decides anew who may be chosen. With fewer fit servers than the floor, all that take connections may.
    fn settle(&self, now: Instant) {
        let all = self.all.borrow();
        all.iter().for_each(|member| member.settle(now, self.rules.slow_start));
        let floor = (all.len() * usize::from(self.rules.ejection.floor)).div_ceil(100);
        let reachable = || all.iter().filter(|member| member.condition.is_reachable());
        let fit = || reachable().filter(|member| member.is_fit(now));
        let mut chosen_from = self.chosen_from.borrow_mut();
        chosen_from.clear();
        if fit().count() < floor {
            chosen_from.extend(reachable().cloned());
        } else {
            chosen_from.extend(fit().cloned());
        }
    }
}

fn is_among(tried: &[Rc<Member>], member: &Rc<Member>) -> bool {
    tried.iter().any(|tried| Rc::ptr_eq(tried, member))
}

/// Chance that nobody has to be unable to foretell (xorshift).
struct Dice(Cell<u64>);

impl Default for Dice {
    fn default() -> Self {
        Self(Cell::new(RandomState::new().hash_one(0) | 1))
    }
}

impl Dice {
    fn roll(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        state >> 11
    }

    /// A number below `end`, which is not 0.
    fn below(&self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).unwrap_or(0)
    }
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
