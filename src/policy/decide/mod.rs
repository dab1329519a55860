//! The decision, a pure function whose success is a proof.
//!
//! Values in, value out: the clock is an argument, and nothing is asked, cached or logged here.
//!
//! Invariant: [`Permit`] has private fields and [`decide`] is the only place that makes one. Whatever
//! needs a `Permit`, as forwarding does, cannot run before a decision.

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use http::StatusCode;

use super::{
    Match, Rule,
    requirement::{Attribute, Requirement, Term},
};
use crate::principal::{Principal, PrincipalKind};

/// What the client presented, as far as it was proven. A bad credential never gets here: it is 401 before.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// No credential, or none was read because the rule is `public`.
    Nothing,
    /// A credential that proved this caller.
    Proven(&'a Principal),
}

/// Proof that a rule permitted a request. Only [`decide`] can make one; forwarding needs one.
#[derive(Debug)]
pub struct Permit<'a> {
    rule: &'a Rule,
    principal: Option<&'a Principal>,
    waived: Option<Denial>,
}

impl<'a> Permit<'a> {
    /// The rule that let the request through.
    #[must_use]
    pub fn rule(&self) -> &'a Rule {
        self.rule
    }

    /// Whom the request goes on as. `None` is nobody: always under `public`, and for guests.
    #[must_use]
    pub fn principal(&self) -> Option<&'a Principal> {
        self.principal
    }

    /// What would have been refused, were the rule not in audit.
    #[must_use]
    pub fn waived(&self) -> Option<Denial> {
        self.waived
    }
}

/// Why a rule refused. Closed and small, because it becomes a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denial {
    /// No rule is about this request.
    #[error("no rule permits this request")]
    NoRule,
    /// The rule asks who it is, and nothing was presented.
    #[error("a credential is needed and none was presented")]
    Unauthenticated,
    /// The rule is `deny`.
    #[error("this request is denied to everyone")]
    Denied,
    /// A role would let this caller through.
    #[error("the caller lacks a role that is needed")]
    RoleMissing,
    /// A scope would let this caller through.
    #[error("the token lacks a scope that is needed")]
    ScopeMissing,
    /// Only the one whom the path names gets through.
    #[error("this belongs to another caller")]
    NotSelf,
    /// Things of more than one kind are missing.
    #[error("the caller lacks rights that are needed")]
    Forbidden,
    /// The rule's `until` has come.
    #[error("access by this rule has ended")]
    RuleExpired,
}

impl Denial {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 8] = [
        Self::NoRule,
        Self::Unauthenticated,
        Self::Denied,
        Self::RoleMissing,
        Self::ScopeMissing,
        Self::NotSelf,
        Self::Forbidden,
        Self::RuleExpired,
    ];

    /// The word of log, metric and body, such as `role_missing`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::RoleMissing => "role_missing",
            Self::ScopeMissing => "scope_missing",
            Self::NotSelf => "not_self",
            Self::Forbidden => "forbidden",
            Self::RuleExpired => "rule_expired",
        }
    }

    /// 401 for who-are-you, 403 for you-may-not.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::NoRule
            | Self::Denied
            | Self::RoleMissing
            | Self::ScopeMissing
            | Self::NotSelf
            | Self::Forbidden
            | Self::RuleExpired => StatusCode::FORBIDDEN,
        }
    }

    /// Whether `audit` lets such a refusal pass. Not where there is no rule, and so no audit; and not
    /// where a rule has come to its end, for then its audit has too.
    fn is_waived_by_audit(self) -> bool {
        match self {
            Self::Unauthenticated
            | Self::Denied
            | Self::RoleMissing
            | Self::ScopeMissing
            | Self::NotSelf
            | Self::Forbidden => true,
            Self::NoRule | Self::RuleExpired => false,
        }
    }
}

