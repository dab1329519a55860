//! A bounded cache that all workers share, and one question for all who miss the same key at once.
//!
//! Keys are spread over shards, each behind a lock of its own, which is held for a look-up or a change
//! and never while anybody waits.
//!
//! Invariant: there are never more entries than `most`, and an error is kept by nobody but those who
//! waited for it.

mod table;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::quality::RandomState;
use tokio::sync::OnceCell;

pub use self::table::Table;

/// Most shards: more than there are workers, so that two seldom meet.
const SHARDS_MAX: usize = 64;

/// Fewest entries of a shard, where there is more than one: keys do not spread evenly over few places.
const SHARD_ENTRIES_MIN: usize = 256;

/// Cheap to clone.
pub struct Cache<K, V, E> {
    shards: Arc<[Mutex<Shard<K, V, E>>]>,
    /// Random, so that nobody can choose keys that meet.
    hasher: RandomState,
}

impl<K, V, E> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        let (shards, hasher) = (Arc::clone(&self.shards), self.hasher.clone());
        Self { shards, hasher }
    }
}

/// A question that somebody asks, and its answer.
type Flight<V, E> = OnceCell<Result<V, E>>;

struct Shard<K, V, E> {
    table: Table<K, V, RandomState>,
    flights: HashMap<K, Arc<Flight<V, E>>, RandomState>,
}

/// What was found, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<V> {
    /// It was there.
    Kept(V),
    /// Somebody has just been asked.
    Asked(V),
}

impl<K: Hash + Eq + Clone, V: Clone, E: Clone> Cache<K, V, E> {
    /// An empty cache of at most `most` entries.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let count = (most / SHARD_ENTRIES_MIN).clamp(1, SHARDS_MAX);
        let hasher = RandomState::default();
        let shard = || Shard {
            // Another hash than the one that led to the shard.
            table: Table::new(most / count, RandomState::default()),
            flights: HashMap::default(),
        };
        let shards = (0..count).map(|_| Mutex::new(shard())).collect();
        Self { shards, hasher }
    }

    /// Entries now.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).table.entries()).sum()
    }

    /// What is kept under `key`, if it `counts`.
    pub fn get(&self, key: &K, counts: impl Fn(&V) -> bool) -> Option<V> {
        lock(self.shard(key)).table.get(key, counts).cloned()
    }

    /// Keeps `value` under `key`, instead of what was there. Where there is no room, something goes that
    /// is `worth` none, or was not asked for lately.
    pub fn put(&self, key: &K, value: V, worth: impl Fn(&V) -> bool) {
        lock(self.shard(key)).table.put(key.clone(), value, worth);
    }

    /// What is kept under `key`, if it `counts`, or the answer of `ask`, which is kept where something
    /// else goes that is `worth` no room. Whoever comes while somebody asks waits for the same answer,
    /// good or bad; when that one goes away, the next of them asks.
    ///
    /// # Errors
    ///
    /// That of `ask`.
    pub async fn find(
        &self,
        key: &K,
        counts: impl Fn(&V) -> bool,
        worth: impl Fn(&V) -> bool,
        ask: impl AsyncFnOnce() -> Result<V, E>,
    ) -> Result<Found<V>, E> {
        let shard = self.shard(key);
        let flight = {
            let mut shard = lock(shard);
            if let Some(kept) = shard.table.get(key, counts) {
                return Ok(Found::Kept(kept.clone()));
            }
            Arc::clone(shard.flights.entry(key.clone()).or_default())
        };
        let waiting = Waiting { shard, key, flight };
        let answer = waiting.flight.get_or_init(async || {
            // Boxed: the futures around it would each hold room for it, and be moved as a whole.
            let answer = Box::pin(ask()).await;
            let mut shard = lock(shard);
            if let Ok(value) = &answer {
                shard.table.put(key.clone(), value.clone(), worth);
            }
            shard.land(key, &waiting.flight);
            answer
        });
        answer.await.clone().map(Found::Asked)
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V, E>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let hash = self.hasher.hash_one(key) as usize;
        &self.shards[hash % self.shards.len()]
    }
}

/// Nothing that a panic could leave half done is done under the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq, V, E> Shard<K, V, E> {
    /// Nobody joins `flight` any more.
    fn land(&mut self, key: &K, flight: &Arc<Flight<V, E>>) {
        if self.flights.get(key).is_some_and(|known| Arc::ptr_eq(known, flight)) {
            self.flights.remove(key);
        }
    }
}

/// Somebody who waits for an answer. The last one who goes away without it takes the question along.
struct Waiting<'a, K: Hash + Eq, V, E> {
    shard: &'a Mutex<Shard<K, V, E>>,
    key: &'a K,
    flight: Arc<Flight<V, E>>,
}

