//! Whether two rules ask for the same: then it is no matter which of them a request falls to.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::super::{
    Rule,
    requirement::{Requirement, Term},
};

/// A number per rule; equal numbers mean equal right sides.
pub(super) fn classes(rules: &[Rule]) -> Vec<usize> {
    let mut known = HashMap::new();
    rules
        .iter()
        .map(|rule| {
            let next = known.len();
            *known.entry(Rights::of(rule)).or_insert(next)
        })
        .collect()
}

/// Everything of a rule that changes what becomes of a request.
#[derive(PartialEq, Eq, Hash)]
struct Rights {
    requirement: Requirement,
    audit: Option<SystemTime>,
    until: Option<SystemTime>,
    backend: usize,
    timeout: Option<Duration>,
    body: Option<u64>,
    upgrade: Option<Box<str>>,
}

impl Rights {
    fn of(rule: &Rule) -> Self {
        // In full: whoever adds a key decides here whether two rules may differ in it.
        let Rule {
            name: _,
            asks: _,
            left: _,
            requirement,
            audit,
            until,
            backend,
            timeout,
            body,
            upgrade,
            place: _,
        } = rule;
        Self {
            requirement: normal(requirement, rule),
            audit: *audit,
            until: *until,
            backend: *backend,
            timeout: *timeout,
            body: *body,
            upgrade: upgrade.clone(),
        }
    }
}

/// Terms and lists sorted and once each, captures by the place of their segment: `self:{id}` of one
/// rule and `self:{name}` of another ask for the same if both stand for the same segment.
pub(super) fn normal(requirement: &Requirement, rule: &Rule) -> Requirement {
    let lists = match requirement {
        Requirement::Public | Requirement::Guest | Requirement::Deny => return requirement.clone(),
        Requirement::Any(lists) => lists,
    };
    let term = |term: &Term| match term {
        Term::Authenticated
        | Term::Role(_)
        | Term::Scope(_)
        | Term::Permissions
        | Term::Level(_)
        | Term::Certificate(_)
        // What names its tenant has no capture in it.
        | Term::Of { .. } => term.clone(),
        Term::SelfIs { attribute, capture } => Term::SelfIs {
            attribute: *attribute,
            capture: rule.left.capture_place(*capture).unwrap_or(usize::MAX),
        },
    };
    let mut lists: Vec<Vec<Term>> =
        lists.iter().map(|list| sorted(list.iter().map(term).collect())).collect();
    lists = sorted(lists);
    Requirement::Any(lists)
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}
