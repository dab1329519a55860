//! What another rule set would decide otherwise: which requests open, which close, for whom.
//!
//! Both sets are compared as what they are about, not as lines: a request that falls to another line which
//! asks for the same is no difference. What one set decides of any request, it decides of a sample too, so
//! that a few of them stand for all (`sample`). Candidates are the areas of all rules, and what two of them
//! share that cross; of two that lie one inside the other the inner one is what they share.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::ControlFlow::{self, Continue},
    time::SystemTime,
};

use super::{
    super::{
        Rule,
        pattern::{Area, Left, Methods, Relation, Verb},
        reach::{Reach, Whom},
    },
    RuleSet,
    index::Index,
    pairs,
    rights::normal,
    sample::{Samples, written},
};
use crate::request::path::Case;

/// One of the two rule sets.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Its rules.
    pub rules: &'a RuleSet,
    /// The names of the backends that they go to, by their index.
    pub backends: &'a [&'a str],
}

/// Requests that are decided otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which requests, but for those that a more specific line of the list is about.
    pub left: Left,
    /// The rule of the old set, by its index; `None` where there was none.
    pub old: Option<usize>,
    /// The rule of the new set.
    pub new: Option<usize>,
    /// Somebody who gets in now, and did not.
    pub opens: Option<Whom>,
    /// Somebody who got in, and does not.
    pub closes: Option<Whom>,
    /// What becomes of those who get in with both is another: `backend main → reports`.
    pub otherwise: Vec<String>,
    /// One of the requests: `GET /reports/x`.
    pub example: String,
}

/// All differences between two sets that read paths alike, as of `now`, the most specific first.
#[must_use]
pub fn diff(old: Side<'_>, new: Side<'_>, case: Case, now: SystemTime) -> Vec<Difference> {
    let both: Vec<Rule> = old.rules.rules.iter().chain(&new.rules.rules).map(Rule::clone).collect();
    let comparison =
        Comparison { old, new, now, samples: Samples::of(|| both.iter().map(|rule| &rule.left)) };
    let mut found = Vec::new();
    for area in areas(&both, case) {
        comparison.differences(&area, &mut found);
    }
    let mut by_pair: HashMap<Pair, Vec<usize>> = HashMap::new();
    for (at, one) in found.iter().enumerate() {
        by_pair.entry((one.old, one.new)).or_default().push(at);
    }
    let mut said: HashSet<usize> = HashSet::new();
    for (pair, all) in by_pair {
        let whole = comparison.shared(pair);
        said.extend(all.iter().copied().filter(|at| is_said(&found, *at, &all, whole.as_ref())));
    }
    let mut at = 0..;
    found.retain(|_| at.next().is_none_or(|at| !said.contains(&at)));
    found
}

/// Whether the difference at this place says nothing that another between the same two rules does not; `whole`
/// is what those two share, and all that falls to them is in it.
fn is_said(found: &[Difference], at: usize, all: &[usize], whole: Option<&Area>) -> bool {
    let one = &found[at];
    let is_whole =
        |left: &Left| whole.is_some_and(|area| left.area().relation(area) == Relation::Same);
    all.iter().filter(|other| **other != at).any(|&other_at| {
        let other = &found[other_at].left;
        let verbs = one.left.methods().shared(other.methods()).count();
        let has_all = verbs == one.left.methods().shared(Methods::ANY).count();
        has_all
            && match one.left.area().relation(other.area()) {
                Relation::Inside => !is_whole(&one.left),
                Relation::Same => other_at < at,
                Relation::Around | Relation::Crossing | Relation::Apart => is_whole(other),
            }
    })
}

/// The areas of all rules, and what those share that cross, the most specific first, each once.
fn areas(both: &[Rule], case: Case) -> Vec<Area> {
    let area = |rule: usize| both[rule].left.area();
    let mut order: Vec<usize> = (0..both.len()).collect();
    order.sort_by(|one, two| area(*one).order(area(*two)));
    let index = Index::new(both, &order, case);
    let mut areas: Vec<Area> = order.iter().map(|rule| area(*rule).clone()).collect();
    let _: ControlFlow<()> = pairs::unordered(&index, &mut |one, two| {
        areas.extend(area(one.rule).meet(area(two.rule)));
        Continue(())
    });
    areas.sort_by(Area::order);
    areas.dedup_by(|one, two| one.relation(two) == Relation::Same);
    areas
}

/// The rules that the same request falls to, in the old set and in the new one.
type Pair = (Option<usize>, Option<usize>);

struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    now: SystemTime,
    samples: Samples,
}