/// Decides whether the rule found lets `presented` through at `now`.
///
/// A rule refuses *at* its `until`, and is no longer in audit *at* its `audit` instant.
///
/// # Errors
/// [`Denial`] with the one reason.
pub fn decide<'a>(
    found: Option<&Match<'a>>,
    presented: Presented<'a>,
    now: SystemTime,
) -> Result<Permit<'a>, Denial> {
    let found = found.ok_or(Denial::NoRule)?;
    let rule = found.rule;
    if rule.until.is_some_and(|until| until <= now) {
        return Err(Denial::RuleExpired);
    }
    let caller = caller(presented);
    match judge(found, caller) {
        Ok(principal) => Ok(Permit { rule, principal, waived: None }),
        Err(denial) => {
            let in_audit = rule.audit.is_some_and(|audit| audit > now);
            if in_audit && denial.is_waived_by_audit() {
                Ok(Permit { rule, principal: caller, waived: Some(denial) })
            } else {
                Err(denial)
            }
        }
    }
}

/// Who is asking, if that was proven. A guest is nobody, however it got here.
pub(super) fn caller(presented: Presented<'_>) -> Option<&Principal> {
    match presented {
        Presented::Proven(principal) if principal.kind != PrincipalKind::Guest => Some(principal),
        Presented::Proven(_) | Presented::Nothing => None,
    }
}

/// Whom the request goes on as, or why not.
fn judge<'a>(
    found: &Match<'_>,
    caller: Option<&'a Principal>,
) -> Result<Option<&'a Principal>, Denial> {
    let lists = match &found.rule.requirement {
        Requirement::Public => return Ok(None),
        Requirement::Guest => return Ok(caller),
        Requirement::Deny => return Err(Denial::Denied),
        Requirement::Any(lists) => lists,
    };
    let caller = caller.ok_or(Denial::Unauthenticated)?;
    // A list without a term would hold for everybody: it holds for nobody.
    let holds_whole =
        |list: &Vec<Term>| !list.is_empty() && list.iter().all(|term| holds(term, found, caller));
    if lists.iter().any(holds_whole) {
        Ok(Some(caller))
    } else {
        Err(missing(lists, found, caller))
    }
}

/// The one reason among several lists that all failed: what an operator can give most easily. That is
/// a role, where a role is all that some list lacks; else a scope; else being the one whom the path
/// names; and `Forbidden` where every list lacks things of two kinds.
fn missing(lists: &[Vec<Term>], found: &Match<'_>, caller: &Principal) -> Denial {
    let lacks = |list: &Vec<Term>| {
        let mut failing = list.iter().filter(|term| !holds(term, found, caller)).map(denial_of);
        let first = failing.next()?;
        failing.all(|other| other == first).then_some(first)
    };
    [Denial::RoleMissing, Denial::ScopeMissing, Denial::NotSelf]
        .into_iter()
        .find(|denial| lists.iter().any(|list| lacks(list) == Some(*denial)))
        .unwrap_or(Denial::Forbidden)
}

fn denial_of(term: &Term) -> Denial {
    match term {
        Term::Authenticated => Denial::Unauthenticated,
        Term::Role(_) => Denial::RoleMissing,
        Term::Scope(_) => Denial::ScopeMissing,
        Term::SelfIs { .. } => Denial::NotSelf,
    }
}

/// Whether one term holds for a proven caller.
pub(super) fn holds(term: &Term, found: &Match<'_>, caller: &Principal) -> bool {
    match term {
        Term::Authenticated => true,
        Term::Role(role) => caller.roles.contains(role),
        Term::Scope(scope) => caller.scopes.contains(scope),
        Term::SelfIs { attribute, capture } => own(caller, *attribute)
            // What is not there equals nothing, not even a segment that is not there either.
            .is_some_and(|own| !own.is_empty() && own == found.capture(*capture)),
    }
}

/// What `self` compares of this caller.
pub(super) fn own(caller: &Principal, attribute: Attribute) -> Option<&str> {
    match attribute {
        Attribute::Id => Some(&caller.id),
        Attribute::Name => caller.name.as_deref(),
        Attribute::Email => caller.email.as_deref(),
    }
}
