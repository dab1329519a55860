//! How many second tries a worker may make: a share of its requests, and a few a second whatever their number, so that a
//! backend in trouble is not finished by them.

use std::cell::Cell;

/// A try, in the budget's own unit: a request brings `percent` of these.
const TRY: u32 = 100;

/// Tries that there are at the start, and again after a second: most backends of few requests need no share.
const FLOOR: u32 = 10 * TRY;

/// Most tries that are saved up.
const MOST: u32 = 100 * TRY;

/// Ticks in a second.
const TICKS: u32 = 20;

/// What is left.
pub(super) struct Budget {
    left: Cell<u32>,
    percent: u32,
}

impl Budget {
    pub(super) fn new(percent: u8) -> Self {
        Self { left: Cell::new(if percent == 0 { 0 } else { FLOOR }), percent: percent.into() }
    }

    /// A request was made.
    pub(super) fn deposit(&self) {
        self.left.set((self.left.get() + self.percent).min(MOST));
    }

    /// A tick has passed.
    pub(super) fn tick(&self) {
        if self.percent > 0 && self.left.get() < FLOOR {
            self.left.set((self.left.get() + FLOOR / TICKS).min(FLOOR));
        }
    }

    /// Takes one try, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        let left = self.left.get().checked_sub(TRY);
        left.inspect(|left| self.left.set(*left)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(budget: &Budget) -> usize {
        std::iter::from_fn(|| budget.withdraw().then_some(())).count()
    }

    #[test]
    fn there_are_a_few_tries_and_a_share_of_the_requests() {
        let budget = Budget::new(20);
        assert_eq!(tries(&budget), 10);
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(tries(&budget), 20);
        (0..TICKS).for_each(|_| budget.tick());
        assert_eq!(tries(&budget), 10, "a second later");
        (0..10_000).for_each(|_| budget.deposit());
        assert_eq!(tries(&budget), 100, "what is saved up is bounded");
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing() {
        let budget = Budget::new(0);
        budget.deposit();
        budget.tick();
        assert_eq!(tries(&budget), 0);
    }
}
