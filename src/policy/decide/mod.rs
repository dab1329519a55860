//! The decision, a pure function whose success is a proof.
//!
//! Values in, value out: the clock is an argument, and nothing is asked, cached or logged here.
//!
//! Invariant: [`Permit`] has private fields and [`decide`] is the only place that makes one. Whatever
//! needs a `Permit`, as forwarding does, cannot run before a decision.

#[cfg(test)]
mod certificate_tests;
#[cfg(test)]
mod tenant_tests;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use http::StatusCode;

use super::{
    Match, Rule,
    requirement::{At, Attribute, Requirement, Term},
    tenant::{DEFAULT_ROLE, TenantRequest},
};
use crate::principal::{Certificate, CertificateName, Principal, PrincipalKind};

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
    /// Neither roles nor own permissions of this caller allow this method and path.
    #[error("the caller's permissions do not cover this")]
    NotPermitted,
    /// The caller belongs to another tenant.
    #[error("this belongs to another tenant")]
    OtherTenant,
    /// Only whoever shows a certificate gets through, with the name that is asked for.
    #[error("a client certificate is needed, valid and with the right name")]
    CertificateMissing,
    /// Things of more than one kind are missing, or the caller is of another kind than is asked for.
    #[error("the caller lacks rights that are needed")]
    Forbidden,
    /// The rule's `until` has come.
    #[error("access by this rule has ended")]
    RuleExpired,
}

impl Denial {
    /// All of them, for tables and metrics.
    pub const ALL: [Self; 11] = [
        Self::NoRule,
        Self::Unauthenticated,
        Self::Denied,
        Self::RoleMissing,
        Self::ScopeMissing,
        Self::NotSelf,
        Self::NotPermitted,
        Self::OtherTenant,
        Self::CertificateMissing,
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
            Self::NotPermitted => "not_permitted",
            Self::OtherTenant => "other_tenant",
            Self::CertificateMissing => "certificate_missing",
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
            | Self::NotPermitted
            | Self::OtherTenant
            | Self::CertificateMissing
            | Self::Forbidden
            | Self::RuleExpired => StatusCode::FORBIDDEN,
        }
    }

    /// The same as clients see it: those of Usergrid (`usergrid`) know 401 for both.
    #[must_use]
    pub fn status_told(self, usergrid: bool) -> StatusCode {
        if usergrid { StatusCode::UNAUTHORIZED } else { self.status() }
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
            | Self::NotPermitted
            | Self::OtherTenant
            | Self::CertificateMissing
            | Self::Forbidden => true,
            Self::NoRule | Self::RuleExpired => false,
        }
    }
}

/// Decides whether the rule found lets `presented` through at `now`. `tenant` is the one that the path
/// names: always `None` without `[usergrid]`. `certificate` is the client's, whose issuer was verified when
/// the connection began; whether it is valid yet is judged now.
///
/// A rule refuses *at* its `until`, and is no longer in audit *at* its `audit` instant.
///
/// # Errors
/// [`Denial`] with the one reason.
pub fn decide<'a>(
    found: Option<&Match<'a>>,
    presented: Presented<'a>,
    now: SystemTime,
    tenant: Option<&TenantRequest<'_>>,
    certificate: Option<&Certificate>,
) -> Result<Permit<'a>, Denial> {
    let found = found.ok_or(Denial::NoRule)?;
    let rule = found.rule;
    if rule.until.is_some_and(|until| until <= now) {
        return Err(Denial::RuleExpired);
    }
    let caller = caller(presented);
    let certificate = certificate.filter(|certificate| now < certificate.until);
    match judge(found, caller, tenant, certificate) {
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
    tenant: Option<&TenantRequest<'_>>,
    certificate: Option<&Certificate>,
) -> Result<Option<&'a Principal>, Denial> {
    let lists = match &found.rule.requirement {
        Requirement::Public => return Ok(None),
        Requirement::Guest => return Ok(caller),
        Requirement::Deny => return Err(Denial::Denied),
        Requirement::Any(lists) => lists,
    };
    let asker = Asker { found, caller, tenant, certificate };
    // A list without a term would hold for everybody: it holds for nobody.
    let holds_whole =
        |list: &Vec<Term>| !list.is_empty() && list.iter().all(|term| asker.meets(term));
    if lists.iter().any(holds_whole) {
        return Ok(caller);
    }
    let Some(caller) = caller else { return Err(asker.missing_of_nobody(lists)) };
    Err(if asker.is_stranger(caller) { Denial::OtherTenant } else { asker.missing(lists) })
}

/// A request and who makes it, as terms see it.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) found: &'a Match<'a>,
    pub(super) caller: Option<&'a Principal>,
    pub(super) tenant: Option<&'a TenantRequest<'a>>,
    /// Valid at the moment of the decision.
    pub(super) certificate: Option<&'a Certificate>,
}

