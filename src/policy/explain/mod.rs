//! Why a rule holds or fails for a caller, term by term, as values for whoever prints them.
//!
//! Never decides: it asks the very functions that `decide` asks, and says what they answered.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use super::{
    Match,
    decide::{self, Presented},
    requirement::{Attribute, Requirement, Term},
};
use crate::principal::Principal;

/// One term and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermCheck {
    /// As one writes it: `role:support`.
    pub term: String,
    /// Whether it holds for the caller.
    pub holds: bool,
    /// ``no: {id} is `bob`, the caller is `eve` ``
    pub says: String,
}

/// The terms of the rule, grouped as `|` groups them: it suffices that one group holds whole. Empty
/// for `public`, `guest` and `deny`, which ask nothing of the caller.
#[must_use]
pub fn explain(found: &Match<'_>, presented: Presented<'_>) -> Vec<Vec<TermCheck>> {
    let caller = decide::caller(presented);
    let check = |term: &Term| {
        let holds = caller.is_some_and(|caller| decide::holds(term, found, caller));
        let sentence = match caller {
            None => "there is no credential".to_owned(),
            Some(caller) => sentence(term, found, caller),
        };
        TermCheck {
            term: term.text(found.rule.left.captures()),
            holds,
            says: format!("{}: {sentence}", if holds { "yes" } else { "no" }),
        }
    };
    lists(found).iter().map(|list| list.iter().map(check).collect()).collect()
}

/// What would let this caller pass, one way for each group of terms: ``give eve role `support` `` or
/// `ask for /users/eve/cart`. Empty where nothing would, and where nothing is missing.
#[must_use]
pub fn remedies(found: &Match<'_>, presented: Presented<'_>) -> Vec<String> {
    let Some(caller) = decide::caller(presented) else {
        let asks = !lists(found).is_empty();
        return if asks { vec!["present a credential".to_owned()] } else { Vec::new() };
    };
    let mut ways = Vec::new();
    for list in lists(found) {
        let failing: Vec<&Term> =
            list.iter().filter(|term| !decide::holds(term, found, caller)).collect();
        if failing.is_empty() {
            return Vec::new();
        }
        let steps: Option<Vec<String>> =
            failing.into_iter().map(|term| remedy(term, found, caller)).collect();
        ways.extend(steps.map(|steps| steps.join(" and ")));
    }
    ways
}

fn lists<'a>(found: &Match<'a>) -> &'a [Vec<Term>] {
    match &found.rule.requirement {
        Requirement::Public | Requirement::Guest | Requirement::Deny => &[],
        Requirement::Any(lists) => lists,
    }
}

fn sentence(term: &Term, found: &Match<'_>, caller: &Principal) -> String {
    let (attribute, capture) = match term {
        Term::Authenticated => return format!("the caller is `{}`", caller.id),
        Term::Role(_) => return holding(&caller.roles, "role"),
        Term::Scope(_) => return holding(&caller.scopes, "scope"),
        Term::SelfIs { attribute, capture } => (*attribute, *capture),
    };
    let name = found.rule.left.captures().get(capture).map_or("", String::as_str);
    let asked = found.capture(capture);
    match (attribute, decide::own(caller, attribute).filter(|own| !own.is_empty())) {
        (Attribute::Id, Some(id)) if id == asked => format!("{{{name}}} is the caller, `{id}`"),
        (Attribute::Id, Some(id)) => format!("{{{name}}} is `{asked}`, the caller is `{id}`"),
        (Attribute::Id, None) => format!("{{{name}}} is `{asked}`, the caller has no id"),
        (_, Some(own)) if own == asked => {
            format!("{{{name}}} is the caller's {}, `{own}`", noun(attribute))
        }
        (_, Some(own)) => {
            format!("{{{name}}} is `{asked}`, the caller's {} is `{own}`", noun(attribute))
        }
        (_, None) => format!("{{{name}}} is `{asked}`, the caller has no {}", noun(attribute)),
    }
}

fn holding(held: &[String], what: &str) -> String {
    if held.is_empty() {
        format!("the caller holds no {what}")
    } else {
        format!("the caller holds {}", held.join(", "))
    }
}

fn noun(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Id => "id",
        Attribute::Name => "name",
        Attribute::Email => "e-mail address",
    }
}

/// What would make one failing term hold, if anything can.
fn remedy(term: &Term, found: &Match<'_>, caller: &Principal) -> Option<String> {
    match term {
        Term::Authenticated => None,
        Term::Role(role) => Some(format!("give {} role `{role}`", caller.id)),
        Term::Scope(scope) => Some(format!("present a token with scope `{scope}`")),
        Term::SelfIs { attribute, capture } => {
            let own = decide::own(caller, *attribute).filter(|own| !own.is_empty())?;
            let place = found.rule.left.capture_place(*capture)?;
            Some(format!("ask for {}", with_segment(found, place, own)))
        }
    }
}

/// The path that was asked for, with another value in one place.
fn with_segment(found: &Match<'_>, place: usize, value: &str) -> String {
    let mut path = String::new();
    for (index, text) in found.path().as_str().split('/').skip(1).enumerate() {
        path.push('/');
        if index == place { escape(value, &mut path) } else { path.push_str(text) }
    }
    path
}

fn escape(value: &str, path: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@:+".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}
