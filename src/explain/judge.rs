//! The second half of the road: rule, principal, decision, and what would be forwarded.

use std::time::SystemTime;

use super::{
    CanonicalForm, CredentialFound, Decision, Explanation, Outcome, PrincipalFound, RuleFound,
    RuleLine, TermFound, forward,
    read::{Asked, Read, Reading, Shown, status_words},
};
use crate::{
    auth::{
        credential::Source,
        resolve::{Level, Resolved, Unresolved},
    },
    gateway::Refusal,
    policy::{self, Denial, Match, Permit, Presented, Requirement, explain},
    principal::{Principal, PrincipalKind},
    request::Canonical,
    telemetry::instant::unix_ms,
    token::{keyring::Verified, ttl::NEVER_MS},
};

/// Whom a request's token proves, as far as whoever asks could find out.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The gateway resolved it.
    Proven(Resolved),
    /// The gateway refused it, or could not tell.
    Refused(Unresolved),
    /// Without a gateway or a store: its MAC is right, and it has not expired.
    Signed(Verified),
    /// Without a gateway or a store: another service's token, of which nothing can be said.
    Unseen,
}

/// Who is calling, for the decision.
enum CallerIs {
    Nobody,
    Known(Principal),
    /// A good token of somebody whom only the store knows.
    SomeUser,
    /// A credential that is refused before any term is asked: `401 token_expired`.
    Refused(String),
}

impl Asked<'_> {
    /// Judges the request at `now`. `proof` answers for [`token`](Asked::token).
    #[must_use]
    pub fn judge(self, proof: Option<Proof>, now: SystemTime) -> Explanation {
        let Self { config, sources, request, caller, reading } = self;
        let mut explanation = Explanation {
            request,
            canonical: None,
            credential: None,
            principal: None,
            rule: None,
            decision: refusal(&Refusal::Denied(Denial::NoRule)),
            forwarded: None,
        };
        let read = match reading {
            Reading::Refused(bad) => {
                explanation.decision = refusal(&bad.into());
                return explanation;
            }
            Reading::Preflight(canonical) => {
                explanation.canonical = Some(form(&canonical, canonical.path.as_str()));
                explanation.decision = preflight();
                return explanation;
            }
            Reading::Read(read) => *read,
        };
        let Read { canonical, raw_path, fields, presented } = read;
        explanation.canonical = Some(form(&canonical, &raw_path));
        explanation.credential = Some(credential(&presented, caller.is_some()));

        let (path, host) = (canonical.path.clone(), canonical.authority.host().to_owned());
        let candidates = config.rules.candidates(&canonical.method, &host, &path);
        let found = config.rules.find(&canonical.method, &host, &path);
        let now_ms = unix_ms(now);
        let calling = calling(&presented, caller, proof);
        let (calling, principal) = match calling {
            Ok((calling, mut principal)) => {
                if let Some(principal) = &mut principal {
                    principal.now_ms = now_ms;
                }
                (calling, principal)
            }
            Err(refused) => {
                let answer = format!("{} {}", refused.status().as_u16(), refused.reason());
                let calling = CallerIs::Refused(answer);
                explanation.rule = found.map(|found| rule(&found, &candidates, &calling, now));
                explanation.decision = refusal(&refused);
                return explanation;
            }
        };
        explanation.principal = principal;
        explanation.rule = found.map(|found| rule(&found, &candidates, &calling, now));

        match decide(found.as_ref(), &calling, now) {
            Judged::Permit(permit) => {
                let sent = forward::rehearse(canonical, &fields, &sources, &permit, config);
                match sent {
                    Ok(mut forwarded) => {
                        if matches!(calling, CallerIs::SomeUser) {
                            forward::veil(&mut forwarded, config);
                        }
                        explanation.decision = permitted(&permit, &calling);
                        explanation.forwarded = Some(forwarded);
                    }
                    Err(refused) => explanation.decision = refusal(&refused),
                }
            }
            Judged::Refuse(denial) => {
                explanation.decision = refusal(&Refusal::Denied(denial));
                explanation.decision.to_pass = to_pass(denial, found.as_ref(), &calling);
                explanation.decision.because = None; // the rule and its terms say it better
            }
            Judged::Depends(denial) => explanation.decision = depends(denial),
        }
        explanation
    }
}