impl Asker<'_> {
    /// Whether one term holds.
    pub(super) fn meets(&self, term: &Term) -> bool {
        if let Term::Certificate(name) = term {
            return self.shows(name.as_ref());
        }
        match self.caller {
            Some(caller) => !self.is_stranger(caller) && self.holds(term, caller),
            // A guest is judged too, by what the tenant lets guests do.
            None => {
                *term == Term::Permissions && self.tenant.is_some_and(|tenant| tenant.permits(None))
            }
        }
    }

    /// Whether the client has shown a certificate, with that name if one is asked for.
    fn shows(&self, name: Option<&CertificateName>) -> bool {
        let has =
            |certificate: &Certificate| name.is_none_or(|name| certificate.names.contains(name));
        self.certificate.is_some_and(has)
    }

    /// Whether the path is a tenant's and the caller is not: then no term holds.
    pub(super) fn is_stranger(&self, caller: &Principal) -> bool {
        self.tenant.is_some_and(|tenant| !tenant.belongs(caller))
    }

    /// Whether the caller is somebody's of some tenant, and nothing says that it is the one meant. Then
    /// a term holds only if it names its tenant. Such a rule does not load, unless a capture of it took
    /// a word that can be no tenant.
    pub(super) fn is_unplaced(&self, caller: &Principal) -> bool {
        self.tenant.is_none() && caller.home.is_some()
    }

    fn holds(&self, term: &Term, caller: &Principal) -> bool {
        if let Term::Of { term, at } = term {
            let is_user = caller.kind == PrincipalKind::ApplicationUser;
            return belongs_to(caller, at) && self.is(term, caller, is_user);
        }
        let is_user = self.tenant.is_none_or(|tenant| tenant.is_user(caller));
        !self.is_unplaced(caller) && self.is(term, caller, is_user)
    }

    /// Whether the term holds for a caller of the right tenant. `is_user`: it may hold roles there.
    fn is(&self, term: &Term, caller: &Principal, is_user: bool) -> bool {
        match term {
            Term::Authenticated => true,
            Term::Role(role) => {
                is_user && (caller.roles.contains(role) || is_default(role, caller))
            }
            Term::Scope(scope) => caller.scopes.contains(scope),
            Term::SelfIs { attribute, capture } => {
                // What is not there equals nothing, not even a segment that is not there either.
                let own = own(caller, *attribute).filter(|own| !own.is_empty());
                is_user && own.is_some_and(|own| own == self.found.capture(*capture))
            }
            Term::Permissions => self.tenant.is_some_and(|tenant| tenant.permits(Some(caller))),
            Term::Level(kind) => caller.kind == *kind,
            // No term stands inside two tenants, and a certificate in none.
            Term::Of { .. } | Term::Certificate(_) => false,
        }
    }

    /// Why nobody does not get in: a credential might help, unless every list lacks a certificate too.
    fn missing_of_nobody(&self, lists: &[Vec<Term>]) -> Denial {
        let lacks =
            |list: &Vec<Term>| list.iter().any(|term| term.is_certificate() && !self.meets(term));
        let hopeless = !lists.is_empty() && lists.iter().all(lacks);
        if hopeless { Denial::CertificateMissing } else { Denial::Unauthenticated }
    }

    /// The one reason among several lists that all failed: what an operator can give most easily. That
    /// is a role, where a role is all that some list lacks; else a scope; else being the one whom the
    /// path names, a permission, a certificate, another tenant; and `Forbidden` where every list lacks things of two
    /// kinds.
    fn missing(&self, lists: &[Vec<Term>]) -> Denial {
        let lacks = |list: &Vec<Term>| {
            let failing = list.iter().filter(|term| !self.meets(term));
            let mut reasons = failing.map(|term| self.denial_of(term));
            let first = reasons.next()?;
            reasons.all(|other| other == first).then_some(first)
        };
        [
            Denial::RoleMissing,
            Denial::ScopeMissing,
            Denial::NotSelf,
            Denial::NotPermitted,
            Denial::CertificateMissing,
            Denial::OtherTenant,
        ]
        .into_iter()
        .find(|denial| lists.iter().any(|list| lacks(list) == Some(*denial)))
        .unwrap_or(Denial::Forbidden)
    }

    fn denial_of(&self, term: &Term) -> Denial {
        if term.is_certificate() {
            return Denial::CertificateMissing;
        }
        let is_caller = |elsewhere: &dyn Fn(&Principal) -> bool| self.caller.is_some_and(elsewhere);
        let (term, is_elsewhere) = if let Term::Of { term, at } = term {
            (&**term, is_caller(&|caller| !belongs_to(caller, at)))
        } else {
            (term, is_caller(&|caller| self.is_unplaced(caller)))
        };
        if is_elsewhere {
            return Denial::OtherTenant;
        }
        match term {
            Term::Authenticated => Denial::Unauthenticated,
            Term::Role(_) => Denial::RoleMissing,
            Term::Scope(_) => Denial::ScopeMissing,
            Term::SelfIs { .. } => Denial::NotSelf,
            Term::Permissions => Denial::NotPermitted,
            Term::Certificate(_) => Denial::CertificateMissing,
            Term::Level(_) | Term::Of { .. } => Denial::Forbidden,
        }
    }
}

/// All users of an application hold its default role, and no record says so.
fn is_default(role: &str, caller: &Principal) -> bool {
    role == DEFAULT_ROLE && caller.kind == PrincipalKind::ApplicationUser
}

/// Whether the caller is of the tenants named. Of an application that is its users, its client, and
/// who administers its organization.
pub(super) fn belongs_to(caller: &Principal, at: &At) -> bool {
    let Some(home) = caller.home.as_deref() else { return false };
    let is_of = |name: &str| home.organizations.iter().any(|one| one.name == name);
    match at {
        At::Anywhere => true,
        At::Organization(organization) => is_of(organization),
        At::Application { organization, application } => {
            is_of(organization)
                && match caller.kind {
                    PrincipalKind::AdminUser | PrincipalKind::Organization => true,
                    PrincipalKind::ApplicationUser | PrincipalKind::Application => {
                        home.application.as_ref().is_some_and(|one| one.name == *application)
                    }
                    PrincipalKind::Guest | PrincipalKind::User => false,
                }
        }
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
