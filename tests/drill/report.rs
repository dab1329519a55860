//! The table.

use std::{collections::BTreeMap, time::Duration};

/// One event and what it came to.
pub(crate) struct Row {
    pub(crate) event: &'static str,
    pub(crate) asked: usize,
    /// Let in after the end was acknowledged and the promised time has passed.
    pub(crate) wrong: usize,
    /// Acknowledged ends that no longer held afterwards.
    pub(crate) undone: usize,
    /// Acknowledged tokens that no gateway knew afterwards.
    pub(crate) lost: usize,
    /// Good requests that were refused, by what was said.
    pub(crate) refused: BTreeMap<String, usize>,
    pub(crate) refused_for: Duration,
    pub(crate) whole: Duration,
}

pub(crate) struct Report {
    well: bool,
}

impl Report {
    pub(crate) fn new(topology: &str) -> Self {
        println!(
            "\n{topology:<28} {:>7} {:>6} {:>7} {:>5} {:>8} {:>8} {:>7}",
            "asked", "wrong", "undone", "lost", "refused", "for", "whole"
        );
        Self { well: true }
    }

    pub(crate) fn row(&mut self, row: Row) {
        let refused: usize = row.refused.values().sum();
        let said: Vec<String> =
            row.refused.iter().map(|(said, count)| format!("{count} {said}")).collect();
        println!(
            "{:<28} {:>7} {:>6} {:>7} {:>5} {refused:>8} {:>6.2} s {:>5.1} s  {}",
            row.event,
            row.asked,
            row.wrong,
            row.undone,
            row.lost,
            row.refused_for.as_secs_f64(),
            row.whole.as_secs_f64(),
            said.join(", ")
        );
        self.well &= row.wrong == 0 && row.undone == 0 && row.lost == 0;
    }

    pub(crate) fn is_well(&self) -> bool {
        self.well
    }
}
