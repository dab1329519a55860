//! The second half of the road: rule, principal, decision, and what would be forwarded.

use std::time::SystemTime;

use http::Method;

use super::{
    Explanation, PrincipalFound, RuleFound, TermFound,
    calling::{CallerIs, Proof, calling},
    forward,
    ground::{Ground, Known, NoGround, unnamed},
    ours::Ours,
    read::{Asked, Read, Reading, Shown, Whose},
    says,
};
use crate::{
    auth::credential::Sources,
    config::Config,
    directory::TenantName,
    gateway::Refusal,
    policy::{self, Denial, Match, Permit, Requirement, TenantRequest, explain},
    principal::{Certificate, Principal},
    request::{Canonical, path::CanonicalPath},
    telemetry::instant::unix_ms,
    usergrid::place::TenantPath,
};

impl Asked<'_> {
    /// Judges the request at `now`. `proof` answers for [`credential`](Asked::credential), `known` for
    /// [`tenant`](Asked::tenant); without it the tenant is made of the path's names.
    #[must_use]
    pub fn judge(self, proof: Option<Proof>, known: Option<Known>, now: SystemTime) -> Explanation {
        let Self { config, sources, request, caller, certificate, reading } = self;
        let mut told = Explanation {
            request,
            canonical: None,
            credential: None,
            principal: None,
            tenant: None,
            before_rules: true,
            rule: None,
            decision: says::preflight(),
            forwarded: None,
        };
        let usergrid = config.usergrid.is_some();
        let judge = Judge { config, sources, usergrid, certificate, now };
        let judged = match reading {
            Reading::Refused(bad) => Err(bad.into()),
            Reading::Preflight(canonical) => {
                told.canonical = Some(says::form(&canonical, canonical.path.as_str()));
                Ok(())
            }
            Reading::Read(read) => judge.judge(*read, caller, proof, known, &mut told),
        };
        if let Err(refused) = judged {
            told.decision = says::refusal(&refused, judge.usergrid);
        }
        told
    }
}

/// What requests are judged with.
struct Judge<'a> {
    config: &'a Config,
    sources: Sources,
    usergrid: bool,
    /// The one that the question says the client shows.
    certificate: Option<Certificate>,
    now: SystemTime,
}

impl<'a> Judge<'a> {
    /// Tells the road of a request, up to the refusal that it ends with.
    fn judge(
        &self,
        mut read: Read,
        caller: Option<Principal>,
        proof: Option<Proof>,
        known: Option<Known>,
        told: &mut Explanation,
    ) -> Result<(), Refusal> {
        told.canonical = Some(says::form(&read.canonical, &read.raw_path));
        let whose = std::mem::replace(&mut read.whose, Whose::Rules);
        if let Whose::Refused(refused) = whose {
            return Err(refused);
        }
        told.credential = Some(says::credential(&read.presented, caller.is_some()));
        let (calling, principal) = match calling(&read.presented, caller, proof, self.usergrid) {
            Ok(found) => found,
            Err(refused) => {
                told.before_rules = !whose.has_rules();
                let calling = CallerIs::Refused(says::answer(&refused, self.usergrid));
                let road = Road::new(&read.canonical, None);
                if !told.before_rules {
                    told.rule = self.rule(&road, &calling);
                }
                return Err(refused);
            }
        };
        let now_ms = unix_ms(self.now);
        told.principal = principal.map(|found| PrincipalFound { now_ms, ..found });
        let ground = match whose {
            Whose::Ours(ours, path) => {
                let text = path.map(|path| ours_at(ours, &path, known)).transpose()?;
                if let Some(Some(text)) = &text {
                    self.moves(&mut read, text, told)?;
                }
                told.decision = ours.decision(text != Some(None));
                return Ok(());
            }
            Whose::Tenant(path) if !matches!(read.presented, Shown::Unread) => {
                match Ground::of(path, known, calling.principal()) {
                    Ok(ground) => Some(ground),
                    Err(NoGround::Refused(refused)) => return Err(refused),
                    Err(NoGround::Unnamed) => {
                        told.decision = unnamed();
                        return Ok(());
                    }
                }
            }
            Whose::Tenant(_) | Whose::Rules | Whose::Refused(_) => None,
        };
        if let Some(ground) = &ground {
            told.tenant = Some(ground.found());
            let moved = self.moves(&mut read, &ground.text(), told);
            // An id that `--as` made up, and no path can carry, stays as it came.
            moved.or_else(|refused| if ground.live { Err(refused) } else { Ok(()) })?;
        }
        told.before_rules = false;
        self.by_rules(read, ground.as_ref(), &calling, told)
    }

    /// Puts the request on the path of its tenant, by its names.
    fn moves(&self, read: &mut Read, text: &str, told: &mut Explanation) -> Result<(), Refusal> {
        read.canonical.path = CanonicalPath::parse(text, &self.config.paths)?;
        told.canonical = Some(says::form(&read.canonical, &read.raw_path));
        Ok(())
    }

    fn by_rules(
        &self,
        read: Read,
        ground: Option<&Ground>,
        calling: &CallerIs,
        told: &mut Explanation,
    ) -> Result<(), Refusal> {
        let road = Road::new(&read.canonical, ground);
        told.rule = self.rule(&road, calling);
        let rest = road.rest();
        let tenant = road.tenant(&rest);
        let found = road.found(self.config);
        let certificate = self.certificate.as_ref();
        match decide(found.as_ref(), calling, self.now, tenant.as_ref(), certificate) {
            Judged::Permit(permit) => {
                if let Some(refused) = ground.and_then(Ground::no_such_user) {
                    return Err(refused);
                }
                let sent = forward::rehearse(
                    read.canonical,
                    &read.fields,
                    &self.sources,
                    &permit,
                    self.config,
                );
                let mut forwarded = sent?;
                if matches!(calling, CallerIs::SomeUser(_)) {
                    forward::veil(&mut forwarded, self.config);
                }
                told.decision = says::permitted(&permit, calling);
                told.forwarded = Some(forwarded);
            }
            Judged::Refuse(denial) => {
                told.decision = says::refusal(&Refusal::Denied(denial), self.usergrid);
                told.decision.to_pass =
                    says::to_pass(denial, found.as_ref(), calling, tenant.as_ref(), certificate);
                told.decision.because = None; // the rule and its terms say it better
            }
            Judged::Depends(denial) => told.decision = says::depends(denial, self.usergrid),
        }
        Ok(())
    }

