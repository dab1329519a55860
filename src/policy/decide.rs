//! The decision, a pure function whose success is a proof.

use std::time::SystemTime;

use super::{Match, Rule};
use crate::principal::Principal;

/// What the client presented, as far as it was proven. A bad credential never gets here: it is 401 before.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    Nothing,
    Proven(&'a Principal),
}

/// Proof that a rule permitted a request. Only [`decide`] can make one; forwarding needs one.
#[derive(Debug)]
pub struct Permit<'a> {
    rule: &'a Rule,
    principal: Option<&'a Principal>,
    /// What would have been refused, were the rule not in audit.
    waived: Option<Denial>,
}

/// Why a rule refused. Closed and small, because it becomes a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    NoRule,
    Unauthenticated,
    Denied,
    RoleMissing,
    ScopeMissing,
    NotSelf,
    Forbidden,
    RuleExpired,
}

/// Decides whether the rule found lets `presented` through at `now`.
pub fn decide<'a>(
    found: Option<&Match<'a>>,
    presented: Presented<'a>,
    now: SystemTime,
) -> Result<Permit<'a>, Denial> {
    todo!()
}
