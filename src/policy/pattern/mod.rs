//! The left side of a rule: methods, an optional host, a path of segments.
//!
//! Here is what it means and how it prints; `parse` reads it. No regular expressions and no half
//! wildcards: so every two left sides have a known relation, and a clash is found before a request is.

mod area;
mod host;
mod methods;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

pub(super) use area::{Area, HostPattern, Relation, Segment, suffixes};
pub(super) use methods::{Claim, Methods, Verb};

use super::{SyntaxError, requirement::Tenancy};
use crate::request::{
    owned::{collection, is_owned, is_owned_outside},
    path::PathPolicy,
    tenant_name::{is_reserved, tenant_name},
};

/// Paths this much longer than a rule's own are alike in what is owned of them.
const OWNED_DEPTH: usize = 4;

/// The left side of a rule, such as `GET,POST api.example.com/users/{id}/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    methods: Methods,
    area: Area,
    captures: Vec<String>,
}

impl Left {
    /// Reads `GET,POST api.example.com/users/{id}/**`. Literals pass through the canonical path, so
    /// that one which no request could carry does not load.
    ///
    /// # Errors
    /// [`SyntaxError`] with the bytes of `text` that are wrong, and mostly with what to write instead.
    pub fn parse(text: &str, paths: &PathPolicy) -> Result<Self, SyntaxError> {
        parse::left(text, paths)
    }

    /// Names of the `{captures}`, in order.
    #[must_use]
    pub fn captures(&self) -> &[String] {
        &self.captures
    }

    /// What the path says of tenants, with `[usergrid]`.
    #[must_use]
    pub fn tenancy(&self) -> Tenancy {
        if self.names_tenant() { Tenancy::Path } else { Tenancy::Outside }
    }

    /// Whether the path begins with a tenant's: `/{org}/{app}`, or names in their place.
    fn names_tenant(&self) -> bool {
        match self.area.segments.as_slice() {
            [Segment::Literal { value, .. }, _, ..] => !is_reserved(value),
            [Segment::Capture(_), _, ..] => true,
            [] | [_] => false,
        }
    }

    /// The first literal in a tenant's place that no tenant can be called, and what is wrong with it.
    #[must_use]
    pub fn bad_tenant_name(&self) -> Option<(&str, &'static str)> {
        let places = self.area.segments.iter().take(2).filter(|_| self.names_tenant());
        places.into_iter().find_map(|segment| match segment {
            Segment::Capture(_) => None,
            Segment::Literal { value, .. } => match tenant_name(value) {
                Ok(name) if name == *value => None,
                Ok(_) => Some((value.as_str(), "is not in lower case")),
                Err(why) => Some((value.as_str(), why)),
            },
        })
    }

    /// A collection of ours that no request names as this rule does, and how it does: requests are
    /// rewritten to the plural before rules are asked.
    #[must_use]
    pub fn bad_collection(&self) -> Option<(&str, &'static str)> {
        match self.area.segments.as_slice() {
            [_, _, Segment::Literal { value, .. }, ..] if self.names_tenant() => {
                let right = collection(value).filter(|right| right != value)?;
                Some((value, right))
            }
            _ => None,
        }
    }

    /// Whether every path that the rule is about is answered by the gateway itself, with `[usergrid]`.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        // No word of the language has a blank in it: a capture takes more than any of them.
        let segment = |segment: &'_ Segment| match segment {
            Segment::Literal { value, .. } => value.clone(),
            Segment::Capture(_) => " ".to_owned(),
        };
        let own: Vec<String> = self.area.segments.iter().map(segment).collect();
        let depth = if self.area.open { OWNED_DEPTH } else { 0 };
        (0..=depth).all(|more| {
            let further = std::iter::repeat_n(" ", more);
            let path: Vec<&str> = own.iter().map(String::as_str).chain(further).collect();
            match path.as_slice() {
                [_, _, rest @ ..] if self.names_tenant() => is_owned(rest),
                path => is_owned_outside(path),
            }
        })
    }

    pub(super) fn new(methods: Methods, area: Area) -> Self {
        let captures = area
            .segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Capture(name) => Some(name.clone()),
                Segment::Literal { .. } => None,
            })
            .collect();
        Self { methods, area, captures }
    }

    /// Whether a GET can fall to it.
    #[must_use]
    pub fn takes_get(&self) -> bool {
        self.methods().claim(Verb::Get).is_some()
    }

    pub(super) fn methods(&self) -> Methods {
        self.methods
    }

    pub(super) fn area(&self) -> &Area {
        &self.area
    }

    /// Which segment of a path the capture `index` stands for.
    pub(super) fn capture_place(&self, index: usize) -> Option<usize> {
        self.area
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| matches!(segment, Segment::Capture(_)))
            .map(|(place, _)| place)
            .nth(index)
    }
}

/// The one spelling: `GET,POST api.example.com/users/{id}/**`.
impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods, self.area)
    }
}