    /// The rule that wins, and how its terms go.
    fn rule(&self, road: &Road<'_>, calling: &CallerIs) -> Option<RuleFound> {
        let found = road.found(self.config)?;
        let rest = road.rest();
        let tenant = road.tenant(&rest);
        let candidates = self.config.rules.candidates(&road.method, &road.host, &road.path);
        let next = candidates.iter().find(|other| other.index != found.index);
        let unknown = matches!(calling, CallerIs::SomeUser(_));
        let public = next.is_some_and(|next| next.rule.requirement == Requirement::Public);
        let (presented, certificate) = (calling.presented(), self.certificate.as_ref());
        let decided = policy::decide(next, presented, self.now, tenant.as_ref(), certificate);
        let without_it = match (decided, calling) {
            (_, CallerIs::Refused(answer)) if !public => answer.clone(),
            (Ok(_), _) => "permit".to_owned(),
            (Err(_), CallerIs::SomeUser(_)) if next.is_some() => "depends".to_owned(),
            (Err(denial), _) => says::answer(&Refusal::Denied(denial), self.usergrid),
        };
        let terms = match calling {
            CallerIs::Refused(_) => Vec::new(),
            CallerIs::Nobody | CallerIs::Known(_) | CallerIs::SomeUser(_) => {
                explain::explain(&found, presented, tenant.as_ref(), certificate)
            }
        };
        let term = |term: explain::TermCheck| {
            let unknown = unknown && term.of_caller;
            let holds = (!unknown || term.holds).then_some(term.holds);
            let says = match holds {
                Some(_) if unknown => "yes: whoever it is".to_owned(),
                Some(_) => term.says,
                None => "only the store knows who the caller is".to_owned(),
            };
            TermFound { term: term.term, holds, says }
        };
        Some(RuleFound {
            line: says::line(&found),
            next_best: next.map(says::line),
            without_it,
            terms: terms.into_iter().map(|all| all.into_iter().map(term).collect()).collect(),
        })
    }
}

/// What rules are asked about. Of its own, since the request is sent on while a rule still speaks of it.
struct Road<'a> {
    method: Method,
    host: String,
    path: CanonicalPath,
    ground: Option<&'a Ground>,
}

impl<'a> Road<'a> {
    fn new(canonical: &Canonical, ground: Option<&'a Ground>) -> Self {
        Self {
            method: canonical.method.clone(),
            host: canonical.authority.host().to_owned(),
            path: canonical.path.clone(),
            ground,
        }
    }

    fn found<'r>(&'r self, config: &'r Config) -> Option<Match<'r>> {
        config.rules.find(&self.method, &self.host, &self.path)
    }

    fn rest(&self) -> Vec<&str> {
        self.ground.map(Ground::rest).unwrap_or_default()
    }

    fn tenant<'r>(&'r self, rest: &'r [&'r str]) -> Option<TenantRequest<'r>> {
        self.ground.map(|ground| ground.request(&self.method, rest))
    }
}

/// The path of ours with the tenant's names, where they are known; or why the gateway refuses.
fn ours_at(ours: Ours, path: &TenantPath, known: Option<Known>) -> Result<Option<String>, Refusal> {
    match (known, &path.name) {
        // Nobody logs in where there is no tenant: that is the office's to say.
        (Some(Known::Refused(fault)), _)
            if !(ours.takes_grant() && fault.status.is_client_error()) =>
        {
            Err(fault.into())
        }
        (Some(Known::Settled(there)), _) => {
            let names = (&there.known.organization.name, &there.known.application.name);
            Ok(Some(path.text(names.0, names.1)))
        }
        (None | Some(Known::Refused(_)), TenantName::Names(organization, application)) => {
            Ok(Some(path.text(organization, application)))
        }
        (None | Some(Known::Refused(_)), TenantName::Application(_)) => Ok(None),
    }
}

/// What the rules say.
enum Judged<'a> {
    Permit(Permit<'a>),
    Refuse(Denial),
    /// Somebody may, somebody else may not.
    Depends(Denial),
}

fn decide<'a>(
    found: Option<&Match<'a>>,
    calling: &'a CallerIs,
    now: SystemTime,
    tenant: Option<&TenantRequest<'_>>,
    certificate: Option<&Certificate>,
) -> Judged<'a> {
    match (policy::decide(found, calling.presented(), now, tenant, certificate), calling) {
        (Ok(permit), _) => Judged::Permit(permit),
        (Err(denial), CallerIs::SomeUser(_)) => match denial {
            Denial::NoRule | Denial::Denied | Denial::RuleExpired | Denial::CertificateMissing => {
                Judged::Refuse(denial)
            }
            Denial::Unauthenticated
            | Denial::RoleMissing
            | Denial::ScopeMissing
            | Denial::NotSelf
            | Denial::NotPermitted
            | Denial::OtherTenant
            | Denial::Forbidden => Judged::Depends(denial),
        },
        (Err(denial), CallerIs::Nobody | CallerIs::Known(_) | CallerIs::Refused(_)) => {
            Judged::Refuse(denial)
        }
    }
}
