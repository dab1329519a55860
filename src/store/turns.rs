//! Turns at the store: so many questions of one worker are there at once, and so many more wait.
//!
//! A store that is slow, or that a herd of tokens is asked of, gets no more at once than it can answer in
//! time. Whoever waits is served in its order, and sources take turns, so that none fills the queue: where
//! it is full, whoever came last from the source with the most in it makes room for one with fewer.
//!
//! Invariant: there are never more turns than `most`, nor more who wait than `waiting_max`; a turn that is
//! given back goes to the next at once, and who went away waits for none.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::sync::oneshot;

use crate::tick;

/// Who asks, for the fairness of the queue: an address (IPv6: its /64), or somebody without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source(u64);

impl Source {
    /// Nobody's address: what we ask of our own accord, and clients of unix sockets.
    pub const NOBODY: Self = Self(0);

    /// The source that `ip` belongs to.
    #[must_use]
    pub fn of(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            None => Self::NOBODY,
            // No IPv6 network that is routed begins so.
            Some(IpAddr::V4(ip)) => Self(0xffff_ffff << 32 | u64::from(ip.to_bits())),
            Some(IpAddr::V6(ip)) => Self((ip.to_bits() >> 64) as u64),
        }
    }
}

/// How crowded the store is, as one worker sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Questions at the store now.
    pub asking: usize,
    /// Those that wait for a turn.
    pub waiting: usize,
    /// Those that got none, ever.
    pub refused: u64,
}

/// There was no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The turns of one worker.
pub(super) struct Turns {
    most: usize,
    waiting_max: usize,
    /// Longest wait for a turn.
    patience: Duration,
    queue: RefCell<Queue>,
}

#[derive(Default)]
struct Queue {
    crowd: Crowd,
    by_source: HashMap<Source, VecDeque<Waiter>, RandomState>,
    /// Sources of which somebody waits, each once; the first has its turn next.
    order: VecDeque<Source>,
    /// Of the last who came.
    number: u64,
}

struct Waiter {
    /// Who came later has a greater one.
    number: u64,
    turn: oneshot::Sender<Turn>,
}

/// A question at the store, for as long as it lives.
pub struct Turn(Option<Rc<Turns>>);

impl Turn {
    /// Of a store that is asked without waiting.
    pub(super) fn of_none() -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turns({:?} of {})", self.crowd(), self.most)
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

impl Turns {
    pub(super) fn new(most: usize, waiting_max: usize, patience: Duration) -> Rc<Self> {
        Rc::new(Self { most, waiting_max, patience, queue: RefCell::default() })
    }

    pub(super) fn crowd(&self) -> Crowd {
        self.queue.borrow().crowd
    }

    /// A turn, after those who came before.
    ///
    /// # Errors
    /// [`Full`] when too many wait, or the wait took too long.
    pub(super) async fn take(self: &Rc<Self>, source: Source) -> Result<Turn, Full> {
        if let Some(turn) = self.begin_below(self.most) {
            return Ok(turn);
        }
        let (number, turn) = self.queue_up(source)?;
        let place = Place { turns: self, source, number };
        let told = tick::timeout(self.patience, turn).await;
        drop(place);
        match told {
            Some(Ok(turn)) => Ok(turn),
            // Somebody of another source has the place.
            Some(Err(_)) => Err(Full),
            None => {
                self.queue.borrow_mut().crowd.refused += 1;
                Err(Full)
            }
        }
    }

    /// A turn that nobody is likely to want: one of the first half, while nobody waits.
    pub(super) fn spare(self: &Rc<Self>) -> Option<Turn> {
        self.begin_below(self.most.div_ceil(2))
    }

    fn begin_below(self: &Rc<Self>, most: usize) -> Option<Turn> {
        let crowd = &mut self.queue.borrow_mut().crowd;
        (crowd.waiting == 0 && crowd.asking < most).then(|| {
            crowd.asking += 1;
            Turn(Some(Rc::clone(self)))
        })
    }

    fn queue_up(&self, source: Source) -> Result<(u64, oneshot::Receiver<Turn>), Full> {
        let mut queue = self.queue.borrow_mut();
        if queue.crowd.waiting >= self.waiting_max && !queue.makes_room(source) {
            queue.crowd.refused += 1;
            return Err(Full);
        }
        Ok(queue.join(source))
    }
}

impl Queue {
    fn join(&mut self, source: Source) -> (u64, oneshot::Receiver<Turn>) {
        let (turn, told) = oneshot::channel();
        self.number += 1;
        self.crowd.waiting += 1;
        let waiters = self.by_source.entry(source).or_default();
        if waiters.is_empty() {
            self.order.push_back(source);
        }
        waiters.push_back(Waiter { number: self.number, turn });
        (self.number, told)
    }

    /// Sends the last of the source with the most away, if that has clearly more than `source`.
    fn makes_room(&mut self, source: Source) -> bool {
        let own = self.by_source.get(&source).map_or(0, VecDeque::len);
        let Some((largest, waiters)) = self.by_source.iter_mut().max_by_key(|(_, all)| all.len())
        else {
            return false;
        };
        if waiters.len() <= own + 1 {
            return false;
        }
        let largest = *largest;
        waiters.pop_back();
        self.crowd.refused += 1;
        self.left(largest);
        true
    }

    /// The next who waits: the first of the source whose turn it is.
    fn next(&mut self) -> Option<Waiter> {
        let source = self.order.pop_front()?;
        let waiter = self.by_source.get_mut(&source)?.pop_front();
        self.order.push_back(source);
        self.left(source);
        waiter
    }

