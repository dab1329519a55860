//! What must be true of a rule set before it may judge anybody.
//!
//! A rule set is sound when the best rules for any request all ask for the same, and when no method
//! that changes something falls from a rule that asks who it is to one that does not.
//!
//! Requests without number come down to a few samples: every capture and every host that a rule
//! leaves free is filled with a word that no rule knows. If anything is wrong with some request that
//! two rules share, it is wrong with their sample of the same method and length too, because only
//! rules that hold all of what the two share match it. Longer paths than the deepest rule and one
//! segment more are alike.

use std::{
    collections::HashSet,
    ops::ControlFlow::{self, Break, Continue},
};

use super::{
    super::pattern::{Area, HostPattern, Left, Methods, Relation, Segment, Verb},
    Conflict, ConflictKind, RuleSet,
    index::Entry,
    pairs, rights,
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
    /// Most segments that any rule has.
    deepest: usize,
    /// A word that is no literal and no host's label.
    fresh: String,
}

/// A request, given by what matters of it.
struct Sample<'a> {
    host: &'a str,
    segments: Vec<&'a str>,
}

impl<'a> Checker<'a> {
    fn new(set: &'a RuleSet) -> Self {
        let lefts = || set.rules.iter().map(|rule| &rule.left);
        Self {
            set,
            rights: rights::classes(&set.rules),
            deepest: lefts().map(|left| left.area().segments.len()).max().unwrap_or(0),
            fresh: fresh(lefts()),
        }
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
        let host = self.sample_host(&both);
        let mut clashing = Vec::new();
        let mut shown = None;
        for length in self.lengths(&both) {
            let sample = self.sample(&both, &host, length);
            let found = self.matching(&sample);
            for &verb in &verbs {
                if self.is_best(one, verb, &found) && self.is_best(two, verb, &found) {
                    clashing.push(verb);
                    shown.get_or_insert_with(|| self.show(verb, &both, length));
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
        let host = self.sample_host(area);
        let mut falls: Vec<(usize, usize, Verb)> = Vec::new();
        for length in self.lengths(area) {
            let sample = self.sample(area, &host, length);
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
            example: self.show(verb, area, length),
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

    /// How long paths of `area` can be, as far as it makes a difference. The second shortest first:
    /// something below a path makes a better example than the path itself.
    fn lengths(&self, area: &Area) -> impl Iterator<Item = usize> {
        let shortest = area.segments.len();
        let longest = if area.open { self.deepest + 1 } else { shortest };
        let second = (shortest < longest).then_some(shortest + 1);
        second.into_iter().chain([shortest]).chain(shortest + 2..=longest)
    }

    fn sample_host(&self, area: &Area) -> String {
        match &area.host {
            HostPattern::Exactly(host) => host.clone(),
            HostPattern::Under(suffix) => format!("{}.{suffix}", self.fresh),
            HostPattern::Any => self.fresh.clone(),
        }
    }

    fn sample<'s>(&'s self, area: &'s Area, host: &'s str, length: usize) -> Sample<'s> {
        let fixed = area.segments.iter().map(|segment| match segment {
            Segment::Literal { value, .. } => value.as_str(),
            Segment::Capture(_) => self.fresh.as_str(),
        });
        let free = std::iter::repeat(self.fresh.as_str());
        Sample { host, segments: fixed.chain(free).take(length).collect() }
    }

    /// The sample as a person writes it. Where any host will do, none is shown.
    fn show(&self, verb: Verb, area: &Area, length: usize) -> String {
        let host = match &area.host {
            HostPattern::Any => String::new(),
            HostPattern::Exactly(_) | HostPattern::Under(_) => self.sample_host(area),
        };
        let fixed = area.segments.iter().map(|segment| match segment {
            Segment::Literal { text, .. } => text.as_str(),
            Segment::Capture(_) => self.fresh.as_str(),
        });
        let free = std::iter::repeat(self.fresh.as_str());
        let path: Vec<&str> = fixed.chain(free).take(length).collect();
        format!("{} {host}/{}", verb.name(), path.join("/"))
    }
}

/// A list that takes these methods; GET stands for its HEAD too.
fn written(verbs: &[Verb]) -> Methods {
    let brought = |verb: Verb| verb == Verb::Head && verbs.contains(&Verb::Get);
    Methods::list(verbs.iter().copied().filter(|verb| !brought(*verb)))
}

/// A word that neither a segment nor a host of any rule has.
fn fresh<'a>(lefts: impl Iterator<Item = &'a Left>) -> String {
    let mut taken = HashSet::new();
    for left in lefts {
        let area = left.area();
        match &area.host {
            HostPattern::Exactly(host) | HostPattern::Under(host) => taken.extend(host.split('.')),
            HostPattern::Any => {}
        }
        taken.extend(area.segments.iter().filter_map(|segment| match segment {
            Segment::Literal { value, .. } => Some(value.as_str()),
            Segment::Capture(_) => None,
        }));
    }
    let letters = ["x", "y", "z"].into_iter().map(str::to_owned);
    let mut words = letters.chain((1..).map(|number| format!("x{number}")));
    words.find(|word| !taken.contains(word.as_str())).unwrap_or_default()
}
