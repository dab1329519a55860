//! May this request pass? Pure functions over values: no I/O, no clock, no log.

pub mod decide;
pub mod explain;
pub mod pattern;
mod reach;
pub mod requirement;
pub mod ruleset;
pub mod tenant;
#[cfg(test)]
mod testing;
mod words;

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

pub use decide::{Denial, Permit, Presented, decide};
pub use pattern::Left;
pub use reach::Whom;
pub use requirement::{Requirement, Tenancy};
pub use ruleset::{Conflict, ConflictKind, Difference, Match, RuleSet, Side, diff};
pub use tenant::{Tenant, TenantRequest};

/// One line of `[rules]`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The left side as written: `* /users/{id}/**`.
    pub name: String,
    /// The right side as written: `self:{id} | role:support`.
    pub asks: String,
    /// Which requests the rule is about.
    pub left: Left,
    /// Who may.
    pub requirement: Requirement,
    /// Until then refusals for want of rights are waived and logged.
    pub audit: Option<SystemTime>,
    /// From then the rule refuses.
    pub until: Option<SystemTime>,
    /// Index into the configuration's backends.
    pub backend: usize,
    /// Overrides the backend's first-byte timeout.
    pub timeout: Option<Duration>,
    /// Overrides `[limits] body`, bytes.
    pub body: Option<u64>,
    /// The protocol that its requests may switch to, in lower case.
    pub upgrade: Option<Box<str>>,
    /// `rules.toml:19`, for `explain` and `check`.
    pub place: String,
}

/// A mistake inside a rule's text; `at` is the byte range within that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The bytes that are wrong.
    pub at: Range<usize>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}