/// Who is calling, and what is known of it; or why the gateway would not go on.
fn calling(
    shown: &Shown,
    caller: Option<Principal>,
    proof: Option<Proof>,
) -> Result<(CallerIs, Option<PrincipalFound>), Refusal> {
    match shown {
        Shown::Unread => return Ok((CallerIs::Nobody, None)),
        Shown::Bad(Refusal::Credential(bad)) => return Err((*bad).into()),
        Shown::Bad(_) => return Err(Refusal::ClientCredentials),
        Shown::Nothing | Shown::Token { .. } => {}
    }
    if let Some(caller) = caller {
        let found = principal(&caller, "--as".to_owned());
        return Ok((CallerIs::Known(caller), Some(found)));
    }
    match proof {
        None => Ok((CallerIs::Nobody, None)),
        Some(Proof::Refused(why)) => Err(why.into()),
        Some(Proof::Proven(resolved)) => {
            let identity = &resolved.identity;
            let mut found = principal(&identity.principal, known_from(&resolved));
            found.issued_ms = identity.issued_ms;
            found.expires_ms = Some(identity.expires_ms).filter(|at| *at != NEVER_MS);
            Ok((CallerIs::Known(identity.principal.clone()), Some(found)))
        }
        Some(Proof::Signed(_) | Proof::Unseen) => Ok((CallerIs::SomeUser, None)),
    }
}

fn known_from(resolved: &Resolved) -> String {
    let ms = resolved.store_time.as_secs_f64() * 1e3;
    match resolved.level {
        Level::Hot => "the worker's memory".to_owned(),
        Level::Near => "near cache".to_owned(),
        Level::Store => format!("store, {ms:.1} ms"),
        Level::Grace => "grace: the store is away, and confirmed this a moment ago".to_owned(),
    }
}

fn principal(principal: &Principal, known_from: String) -> PrincipalFound {
    PrincipalFound {
        kind: principal.kind.label().to_owned(),
        id: principal.id.clone(),
        name: principal.name.clone(),
        email: principal.email.clone(),
        roles: principal.roles.clone(),
        scopes: principal.scopes.clone(),
        known_from,
        issued_ms: None,
        expires_ms: None,
        now_ms: 0,
    }
}

/// What the rules say.
enum Judged<'a> {
    Permit(Permit<'a>),
    Refuse(Denial),
    /// Somebody may, somebody else may not.
    Depends(Denial),
}

/// A user without a name, a role or a scope. Whatever lets it in lets everybody in.
static SOME_USER: Principal = Principal {
    kind: PrincipalKind::User,
    id: String::new(),
    name: None,
    email: None,
    roles: Vec::new(),
    scopes: Vec::new(),
};

fn decide<'a>(found: Option<&Match<'a>>, calling: &'a CallerIs, now: SystemTime) -> Judged<'a> {
    let presented = presented(calling);
    match (policy::decide(found, presented, now), calling) {
        (Ok(permit), _) => Judged::Permit(permit),
        (Err(denial), CallerIs::SomeUser) => match denial {
            Denial::NoRule | Denial::Denied | Denial::RuleExpired => Judged::Refuse(denial),
            Denial::Unauthenticated
            | Denial::RoleMissing
            | Denial::ScopeMissing
            | Denial::NotSelf
            | Denial::Forbidden => Judged::Depends(denial),
        },
        (Err(denial), CallerIs::Nobody | CallerIs::Known(_) | CallerIs::Refused(_)) => {
            Judged::Refuse(denial)
        }
    }
}

fn presented(calling: &CallerIs) -> Presented<'_> {
    match calling {
        CallerIs::Nobody | CallerIs::Refused(_) => Presented::Nothing,
        CallerIs::Known(principal) => Presented::Proven(principal),
        CallerIs::SomeUser => Presented::Proven(&SOME_USER),
    }
}