impl Comparison<'_> {
    /// Adds what is decided otherwise of requests for `area`: once for each pair of rules.
    fn differences(&self, area: &Area, found: &mut Vec<Difference>) {
        let host = self.samples.host(area);
        let mut pairs: HashMap<Pair, (Vec<Verb>, (Verb, usize))> = HashMap::new();
        let mut order = Vec::new();
        for length in self.samples.lengths(area) {
            let sample = self.samples.at(area, &host, length);
            for verb in Verb::ALL {
                let winner = |side: Side<'_>| {
                    side.rules.winner(verb, &host, sample.segments.iter().copied())
                };
                let pair = (winner(self.old), winner(self.new));
                let (verbs, _) = pairs.entry(pair).or_insert_with(|| {
                    order.push(pair);
                    (Vec::new(), (verb, length))
                });
                if !verbs.contains(&verb) {
                    verbs.push(verb);
                }
            }
        }
        for pair in order {
            let Some((mut verbs, (verb, length))) = pairs.remove(&pair) else { continue };
            let Some((opens, closes, otherwise)) = self.compared(pair) else { continue };
            verbs.sort_by_key(|verb| *verb as u8);
            let example = self.samples.show(verb, area, length);
            let all = verbs.len() == Verb::ALL.len();
            let methods = if all { Methods::ANY } else { written(&verbs) };
            let left = Left::new(methods, area.clone());
            let (old, new) = pair;
            found.push(Difference { left, old, new, opens, closes, otherwise, example });
        }
    }

    /// Where requests may fall to both of two rules, or to the one that there is.
    fn shared(&self, (old, new): Pair) -> Option<Area> {
        let area = |side: Side<'_>, at: usize| side.rules.rules[at].left.area().clone();
        match (old.map(|at| area(self.old, at)), new.map(|at| area(self.new, at))) {
            (Some(old), Some(new)) => old.meet(&new),
            (one, other) => one.or(other),
        }
    }

    /// Who gets in by one rule alone, and what else differs; `None` when nothing does.
    fn compared(&self, (old, new): Pair) -> Option<(Option<Whom>, Option<Whom>, Vec<String>)> {
        let (old, new) =
            (old.map(|at| &self.old.rules.rules[at]), new.map(|at| &self.new.rules.rules[at]));
        let (mut opens, mut closes) = (None, None);
        for moment in self.moments(old, new) {
            let reach = |rule: Option<&Rule>| {
                rule.map_or(Reach::Nobody, |rule| {
                    Reach::of(&normal(&rule.requirement, rule), rule, moment)
                })
            };
            let (before, after) = (reach(old), reach(new));
            opens = opens.or_else(|| before.misses(&after));
            closes = closes.or_else(|| after.misses(&before));
        }
        let otherwise = match (old, new) {
            (Some(old), Some(new)) => self.otherwise(old, new),
            _ => Vec::new(),
        };
        let same = opens.is_none() && closes.is_none() && otherwise.is_empty();
        (!same).then_some((opens, closes, otherwise))
    }

    /// Now, and whenever one of the two changes by itself.
    fn moments(&self, old: Option<&Rule>, new: Option<&Rule>) -> Vec<SystemTime> {
        let rules = [old, new].into_iter().flatten();
        let changes = rules.flat_map(|rule| [rule.audit, rule.until]).flatten();
        let later = changes.filter(|at| *at > self.now);
        std::iter::once(self.now).chain(later).collect()
    }

    fn otherwise(&self, old: &Rule, new: &Rule) -> Vec<String> {
        fn told<T: PartialEq>(
            what: &str,
            old: T,
            new: T,
            show: impl Fn(T) -> String,
        ) -> Option<String> {
            (old != new).then(|| format!("{what} {} → {}", show(old), show(new)))
        }
        let backend =
            |side: Side<'_>, at: usize| side.backends.get(at).copied().unwrap_or("?").to_owned();
        let (from, to) = (backend(self.old, old.backend), backend(self.new, new.backend));
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "as the backend's".to_owned());
        let protocol =
            |upgrade: Option<Box<str>>| upgrade.map_or_else(|| "none".to_owned(), String::from);
        [
            told("backend", from, to, |name| name),
            told("timeout", old.timeout, new.timeout, |time| {
                or_none(time.map(|time| format!("{time:?}")))
            }),
            told("body", old.body, new.body, |bytes| {
                bytes.map_or_else(
                    || "as `[limits]` says".to_owned(),
                    |bytes| format!("{bytes} bytes"),
                )
            }),
            told("upgrade", old.upgrade.clone(), new.upgrade.clone(), protocol),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Side({} rules)", self.rules.rules.len())
    }
}
