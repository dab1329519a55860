//! Counts in this process's memory, for the stores that one process holds: they need not outlive it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::documents::Tally;

/// Most counts whose window runs: some 20 MB of them. Beyond, counting fails rather than forgets,
/// since a count forgotten is a try given away.
const RUNNING_MAX: usize = 100_000;

/// New counts between two sweeps: each then drops about what was added since the last.
const SWEEP_EVERY: usize = 1_024;

/// Between two sweeps of a full map, which are long: whoever fills it must not make each call one.
const FULL_SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Longest window: an instant plus more than this might not exist.
const WINDOW_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The counts, for all workers.
#[derive(Default)]
pub(super) struct Tallies {
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    counts: HashMap<String, Count>,
    /// New counts since the last sweep.
    added: usize,
    swept: Option<Instant>,
}

struct Count {
    count: u32,
    ends: Instant,
}

impl Tallies {
    /// Counts one more of `key`; `None` when too many others are counted.
    pub(super) fn tally(&self, key: &str, window: Duration) -> Option<Tally> {
        self.tally_at(key, window, Instant::now())
    }

    fn tally_at(&self, key: &str, window: Duration, now: Instant) -> Option<Tally> {
        let mut running = self.running();
        if let Some(count) = running.counts.get_mut(key).filter(|count| now < count.ends) {
            count.count = count.count.saturating_add(1);
            return Some(Tally { count: count.count, left: count.ends - now });
        }
        running.counts.remove(key);
        running.make_room(now)?;
        let left = window.min(WINDOW_MAX);
        running.counts.insert(key.to_owned(), Count { count: 1, ends: now + left });
        Some(Tally { count: 1, left })
    }

    /// How often `key` was counted in the window that runs.
    pub(super) fn tallied(&self, key: &str) -> u32 {
        let running = self.running();
        let count = running.counts.get(key).filter(|count| Instant::now() < count.ends);
        count.map_or(0, |count| count.count)
    }

    /// Takes one count of `key` back, if there is one; its window stays.
    pub(super) fn untally(&self, key: &str) {
        if let Some(count) = self.running().counts.get_mut(key) {
            count.count = count.count.saturating_sub(1);
        }
    }

    pub(super) fn forget(&self, key: &str) {
        self.running().counts.remove(key);
    }

    /// A panic elsewhere leaves whole counts behind: every change above is one map operation.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Drops counts whose window is over, now and then and when there is no room; `None` when there
    /// is none after that either.
    fn make_room(&mut self, now: Instant) -> Option<()> {
        let full = self.counts.len() >= RUNNING_MAX;
        let lately = self.swept.is_some_and(|swept| now < swept + FULL_SWEEP_EVERY);
        if (full && !lately) || (!full && self.added >= SWEEP_EVERY) {
            self.counts.retain(|_, count| now < count.ends);
            self.added = 0;
            self.swept = Some(now);
        }
        self.added += 1;
        (self.counts.len() < RUNNING_MAX).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn count(tallies: &Tallies, key: &str, now: Instant) -> Option<u32> {
        tallies.tally_at(key, WINDOW, now).map(|tally| tally.count)
    }

    #[test]
    fn a_window_begins_with_its_first_count_and_ends_with_all() {
        let (tallies, start) = (Tallies::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let first = Tally { count: 1, left: WINDOW };
        assert_eq!(tallies.tally_at("ann", WINDOW, start), Some(first));
        let second = Tally { count: 2, left: Duration::from_secs(20) };
        assert_eq!(tallies.tally_at("ann", WINDOW, after(40)), Some(second));
        tallies.untally("ann");
        assert_eq!(count(&tallies, "ann", after(59)), Some(2));
        assert_eq!(tallies.tally_at("ann", WINDOW, after(60)), Some(first));
    }

    #[test]
    fn a_window_without_end_is_a_long_one() {
        let tallies = Tallies::default();
        assert_eq!(tallies.tally("ann", Duration::MAX).map(|tally| tally.left), Some(WINDOW_MAX));
    }

    #[test]
    fn counting_fails_when_too_much_is_counted_and_works_again_when_windows_are_over() {
        let (tallies, start) = (Tallies::default(), Instant::now());
        for number in 0..RUNNING_MAX {
            assert_eq!(count(&tallies, &number.to_string(), start), Some(1));
        }
        assert_eq!(count(&tallies, "one more", start), None);
        assert_eq!(count(&tallies, "0", start), Some(2), "what is counted already is counted on");
        assert_eq!(count(&tallies, "one more", start + WINDOW), Some(1));
        assert_eq!(tallies.running().counts.len(), 1);
    }

    #[test]
    fn what_is_over_is_dropped_before_the_map_is_full() {
        let (tallies, start) = (Tallies::default(), Instant::now());
        for number in 0..SWEEP_EVERY {
            count(&tallies, &number.to_string(), start);
        }
        count(&tallies, "one more", start + WINDOW);
        assert_eq!(tallies.running().counts.len(), 1);
    }
}