    /// One of `source` waits no more.
    fn left(&mut self, source: Source) {
        self.crowd.waiting -= 1;
        if self.by_source.get(&source).is_some_and(VecDeque::is_empty) {
            self.by_source.remove(&source);
            self.order.retain(|other| *other != source);
        }
    }

    /// Takes one out, if it waits still.
    fn leave(&mut self, source: Source, number: u64) {
        let Some(waiters) = self.by_source.get_mut(&source) else { return };
        if let Ok(place) = waiters.binary_search_by_key(&number, |waiter| waiter.number) {
            waiters.remove(place);
            self.left(source);
        }
    }
}

/// A place in the queue, left when dropped.
struct Place<'a> {
    turns: &'a Turns,
    source: Source,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.queue.borrow_mut().leave(self.source, self.number);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        let mut queue = turns.queue.borrow_mut();
        let Some(next) = queue.next() else {
            queue.crowd.asking -= 1;
            return;
        };
        drop(queue);
        // Whoever has just gone away gives it back in turn.
        drop(next.turn.send(Self(Some(Rc::clone(&turns)))));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::store::testing::on_worker;

    const PATIENT: Duration = Duration::from_secs(20);

    type Taking<'a> = Pin<Box<dyn Future<Output = Result<Turn, Full>> + 'a>>;

    fn poll(taking: &mut Taking<'_>) -> Poll<Result<Turn, Full>> {
        taking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn begin<'a>(turns: &'a Rc<Turns>, source: u64) -> Taking<'a> {
        let mut taking: Taking<'a> = Box::pin(turns.take(Source(source)));
        assert!(poll(&mut taking).is_pending(), "it has a turn");
        taking
    }

    /// Which of those who wait have something now.
    fn served(waiting: &mut [Taking<'_>]) -> Vec<(usize, Result<Turn, Full>)> {
        let each = waiting.iter_mut().enumerate();
        each.filter_map(|(place, taking)| match poll(taking) {
            Poll::Ready(told) => Some((place, told)),
            Poll::Pending => None,
        })
        .collect()
    }

    fn crowd(turns: &Turns) -> (usize, usize, u64) {
        let Crowd { asking, waiting, refused } = turns.crowd();
        (asking, waiting, refused)
    }

    #[test]
    fn so_many_are_there_at_once_and_the_others_follow_in_their_order() {
        on_worker(async {
            let turns = Turns::new(2, 3, PATIENT);
            let first = turns.take(Source(1)).await.unwrap();
            let second = turns.take(Source(1)).await.unwrap();
            assert!(turns.spare().is_none());
            let mut waiting: Vec<_> = (0..3).map(|_| begin(&turns, 1)).collect();
            assert_eq!(crowd(&turns), (2, 3, 0));
            assert!(turns.take(Source(1)).await.is_err(), "the queue is full");
            assert_eq!(crowd(&turns), (2, 3, 1));
            drop(first);
            let third = served(&mut waiting[..1]).remove(0).1.unwrap();
            assert!(served(&mut waiting[1..]).is_empty());
            assert_eq!(crowd(&turns), (2, 2, 1));
            // One goes away, and whoever is behind it is next.
            drop(waiting.remove(1));
            drop((second, third));
            let last = served(&mut waiting[1..]).remove(0).1.unwrap();
            assert_eq!(crowd(&turns), (1, 0, 1));
            assert!(turns.spare().is_none(), "half of the turns are for those who wait");
            drop(last);
            assert!(turns.spare().is_some());
            assert_eq!(crowd(&turns), (0, 0, 1));
        });
    }

    #[test]
    fn sources_take_turns_and_the_largest_makes_room() {
        on_worker(async {
            let turns = Turns::new(1, 4, PATIENT);
            let mut turn = Some(turns.take(Source(1)).await.unwrap());
            let mut waiting: Vec<_> = [1, 1, 1, 1].map(|source| begin(&turns, source)).into();
            waiting.push(begin(&turns, 2));
            // The last of the four made room; another of that source is refused.
            assert!(matches!(served(&mut waiting[3..4])[..], [(0, Err(Full))]));
            assert!(turns.take(Source(1)).await.is_err());
            waiting.push(begin(&turns, 2));
            assert!(matches!(served(&mut waiting[2..3])[..], [(0, Err(Full))]));
            assert!(turns.take(Source(2)).await.is_err(), "two and two is fair");
            assert_eq!(crowd(&turns), (1, 4, 4));
            let mut left = vec![0, 1, 4, 5];
            for expected in [0, 4, 1, 5] {
                drop(turn.take());
                let next = left.iter().position(|place| {
                    let Poll::Ready(told) = poll(&mut waiting[*place]) else { return false };
                    turn = Some(told.unwrap());
                    true
                });
                assert_eq!(left.remove(next.unwrap()), expected);
            }
        });
    }

    #[test]
    fn nobody_waits_longer_than_the_store_may_take_and_a_turn_is_never_lost() {
        on_worker(async {
            let turns = Turns::new(1, 2, Duration::from_millis(60));
            let turn = turns.take(Source(1)).await.unwrap();
            assert!(turns.take(Source(1)).await.is_err());
            assert_eq!(crowd(&turns), (1, 0, 1));
            let gone = begin(&turns, 1);
            let mut next = begin(&turns, 1);
            drop(turn);
            // It was given the turn and never looked.
            drop(gone);
            assert!(matches!(poll(&mut next), Poll::Ready(Ok(_))));
            assert_eq!(crowd(&turns), (0, 0, 1));
        });
    }

    #[test]
    fn a_source_is_a_network() {
        let of = |ip: &str| Source::of(Some(ip.parse().unwrap()));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_ne!(of("10.0.0.1"), Source::of(None));
    }
}
