//! How far a rule reaches: whom it lets in, as a set that can be compared with another's.
//!
//! Invariant: where one reach is said to miss nobody of another, it misses nobody. The other way round it may
//! name somebody whom no principal can be, such as the holder of a role that nobody gives.

use std::{collections::BTreeSet, fmt, time::SystemTime};

use super::{
    Rule,
    requirement::{At, Requirement, Term},
};

/// Whom a rule lets in at one moment. Captures in it are places of segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Nobody,
    /// Whoever holds all of one of these lists.
    Lists(Vec<Vec<Term>>),
    /// Everybody but whoever presents something bad.
    Guests,
    Everybody,
}

/// Somebody whom one rule lets in and another does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whoever presents nothing.
    Guest,
    /// Whoever presents a bad credential.
    BadCredential,
    /// Whoever holds all of these. Captures in it are places of segments.
    Holder(Vec<Term>),
}

impl Reach {
    /// That of `rule` at `now`; `requirement` is its own, with captures as places.
    pub(super) fn of(requirement: &Requirement, rule: &Rule, now: SystemTime) -> Self {
        if rule.until.is_some_and(|until| until <= now) {
            return Self::Nobody;
        }
        // Whatever is missing is waived; a bad credential is not.
        let in_audit = rule.audit.is_some_and(|audit| audit > now);
        match requirement {
            Requirement::Public => Self::Everybody,
            Requirement::Guest => Self::Guests,
            Requirement::Deny | Requirement::Any(_) if in_audit => Self::Guests,
            Requirement::Deny => Self::Nobody,
            Requirement::Any(lists) => Self::Lists(lists.clone()),
        }
    }

    /// Somebody of `other` who is not here.
    pub(super) fn misses(&self, other: &Self) -> Option<Whom> {
        match (self, other) {
            (_, Self::Nobody) | (Self::Everybody, _) => None,
            (Self::Guests, Self::Everybody) => Some(Whom::BadCredential),
            (Self::Guests, Self::Guests | Self::Lists(_)) => None,
            (Self::Nobody | Self::Lists(_), Self::Guests | Self::Everybody) => Some(Whom::Guest),
            (Self::Nobody, Self::Lists(theirs)) => first_holder(theirs, &[]),
            (Self::Lists(ours), Self::Lists(theirs)) => first_holder(theirs, ours),
        }
    }
}

/// The first of these lists that somebody can hold without holding one of `known`.
fn first_holder(lists: &[Vec<Term>], known: &[Vec<Term>]) -> Option<Whom> {
    let is_new = |list: &&Vec<Term>| {
        let held = all_of(list);
        can_be_held(&held)
            && !known
                .iter()
                .any(|known| !known.is_empty() && known.iter().all(|term| held.contains(term)))
    };
    lists.iter().find(is_new).map(|list| Whom::Holder(list.clone()))
}

/// All that whoever holds `list` holds besides.
fn all_of(list: &[Term]) -> BTreeSet<Term> {
    let mut held: BTreeSet<Term> = list.iter().cloned().collect();
    for term in list {
        match term {
            // Roles of a tenant may let nobody in as well.
            Term::Permissions | Term::Authenticated => {}
            Term::Role(_) | Term::Scope(_) | Term::SelfIs { .. } | Term::Level(_) => {
                held.insert(Term::Authenticated);
            }
            Term::Certificate(_) => {
                held.insert(Term::Certificate(None));
            }
            Term::Of { term, at } => {
                for at in wider(at) {
                    for term in [(**term).clone(), Term::Authenticated] {
                        held.insert(Term::Of { term: Box::new(term), at: at.clone() });
                    }
                }
            }
        }
    }
    held
}

/// Whoever belongs to the tenants of `at` belongs to these.
fn wider(at: &At) -> Vec<At> {
    match at {
        At::Anywhere => vec![At::Anywhere],
        At::Organization(_) => vec![at.clone(), At::Anywhere],
        At::Application { organization, .. } => {
            vec![at.clone(), At::Organization(organization.clone()), At::Anywhere]
        }
    }
}

/// A list without a term holds for nobody, and nobody is of two kinds.
fn can_be_held(held: &BTreeSet<Term>) -> bool {
    let own = |term: &Term| {
        let term = if let Term::Of { term, .. } = term { term } else { term };
        if let Term::Level(kind) = term { Some(*kind) } else { None }
    };
    let mut kinds = held.iter().filter_map(own);
    let first = kinds.next();
    !held.is_empty() && kinds.all(|kind| Some(kind) == first)
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guest => f.write_str("a guest"),
            Self::BadCredential => f.write_str("whoever presents a bad credential"),
            Self::Holder(list) if *list == [Term::Authenticated] => f.write_str("any user"),
            Self::Holder(list) => {
                f.write_str("whoever holds ")?;
                for (count, term) in list.iter().enumerate() {
                    let and = if count == 0 { "" } else { " & " };
                    if let Term::SelfIs { attribute, capture } = term {
                        write!(f, "{and}{}:{{segment {}}}", attribute.word(), capture + 1)?;
                    } else {
                        write!(f, "{and}{}", term.text(&[]))?;
                    }
                }
                Ok(())
            }
        }
    }
}