fn rule(
    found: &Match<'_>,
    candidates: &[Match<'_>],
    calling: &CallerIs,
    now: SystemTime,
) -> RuleFound {
    let next = candidates.iter().find(|other| other.index != found.index);
    let unknown = matches!(calling, CallerIs::SomeUser);
    let public = next.is_some_and(|next| next.rule.requirement == Requirement::Public);
    let without_it = match (policy::decide(next, presented(calling), now), calling) {
        (_, CallerIs::Refused(answer)) if !public => answer.clone(),
        (Ok(_), _) => "permit".to_owned(),
        (Err(_), CallerIs::SomeUser) if next.is_some() => "depends".to_owned(),
        (Err(denial), _) => format!("{} {}", denial.status().as_u16(), denial.reason()),
    };
    let terms = match calling {
        CallerIs::Refused(_) => Vec::new(),
        CallerIs::Nobody | CallerIs::Known(_) | CallerIs::SomeUser => {
            explain::explain(found, presented(calling))
        }
    };
    let term = |term: explain::TermCheck| {
        let holds = (!unknown || term.holds).then_some(term.holds);
        let says = match holds {
            Some(_) if unknown => "yes: whoever it is".to_owned(),
            Some(_) => term.says,
            None => "only the store knows who the caller is".to_owned(),
        };
        TermFound { term: term.term, holds, says }
    };
    RuleFound {
        line: line(found),
        next_best: next.map(line),
        without_it,
        terms: terms.into_iter().map(|all| all.into_iter().map(term).collect()).collect(),
    }
}

fn line(found: &Match<'_>) -> RuleLine {
    RuleLine {
        rule: found.rule.name.split_whitespace().collect::<Vec<_>>().join(" "),
        asks: found.rule.asks.clone(),
        place: found.rule.place.clone(),
    }
}

fn form(canonical: &Canonical, raw_path: &str) -> CanonicalForm {
    let path = canonical.path.as_str();
    CanonicalForm {
        method: canonical.method.as_str().to_owned(),
        host: canonical.authority.as_str().to_owned(),
        path: path.to_owned(),
        came_as: (path != raw_path).then(|| raw_path.to_owned()),
    }
}

fn credential(shown: &Shown, said: bool) -> CredentialFound {
    let none = |says: &str| CredentialFound { present: false, source: None, says: says.to_owned() };
    match shown {
        Shown::Unread => none("not looked at: the rule is public; whatever is there is removed"),
        Shown::Nothing if said => none("none in the request; --as stands for one"),
        Shown::Nothing => none("none"),
        Shown::Bad(refused) => {
            CredentialFound { present: true, source: None, says: format!("bad: {refused}") }
        }
        Shown::Token { source, .. } => {
            let (word, place) = place(source);
            let checked = if said { "; not checked, --as says who it is" } else { "" };
            let says = format!("token in {place}, removed from what is forwarded{checked}");
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

fn refusal(refused: &Refusal) -> Decision {
    Decision {
        outcome: Outcome::Refuse,
        status: Some(refused.status().as_u16()),
        reason: refused.reason().to_owned(),
        says: status_words(refused.status()),
        because: Some(refused.to_string()),
        to_pass: Vec::new(),
    }
}

fn preflight() -> Decision {
    Decision {
        outcome: Outcome::Answered,
        status: Some(204),
        reason: "preflight".to_owned(),
        says: "answered here: a preflight, before any rule is asked".to_owned(),
        because: None,
        to_pass: Vec::new(),
    }
}

fn permitted(permit: &Permit<'_>, calling: &CallerIs) -> Decision {
    let mut says = match (permit.principal(), calling) {
        (_, CallerIs::SomeUser) => {
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

fn depends(denial: Denial) -> Decision {
    Decision {
        outcome: Outcome::Unknown,
        status: None,
        reason: denial.reason().to_owned(),
        says: "depends on who the token belongs to, which only the store knows".to_owned(),
        because: None,
        to_pass: vec![
            "say who is calling: --as '{\"id\":\"ann\",\"roles\":[\"buyer\"]}'".to_owned(),
            "ask the running gateway: --live ADDRESS".to_owned(),
        ],
    }
}

fn to_pass(denial: Denial, found: Option<&Match<'_>>, calling: &CallerIs) -> Vec<String> {
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
        | Denial::Forbidden => {
            found.map(|found| explain::remedies(found, presented(calling))).unwrap_or_default()
        }
    }
}
