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

use super::SyntaxError;
use crate::request::path::PathPolicy;

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
