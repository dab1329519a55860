//! Which rule a request falls to: the most specific, whatever the order of the file.
//!
//! `index` finds it, `check` proves beforehand that there is one answer to every request, and that
//! no method slips past a rule into an open one; `diff` says what another rule set would decide otherwise.

mod check;
mod diff;
mod index;
mod pairs;
mod rights;
mod sample;
#[cfg(test)]
mod tests;

use std::{cmp::Reverse, ops::ControlFlow};

use http::Method;

use super::{Rule, pattern::Verb};
use crate::request::path::{CanonicalPath, Case};
pub use diff::{Difference, Side, diff};
use index::{Entry, Index, best};

/// All rules of a configuration.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Indices of `rules`, most specific first.
    order: Vec<usize>,
    index: Index,
}

/// The rule that won, with the values of its captures.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Index of the rule in the order given to `build`.
    pub index: usize,
    path: &'a CanonicalPath,
}

impl<'a> Match<'a> {
    /// The decoded segment of capture `index`. Empty when the rule has no such capture; no segment
    /// of a path is.
    #[must_use]
    pub fn capture(&self, index: usize) -> &'a str {
        let place = self.rule.left.capture_place(index);
        place.and_then(|place| self.path.segment(place)).unwrap_or("")
    }

    /// The path that was matched.
    pub(super) fn path(&self) -> &'a CanonicalPath {
        self.path
    }
}

/// Two rules that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Index of a rule: of a clash the earlier one, of a fall the inner one.
    pub first: usize,
    /// Index of the other rule.
    pub second: usize,
    /// What is wrong between them.
    pub kind: ConflictKind,
    /// A request that shows it: `GET /users/x`.
    pub example: String,
    /// The left side of the one line that settles it: `* /acme/admin/**`. Empty when no further line
    /// can, because the two are about the very same hosts and paths: one must go or name fewer methods.
    pub settle: String,
}

/// What is wrong between two rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// Both match `example`, neither is inside the other, and they ask for different things.
    Clash,
    /// A request by another method than GET, HEAD and OPTIONS would fall from `first`'s path through to `second`, which is open.
    FallThrough,
}

impl RuleSet {
    /// Indexes the rules. `case` is that of the policy which their left sides were read under.
    ///
    /// # Errors
    /// Every [`Conflict`], sorted by the rules it is between (of very many only the first hundred).
    pub fn build(rules: Vec<Rule>, case: Case) -> Result<Self, Vec<Conflict>> {
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by(|&one, &two| {
            let (one, two) = (&rules[one], &rules[two]);
            let methods = |rule: &Rule| rule.left.methods().order();
            one.left
                .area()
                .order(two.left.area())
                .then_with(|| methods(one).cmp(&methods(two)))
                // Rules that differ in nothing else ask for the same: which of them is named is settled
                // by their text, so that the order of the file stays without effect.
                .then_with(|| (&one.name, &one.place).cmp(&(&two.name, &two.place)))
        });
        let index = Index::new(&rules, &order, case);
        let set = Self { rules, order, index };
        let conflicts = check::conflicts(&set);
        if conflicts.is_empty() { Ok(set) } else { Err(conflicts) }
    }

    /// The rule for this request. `host` is canonical (lower case, no port).
    #[must_use]
    pub fn find<'a>(
        &'a self,
        method: &Method,
        host: &str,
        path: &'a CanonicalPath,
    ) -> Option<Match<'a>> {
        let index = self.winner(Verb::of(method)?, host, path.segments())?;
        Some(Match { rule: &self.rules[index], index, path })
    }

    fn winner<'p>(
        &self,
        verb: Verb,
        host: &str,
        path: impl Iterator<Item = &'p str> + Clone,
    ) -> Option<usize> {
        let first = self.index.walk(host, path, |entries| match best(entries, verb) {
            Some((_, entry)) => ControlFlow::Break(entry.rule),
            None => ControlFlow::Continue(()),
        });
        first.break_value()
    }

    /// The rule that was found for `path`, once more by its index.
    #[must_use]
    pub fn at<'a>(&'a self, index: usize, path: &'a CanonicalPath) -> Match<'a> {
        Match { rule: &self.rules[index], index, path }
    }

    /// All rules that match, the winner first, for `explain`.
    #[must_use]
    pub fn candidates<'a>(
        &'a self,
        method: &Method,
        host: &str,
        path: &'a CanonicalPath,
    ) -> Vec<Match<'a>> {
        let Some(verb) = Verb::of(method) else { return Vec::new() };
        let mut found = Vec::new();
        let _: ControlFlow<()> = self.index.walk(host, path.segments(), |entries| {
            let mut taking: Vec<&Entry> =
                entries.iter().filter(|entry| entry.methods.claim(verb).is_some()).collect();
            taking.sort_by_key(|entry| Reverse(entry.methods.claim(verb)));
            found.extend(taking.into_iter().map(|entry| entry.rule));
            ControlFlow::Continue(())
        });
        let matched = |index| Match { rule: &self.rules[index], index, path };
        found.into_iter().map(matched).collect()
    }

    /// The rules in the order given to `build`.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules, most specific first: what lies inside another rule comes before it.
    pub fn sorted(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.order.iter().map(|&index| &self.rules[index])
    }
}
