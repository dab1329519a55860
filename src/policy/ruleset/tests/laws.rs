//! What holds for every rule set and every request, against the oracle.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::{
    super::*,
    oracle::{METHODS, Oracle, Spec, spec, specs},
};
use crate::policy::testing::{self, Line, STRICT};

fn lines(specs: &[Spec]) -> Vec<Line> {
    specs.iter().map(Spec::line).collect()
}

fn conflicts(lines: Vec<Line>) -> Vec<Conflict> {
    testing::build(lines, &STRICT).err().unwrap_or_default()
}

/// As many of these as stand together.
fn sound(specs: Vec<Spec>) -> Vec<Spec> {
    let mut kept: Vec<Spec> = Vec::new();
    for spec in specs {
        kept.push(spec);
        if !conflicts(lines(&kept)).is_empty() {
            kept.pop();
        }
    }
    kept
}

fn pairs(conflicts: &[Conflict], kind: ConflictKind) -> BTreeSet<(usize, usize)> {
    conflicts
        .iter()
        .filter(|conflict| conflict.kind == kind)
        .map(|conflict| (conflict.first, conflict.second))
        .collect()
}

fn parse(path: &str) -> CanonicalPath {
    CanonicalPath::parse(path, &STRICT).unwrap()
}

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

/// Whether the left side of this line takes `GET host/path`, tried alone.
fn takes(line: &Line, example: &str) -> bool {
    let (verb, target) = example.split_once(' ').unwrap();
    let slash = target.find('/').unwrap();
    let host = if slash == 0 { "no.rule.names.this" } else { &target[..slash] };
    let set = testing::rules(vec![line.clone()]);
    set.find(&method(verb), host, &parse(&target[slash..])).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_request_falls_to_the_rule_that_no_other_goes_before(
        specs in prop::collection::vec(spec(), 1..12).prop_map(sound)
    ) {
        let set = testing::rules(lines(&specs));
        let oracle = Oracle::new(&specs);
        for (host, path, about) in oracle.places() {
            let path = parse(&path);
            for verb in METHODS {
                let found = set.find(&method(verb), host, &path).map(|found| found.index);
                let best = oracle.best(&about, verb);
                prop_assert_eq!(found.is_some(), !best.is_empty());
                prop_assert!(found.iter().all(|found| best.contains(found)));

                let all: Vec<usize> = set
                    .candidates(&method(verb), host, &path)
                    .iter()
                    .map(|found| found.index)
                    .collect();
                prop_assert_eq!(all.first(), found.as_ref());
                for (count, one) in all.iter().enumerate() {
                    prop_assert!(!all[count..].iter().any(|two| oracle.beats(*two, *one, verb)));
                }
                let all: BTreeSet<usize> = all.into_iter().collect();
                prop_assert_eq!(all, oracle.matching(&about, verb).into_iter().collect());
            }
        }
    }

    #[test]
    fn two_rules_clash_exactly_when_some_request_has_no_one_answer(specs in specs()) {
        let conflicts = conflicts(lines(&specs));
        let found = pairs(&conflicts, ConflictKind::Clash);
        prop_assert_eq!(found, Oracle::new(&specs).clashes());
    }

    #[test]
    fn a_method_falls_through_exactly_when_some_request_does(specs in specs()) {
        let conflicts = conflicts(lines(&specs));
        let oracle = Oracle::new(&specs);
        let found = pairs(&conflicts, ConflictKind::FallThrough);
        let expected = oracle.falls();
        prop_assert!(found.is_subset(&expected), "{found:?} {expected:?}");
        for (inner, wide) in expected {
            // Of rules about the very same paths one is reported.
            let reported = |(one, two): &(usize, usize)| *two == wide && oracle.same(*one, inner);
            prop_assert!(found.iter().any(reported), "{inner} {wide} in {found:?}");
        }
    }

    #[test]
    fn an_example_shows_the_conflict_and_one_line_settles_it(specs in specs()) {
        let lines = lines(&specs);
        for conflict in conflicts(lines.clone()) {
            let (first, second) = (&lines[conflict.first], &lines[conflict.second]);
            prop_assert!(takes(second, &conflict.example), "{conflict:?}");
            match conflict.kind {
                ConflictKind::Clash => prop_assert!(takes(first, &conflict.example), "{conflict:?}"),
                ConflictKind::FallThrough => {
                    let (_, paths) = first.left.split_once(' ').unwrap();
                    let any = Line::new(&format!("* {paths}"), "deny");
                    prop_assert!(takes(&any, &conflict.example), "{conflict:?}");
                    prop_assert!(!takes(first, &conflict.example), "{conflict:?}");
                }
            }
            if conflict.settle.is_empty() {
                let oracle = Oracle::new(&specs);
                prop_assert!(oracle.same(conflict.first, conflict.second), "{conflict:?}");
                continue;
            }
            let settled = Line::new(&conflict.settle, "role:settled");
            let after = conflicts_of(&lines, settled);
            let again = |other: &Conflict| {
                (other.first, other.second, other.kind)
                    == (conflict.first, conflict.second, conflict.kind)
            };
            prop_assert!(!after.iter().any(again), "{conflict:?} {after:?}");
        }
    }

    #[test]
    fn the_order_of_lines_never_matters(
        (specs, shuffled) in specs().prop_flat_map(|specs| {
            let order: Vec<usize> = (0..specs.len()).collect();
            (Just(specs), Just(order).prop_shuffle())
        })
    ) {
        let reordered: Vec<Spec> = shuffled.iter().map(|index| specs[*index].clone()).collect();
        let outcome = |specs: &[Spec]| {
            let lines = lines(specs);
            let text = |index: usize| (lines[index].left.clone(), lines[index].right.clone());
            match testing::build(lines.clone(), &STRICT) {
                Ok(set) => Ok(winners(&set, specs)),
                Err(conflicts) => {
                    let mut described: Vec<_> = conflicts
                        .into_iter()
                        .map(|conflict| {
                            let mut pair = [text(conflict.first), text(conflict.second)];
                            pair.sort();
                            (pair, conflict.example, conflict.settle)
                        })
                        .collect();
                    described.sort();
                    Err(described)
                }
            }
        };
        prop_assert_eq!(outcome(&specs), outcome(&reordered));
    }
}

fn conflicts_of(lines: &[Line], further: Line) -> Vec<Conflict> {
    conflicts([lines, &[further]].concat())
}

/// The text of the rule that wins each request, and the listing.
fn winners(set: &RuleSet, specs: &[Spec]) -> (HashMap<String, String>, Vec<String>) {
    let mut winners = HashMap::new();
    for (host, path, _) in Oracle::new(specs).places() {
        for verb in METHODS {
            if let Some(found) = set.find(&method(verb), host, &parse(&path)) {
                winners.insert(format!("{verb} {host}{path}"), found.rule.name.clone());
            }
        }
    }
    (winners, set.sorted().map(|rule| rule.name.clone()).collect())
}