impl<K: Hash + Eq, V, E> Drop for Waiting<'_, K, V, E> {
    fn drop(&mut self) {
        if self.flight.initialized() {
            return; // it has landed
        }
        let mut shard = lock(self.shard);
        // One is ours and one is the map's; others come and go under the lock alone.
        if Arc::strong_count(&self.flight) <= 2 {
            shard.land(self.key, &self.flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        collections::HashSet,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    type Small = Cache<u32, u32, &'static str>;

    fn always(_: &u32) -> bool {
        true
    }

    /// Runs what never has to wait.
    fn ready<T>(future: impl Future<Output = T>) -> T {
        match poll(pin!(future)) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it waits"),
        }
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_finds_what_it_holds() {
        for most in [1, 2, 10, 255, 256, 1_000, 100_000] {
            let cache = Small::new(most);
            for key in 0..2_000 {
                cache.put(&key, key + 1, always);
                assert_eq!(cache.get(&key, always), Some(key + 1), "of {most}");
            }
            assert!(cache.entries() <= most, "{} of {most}", cache.entries());
            let found: Vec<_> = (0..2_000).filter_map(|key| cache.get(&key, always)).collect();
            assert_eq!(found.len(), cache.entries());
        }
    }

    #[test]
    fn whatever_is_done_to_it_it_says_what_was_put_last_or_nothing() {
        // A walk with a fixed seed, over few keys, so that places are freed and taken all the time.
        let (cache, mut last) = (Small::new(16), HashMap::new());
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for step in 0..200_000_u32 {
            let key = u32::try_from(random(40)).unwrap();
            // Odd values are dead.
            let alive = |value: &u32| value.is_multiple_of(2);
            if random(2) == 0 {
                cache.put(&key, step, alive);
                last.insert(key, step);
            }
            let expected = last.get(&key).filter(|value| alive(value)).copied();
            assert!(cache.get(&key, alive).is_none_or(|found| Some(found) == expected));
            assert!(cache.entries() <= 16);
        }
    }

    #[test]
    fn what_is_asked_for_stays_when_room_is_made() {
        let cache = Small::new(100);
        for key in 0..100 {
            cache.put(&key, key, always);
        }
        for key in 1_000..5_000 {
            for hot in 0..50 {
                assert_eq!(cache.get(&hot, always), Some(hot), "after {key}");
            }
            cache.put(&key, key, always);
        }
        assert_eq!(cache.entries(), 100);
    }

    #[test]
    fn what_counts_no_more_goes_although_there_is_room() {
        let (cache, dead) = (Small::new(10_000), RefCell::new(HashSet::new()));
        let counts = |value: &u32| !dead.borrow().contains(value);
        for key in 0..100 {
            cache.put(&key, key, counts);
        }
        dead.borrow_mut().extend(0..100);
        assert_eq!(cache.get(&7, counts), None);
        for key in 100..5_000 {
            cache.put(&key, key, counts);
        }
        assert_eq!(cache.entries(), 4_900);
    }

    #[test]
    fn one_asks_and_all_who_come_meanwhile_get_the_answer_or_the_error() {
        for outcome in [Ok(7), Err("no")] {
            let (cache, asked, answered) = (Small::new(8), Cell::new(0), Cell::new(false));
            let ask =
                || async {
                    asked.set(asked.get() + 1);
                    std::future::poll_fn(|_| {
                        if answered.get() { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                    outcome
                };
            let mut first = Box::pin(cache.find(&1, always, always, ask));
            let mut second = Box::pin(cache.find(&1, always, always, ask));
            assert!(poll(first.as_mut()).is_pending());
            assert!(poll(second.as_mut()).is_pending());
            answered.set(true);
            assert_eq!(ready(first.as_mut()), outcome.map(Found::Asked));
            assert_eq!(ready(second.as_mut()), outcome.map(Found::Asked));
            assert_eq!(asked.get(), 1);
            // A good answer is kept and an error is not.
            let again = ready(cache.find(&1, always, always, ask));
            assert_eq!(again, outcome.map(Found::Kept));
            assert_eq!(asked.get(), if outcome.is_ok() { 1 } else { 2 });
            assert_eq!(in_flight(&cache), 0);
        }
    }

    #[test]
    fn when_the_one_who_asks_goes_away_the_next_one_asks() {
        let cache = Small::new(8);
        let never = || std::future::pending::<Result<u32, &'static str>>();
        let mut first = Box::pin(cache.find(&1, always, always, never));
        let mut second = Box::pin(cache.find(&1, always, always, async || Ok(2)));
        let mut third = Box::pin(cache.find(&1, always, always, never));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        assert_eq!(in_flight(&cache), 1);
        drop(first);
        assert_eq!(ready(second.as_mut()), Ok(Found::Asked(2)));
        assert_eq!(ready(third.as_mut()), Ok(Found::Asked(2)));
        // Nobody is left who waits for a question that nobody asks.
        let mut alone = Box::pin(cache.find(&2, always, always, never));
        assert!(poll(alone.as_mut()).is_pending());
        assert_eq!(in_flight(&cache), 1);
        drop(alone);
        assert_eq!(in_flight(&cache), 0);
    }

    fn in_flight(cache: &Small) -> usize {
        cache.shards.iter().map(|shard| lock(shard).flights.len()).sum()
    }
}
