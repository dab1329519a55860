//! What must be true of a rule set before it may judge anybody.
//!
//! A rule set is sound when the best rules for any request all ask for the same, and when no method
//! that changes something falls from a rule that asks who it is to one that does not.
//!
//! Requests without number come down to a few samples (`sample`): if anything is wrong with some request
//! that two rules share, it is wrong with their sample of the same method and length too.

use std::{
    collections::HashSet,
    ops::ControlFlow::{self, Break, Continue},
};

use super::{
    super::pattern::{Area, Left, Methods, Relation, Verb},
    Conflict, ConflictKind, RuleSet,
    index::Entry,
    pairs, rights,
    sample::{Sample, Samples, written},
};

/// So many mistakes have one cause, and nobody reads on.
const CONFLICTS_MAX: usize = 100;

pub(super) fn conflicts(set: &RuleSet) -> Vec<Conflict> {
    let checker = Checker::new(set);
    let mut conflicts = checker.clashes();
    conflicts.extend(checker.falls());
    conflicts.sort_by_key(|conflict| (conflict.first, conflict.second));
    conflicts.truncate(CONFLICTS_MAX);
    conflicts
}

struct Checker<'a> {
    set: &'a RuleSet,
    /// Equal numbers for equal right sides.
    rights: Vec<usize>,
    samples: Samples,
}

impl<'a> Checker<'a> {
    fn new(set: &'a RuleSet) -> Self {
        let lefts = || set.rules.iter().map(|rule| &rule.left);
        Self { set, rights: rights::classes(&set.rules), samples: Samples::of(lefts) }
    }

    fn clashes(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        // Breaking off means that there are enough.
        let _: ControlFlow<()> = pairs::unordered(&self.set.index, &mut |one, two| {
            if self.rights[one.rule] != self.rights[two.rule] {
                found.extend(self.clash(one, two));
            }
            if found.len() < CONFLICTS_MAX { Continue(()) } else { Break(()) }
        });
        found
    }

    /// The clash of two rules neither of which is inside the other, unless further rules take all
    /// that they share.
    fn clash(&self, one: &Entry, two: &Entry) -> Option<Conflict> {
        let verbs: Vec<Verb> = one.methods.shared(two.methods).collect();
        if verbs.is_empty() {
            return None;
        }
        let both = self.area(one).meet(self.area(two))?;
        let host = self.samples.host(&both);
        let mut clashing = Vec::new();
        let mut shown = None;
        for length in self.samples.lengths(&both) {
            let sample = self.samples.at(&both, &host, length);
            let found = self.matching(&sample);
            for &verb in &verbs {
                if self.is_best(one, verb, &found) && self.is_best(two, verb, &found) {
                    clashing.push(verb);
                    shown.get_or_insert_with(|| self.samples.show(verb, &both, length));
                }
            }
        }
        let settle = if self.area(one).relation(self.area(two)) == Relation::Same {
            String::new()
        } else {
            let any = one.methods.is_any() && two.methods.is_any();
            Left::new(if any { Methods::ANY } else { written(&clashing) }, both.clone()).to_string()
        };
        Some(Conflict {
            first: one.rule.min(two.rule),
            second: one.rule.max(two.rule),
            kind: ConflictKind::Clash,
            example: shown?,
            settle,
        })
    }

    fn falls(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        let mut settled = HashSet::new();
        let takes_change = |methods: Methods| {
            Verb::ALL.into_iter().any(|verb| verb.changes() && methods.claim(verb).is_some())
        };
        let is_open = |rule: usize| self.set.rules[rule].requirement.is_open();
        let rules = &self.set.rules;
        if !rules.iter().any(|rule| rule.requirement.is_open() && takes_change(rule.left.methods()))
        {
            return found;
        }
        for &rule in &self.set.order {
            if is_open(rule) {
                continue;
            }
            let mut falls = self.falls_from(rule);
            // Rules for the same paths are settled by the same line.
            falls.retain(|fall| settled.insert((fall.second, fall.settle.clone())));
            found.append(&mut falls);
            if found.len() >= CONFLICTS_MAX {
                break;
            }
        }
        found
    }

    /// Where requests go that change something, come by a method which no rule for these paths takes,
    /// and end at an open rule.
    fn falls_from(&self, rule: usize) -> Vec<Conflict> {
        let left = &self.set.rules[rule].left;
        let area = left.area();
        let host = self.samples.host(area);
        let mut falls: Vec<(usize, usize, Verb)> = Vec::new();
        for length in self.samples.lengths(area) {
            let sample = self.samples.at(area, &host, length);
            let found = self.matching(&sample);
            // A path that has a rule of its own further inside is that rule's business.
            if found.iter().any(|other| self.area(other).relation(area) == Relation::Inside) {
                continue;
            }
            for other in &found {
                if !self.set.rules[other.rule].requirement.is_open()
                    || area.relation(self.area(other)) != Relation::Inside
                {
                    continue;
                }
                let falling = |verb: &Verb| {
                    verb.changes()
                        && other.methods.claim(*verb).is_some()
                        && self.is_best(other, *verb, &found)
                };
                // DELETE says most plainly what is at stake.
                let verb = Some(Verb::Delete).filter(falling);
                if let Some(verb) = verb.or_else(|| Verb::ALL.into_iter().find(falling))
                    && !falls.iter().any(|(known, ..)| *known == other.rule)
                {
                    falls.push((other.rule, length, verb));
                }
            }
        }
        let settle = Left::new(Methods::ANY, area.clone()).to_string();
        let conflict = |(second, length, verb)| Conflict {
            first: rule,
            second,
            kind: ConflictKind::FallThrough,
            example: self.samples.show(verb, area, length),
            settle: settle.clone(),
        };
        falls.into_iter().map(conflict).collect()
    }

    fn area(&self, entry: &Entry) -> &'a Area {
        self.set.rules[entry.rule].left.area()
    }

    /// All rules for the sample's host and path, whatever their methods.
    fn matching(&self, sample: &Sample<'_>) -> Vec<&'a Entry> {
        let mut found = Vec::new();
        let _: ControlFlow<()> =
            self.set.index.walk(sample.host, sample.segments.iter().copied(), |entries| {
                found.extend(entries);
                Continue(())
            });
        found
    }

    /// Whether no rule of `found` goes before this one.
    fn is_best(&self, entry: &Entry, verb: Verb, found: &[&Entry]) -> bool {
        let claim = entry.methods.claim(verb);
        !found.iter().any(|other| match other.methods.claim(verb) {
            None => false,
            other_claim => match self.area(other).relation(self.area(entry)) {
                Relation::Inside => true,
                Relation::Same => other_claim > claim,
                Relation::Around | Relation::Crossing | Relation::Apart => false,
            },
        })
    }
}
