//! How the tests of this room write rules.

use std::time::SystemTime;

use super::{Conflict, Left, Requirement, Rule, RuleSet, Tenancy};
use crate::request::path::{Case, EmptySegments, EncodedSlash, PathPolicy, Punctuation};

pub(super) const STRICT: PathPolicy = PathPolicy {
    empty_segments: EmptySegments::Refuse,
    encoded_slash: EncodedSlash::Refuse,
    punctuation: Punctuation::Refuse,
    case: Case::Exact,
    segments_max: 128,
};

/// One line of `[rules]`.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) left: String,
    pub(super) right: String,
    /// In place of what `right` says.
    pub(super) requirement: Option<Requirement>,
    pub(super) audit: Option<SystemTime>,
    pub(super) until: Option<SystemTime>,
    pub(super) backend: usize,
    /// Whether there is a `[usergrid]`.
    pub(super) usergrid: bool,
}

impl Line {
    pub(super) fn new(left: &str, right: &str) -> Self {
        Self {
            left: left.to_owned(),
            right: right.to_owned(),
            requirement: None,
            audit: None,
            until: None,
            backend: 0,
            usergrid: false,
        }
    }

    /// A line of a file with `[usergrid]`.
    pub(super) fn of_tenants(left: &str, right: &str) -> Self {
        Self { usergrid: true, ..Self::new(left, right) }
    }

    fn rule(self, paths: &PathPolicy) -> Rule {
        let left = Left::parse(&self.left, paths).unwrap();
        let tenancy = if self.usergrid { left.tenancy() } else { Tenancy::Plain };
        let written = Requirement::parse(&self.right, left.captures(), tenancy).unwrap();
        Rule {
            name: self.left,
            asks: self.right,
            left,
            requirement: self.requirement.unwrap_or(written),
            audit: self.audit,
            until: self.until,
            backend: self.backend,
            timeout: None,
            body: None,
            upgrade: None,
            place: String::new(),
        }
    }
}

pub(super) fn build(lines: Vec<Line>, paths: &PathPolicy) -> Result<RuleSet, Vec<Conflict>> {
    RuleSet::build(lines.into_iter().map(|line| line.rule(paths)).collect(), paths.case)
}

/// Rules that stand together.
pub(super) fn rules(lines: Vec<Line>) -> RuleSet {
    build(lines, &STRICT).unwrap_or_else(|conflicts| panic!("{conflicts:?}"))
}
