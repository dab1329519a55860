//! The sentences of an explanation.

use super::{
    CanonicalForm, CredentialFound, Decision, Outcome, PrincipalFound, RuleLine,
    calling::CallerIs,
    read::{Shown, status_words},
};
use crate::{
    auth::{
        credential::{Credential, Source},
        resolve::{Level, Resolved},
    },
    gateway::Refusal,
    policy::{Denial, Match, Permit, TenantRequest, explain},
    principal::{Certificate, Principal},
    request::Canonical,
};

pub(super) fn known_from(resolved: &Resolved) -> String {
    let ms = resolved.store_time.as_secs_f64() * 1e3;
    match resolved.level {
        Level::Hot => "the worker's memory".to_owned(),
        Level::Near => "near cache".to_owned(),
        Level::Store => format!("store, {ms:.1} ms"),
        Level::Grace => "grace: the store is away, and confirmed this a moment ago".to_owned(),
    }
}

pub(super) fn principal(principal: &Principal, known_from: String) -> PrincipalFound {
    PrincipalFound {
        kind: principal.kind.label().to_owned(),
        id: principal.id.clone(),
        name: principal.name.clone(),
        email: principal.email.clone(),
        roles: principal.roles.to_vec(),
        scopes: principal.scopes.to_vec(),
        of: of(principal),
        known_from,
        issued_ms: None,
        expires_ms: None,
        now_ms: 0,
    }
}

/// What it is of, in words: `acme/shop`.
fn of(principal: &Principal) -> Vec<String> {
    let Some(home) = principal.home.as_deref() else { return Vec::new() };
    let names = home.organizations.iter().map(|organization| match &home.application {
        Some(application) => format!("{}/{}", organization.name, application.name),
        None => organization.name.clone(),
    });
    names.collect()
}

pub(super) fn line(found: &Match<'_>) -> RuleLine {
    RuleLine {
        rule: found.rule.name.split_whitespace().collect::<Vec<_>>().join(" "),
        asks: found.rule.asks.clone(),
        place: found.rule.place.clone(),
    }
}

pub(super) fn form(canonical: &Canonical, raw_path: &str) -> CanonicalForm {
    let path = canonical.path.as_str();
    CanonicalForm {
        method: canonical.method.as_str().to_owned(),
        host: canonical.authority.as_str().to_owned(),
        path: path.to_owned(),
        came_as: (path != raw_path).then(|| raw_path.to_owned()),
    }
}

pub(super) fn credential(shown: &Shown, said: bool) -> CredentialFound {
    let none = |says: &str| CredentialFound { present: false, source: None, says: says.to_owned() };
    match shown {
        Shown::Unread => none("not looked at: the rule is public; whatever is there is removed"),
        Shown::Grant => none("not looked at: a grant is what counts here"),
        Shown::Nothing if said => none("none in the request; --as stands for one"),
        Shown::Nothing => none("none"),
        Shown::Bad(refused) => {
            CredentialFound { present: true, source: None, says: format!("bad: {refused}") }
        }
        Shown::Credential { source, credential } => {
            let (word, place) = place(source);
            let checked = if said { "; not checked, --as says who it is" } else { "" };
            let what = match credential {
                Credential::Token(_) => "token",
                Credential::Client { .. } => "client id and secret",
            };
            let says = format!("{what} in {place}, removed from what is forwarded{checked}");
            CredentialFound { present: true, source: Some(word), says }
        }
    }
}

/// A source as `[tokens] from` spells it, and in words.
fn place(source: &Source) -> (String, String) {
    match source {
        Source::Header => ("header".to_owned(), "the field `Authorization`".to_owned()),
        Source::Basic => ("basic".to_owned(), "the field `Authorization` (Basic)".to_owned()),
        Source::Query(name) => (format!("query:{name}"), format!("the query parameter `{name}`")),
        Source::ClientParams => (
            "client-params".to_owned(),
            "the parameters `client_id` and `client_secret`".to_owned(),
        ),
        Source::Field(name) => (format!("header:{name}"), format!("the field `{name}`")),
        Source::Cookie(name) => (format!("cookie:{name}"), format!("the cookie `{name}`")),
    }
}

/// `403 no_rule`
pub(super) fn answer(refused: &Refusal, usergrid: bool) -> String {
    format!("{} {}", refused.status_told(usergrid).as_u16(), refused.reason())
}

pub(super) fn refusal(refused: &Refusal, usergrid: bool) -> Decision {
    let status = refused.status_told(usergrid);
    Decision {
        outcome: Outcome::Refuse,
        status: Some(status.as_u16()),
        reason: refused.reason().to_owned(),
        says: status_words(status),
        because: Some(refused.to_string()).filter(|text| !text.is_empty()),
        to_pass: Vec::new(),
    }
}

pub(super) fn preflight() -> Decision {
    Decision {
        outcome: Outcome::Answered,
        status: Some(204),
        reason: "preflight".to_owned(),
        says: "answered here: a preflight, before any rule is asked".to_owned(),
        because: None,
        to_pass: Vec::new(),
    }
}

pub(super) fn permitted(permit: &Permit<'_>, calling: &CallerIs) -> Decision {
    let mut says = match (permit.principal(), calling) {
        (_, CallerIs::SomeUser(_)) => {
            "permit, if the store knows the token; it is not asked here".to_owned()
        }
        (Some(principal), _) => format!("permit, as {} `{}`", principal.kind.label(), principal.id),
        (None, _) => "permit, as nobody in particular".to_owned(),
    };
    if let Some(waived) = permit.waived() {
        says.push_str(&format!("; the rule is in audit and waives {}", waived.reason()));
    }
    Decision {
        outcome: Outcome::Permit,
        status: None,
        reason: "ok".to_owned(),
        says,
        because: None,
        to_pass: Vec::new(),
    }
}

pub(super) fn depends(denial: Denial, usergrid: bool) -> Decision {
    let somebody = if usergrid {
        "--as '{\"id\":\"eve\",\"organization\":\"acme\",\"application\":\"shop\"}'"
    } else {
        "--as '{\"id\":\"ann\",\"roles\":[\"buyer\"]}'"
    };
    Decision {
        outcome: Outcome::Unknown,
        status: None,
        reason: denial.reason().to_owned(),
        says: "depends on who the token belongs to, which only the store knows".to_owned(),
        because: None,
        to_pass: vec![
            format!("say who is calling: {somebody}"),
            "ask the running gateway: --live ADDRESS".to_owned(),
        ],
    }
}

pub(super) fn to_pass(
    denial: Denial,
    found: Option<&Match<'_>>,
    calling: &CallerIs,
    tenant: Option<&TenantRequest<'_>>,
    certificate: Option<&Certificate>,
) -> Vec<String> {
    match denial {
        Denial::NoRule => vec!["write a rule that matches it".to_owned()],
        Denial::Denied => {
            vec!["write a more specific rule for it; this one denies everybody".to_owned()]
        }
        Denial::RuleExpired => vec!["move the rule's `until`".to_owned()],
        Denial::Unauthenticated
        | Denial::RoleMissing
        | Denial::ScopeMissing
        | Denial::NotSelf
        | Denial::NotPermitted
        | Denial::OtherTenant
        | Denial::CertificateMissing
        | Denial::Forbidden => found
            .map(|found| explain::remedies(found, calling.presented(), tenant, certificate))
            .unwrap_or_default(),
    }
}
