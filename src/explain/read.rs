//! The first half of the road: the question is read as the gateway reads a request, up to the point
//! where somebody has to say whom a token proves.

use http::{HeaderMap, StatusCode};

use super::{BadQuestion, Question, ours, ours::Ours, text::printable};
use crate::{
    auth::credential::{Credential, Source, Sources},
    config::{Config, Management},
    directory::TenantName,
    gateway::{Refusal, is_preflight},
    policy::Requirement,
    principal::{Certificate, Principal},
    request::{BadRequest, Canonical, Head, owned::is_owned, path::CanonicalPath},
    usergrid::{
        Fault,
        place::{Place, TenantPath},
    },
};

/// A question that has been read.
pub struct Asked<'a> {
    pub(super) config: &'a Config,
    pub(super) sources: Sources,
    /// Method and target, credentials cut.
    pub(super) request: String,
    /// `--as`
    pub(super) caller: Option<Principal>,
    /// `--cert`
    pub(super) certificate: Option<Certificate>,
    pub(super) reading: Reading,
}

/// How far reading came.
pub(super) enum Reading {
    /// No canonical form.
    Refused(BadRequest),
    /// Answered here, before any rule.
    Preflight(Box<Canonical>),
    /// To be judged.
    Read(Box<Read>),
}

/// A request that the rules can be asked about.
pub(super) struct Read {
    pub(super) canonical: Canonical,
    /// The path as it came.
    pub(super) raw_path: String,
    /// The fields as they came.
    pub(super) fields: HeaderMap,
    pub(super) presented: Shown,
    pub(super) whose: Whose,
}

/// Whose a path is.
pub(super) enum Whose {
    /// The rules know of it. Without `[usergrid]` every path is so.
    Rules,
    /// A tenant's.
    Tenant(TenantPath),
    /// The gateway's own, perhaps about a tenant.
    Ours(Ours, Option<TenantPath>),
    /// Nobody gets anywhere.
    Refused(Refusal),
}

impl Whose {
    /// Whether rules can be asked before it is known who is calling.
    pub(super) fn has_rules(&self) -> bool {
        match self {
            Self::Rules => true,
            // By its UUID a tenant has to be looked for, and the caller before it.
            Self::Tenant(path) => matches!(path.name, TenantName::Names(..)),
            Self::Ours(..) | Self::Refused(_) => false,
        }
    }
}

/// What the request shows of its caller.
pub(super) enum Shown {
    /// The rule is `public`: nobody looks.
    Unread,
    /// A request for a token brings its own credential, a grant: no other counts.
    Grant,
    /// No configured source holds anything.
    Nothing,
    /// What is there is no one readable credential.
    Bad(Refusal),
    /// A credential, and where.
    Credential { source: Source, credential: Credential },
}

impl<'a> Asked<'a> {
    /// Reads `question` against `config`.
    ///
    /// # Errors
    /// [`BadQuestion`] for what no client could send.
    pub fn read(question: &Question, config: &'a Config) -> Result<Self, BadQuestion> {
        let tenants = config.usergrid.is_some();
        let sources = Sources::new(config.tokens.from.clone());
        let sources = if tenants { sources.of_usergrid() } else { sources };
        let request = format!("{} {}", question.method, redacted(&question.target, &sources));
        let caller =
            question.caller.as_ref().map(|caller| caller.principal(tenants)).transpose()?;
        let certificate = question.certificate();
        let Some(parts) = question.head()? else {
            let reading = Reading::Refused(BadRequest::TargetForm);
            return Ok(Self { config, sources, request, caller, certificate, reading });
        };
        let (fields, raw_path) = (parts.headers.clone(), parts.uri.path().to_owned());
        let head = Head::from(parts);
        let preflight = config.cors.is_some() && is_preflight(&head.method, &head.fields);
        let reading = match Canonical::read(head, true, false, &config.request_policy()) {
            Err(bad) => Reading::Refused(bad),
            Ok(canonical) if preflight => Reading::Preflight(Box::new(canonical)),
            Ok(mut canonical) => match place(&mut canonical, config) {
                Err(bad) => Reading::Refused(bad),
                Ok(whose) => {
                    let presented = shown(&canonical, &whose, config, &sources);
                    Reading::Read(Box::new(Read { canonical, raw_path, fields, presented, whose }))
                }
            },
        };
        Ok(Self { config, sources, request, caller, certificate, reading })
    }

    /// The credential that somebody has to resolve before [`judge`](Self::judge): `None` when the
    /// request carries none, when nobody would look, or when the question says who is calling.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        match &self.reading {
            Reading::Read(read) if self.caller.is_none() => match &read.presented {
                Shown::Credential { credential, .. } => Some(credential),
                Shown::Unread | Shown::Grant | Shown::Nothing | Shown::Bad(_) => None,
            },
            Reading::Read(_) | Reading::Refused(_) | Reading::Preflight(_) => None,
        }
    }

    /// The tenant's path that the directory has to settle before [`judge`](Self::judge); `None` when
    /// there is none, or nobody would ask.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantPath> {
        let Reading::Read(read) = &self.reading else { return None };
        match (&read.presented, &read.whose) {
            (Shown::Unread, _) | (_, Whose::Rules | Whose::Refused(_)) => None,
            (_, Whose::Tenant(path)) => Some(path),
            (_, Whose::Ours(_, path)) => path.as_ref(),
        }
    }

    /// Whom the question says to take for its caller.
    #[must_use]
    pub fn caller(&self) -> Option<&Principal> {
        self.caller.as_ref()
    }

    /// Takes `caller` instead: the same, as the directory has it.
    pub fn set_caller(&mut self, caller: Principal) {
        self.caller = Some(caller);
    }
}

/// Whose the path is; one that names a tenant takes its canonical form, as far as names go.
fn place(canonical: &mut Canonical, config: &Config) -> Result<Whose, BadRequest> {
    let Some(usergrid) = &config.usergrid else { return Ok(Whose::Rules) };
    let place = Place::of(&canonical.path);
    if let Some(ours) = Ours::outside(&place) {
        return Ok(match usergrid.management {
            Management::Public => Whose::Ours(ours, None),
            Management::Admin | Management::Off => Whose::Refused(Fault::not_found("").into()),
        });
    }
    let path = match place {
        Place::System => return Ok(Whose::Refused(Fault::system().into())),
        Place::Tenant(path) => path,
        Place::Management(_) | Place::Token | Place::Other => return Ok(Whose::Rules),
    };
    if let TenantName::Names(organization, application) = &path.name {
        let text = path.text(organization, application);
        canonical.path = CanonicalPath::parse(&text, &config.paths)?;
    }
    let rest: Vec<&str> = path.rest.iter().map(String::as_str).collect();
    let ours = is_owned(&rest).then(|| Ours::of_tenant(&rest, usergrid.open_roles));
    Ok(match ours {
        Some(ours) => Whose::Ours(ours, Some(path)),
        None => Whose::Tenant(path),
    })
}

fn shown(canonical: &Canonical, whose: &Whose, config: &Config, sources: &Sources) -> Shown {
    match whose {
        Whose::Ours(ours, _) if ours.takes_grant() && ours::has_grant(canonical) => {
            return Shown::Grant;
        }
        Whose::Refused(_) => return Shown::Unread,
        Whose::Rules | Whose::Tenant(_) | Whose::Ours(..) => {}
    }
    let rule = config.rules.find(&canonical.method, canonical.authority.host(), &canonical.path);
    if whose.has_rules() && rule.is_some_and(|found| found.rule.requirement == Requirement::Public)
    {
        return Shown::Unread;
    }
    match sources.extract(canonical) {
        Ok(None) => Shown::Nothing,
        Err(bad) => Shown::Bad(bad.into()),
        Ok(Some(found)) => match found.credential {
            Credential::Client { .. } if config.usergrid.is_none() => {
                Shown::Bad(Refusal::ClientCredentials)
            }
            credential @ (Credential::Token(_) | Credential::Client { .. }) => {
                Shown::Credential { source: config.tokens.from[found.source].clone(), credential }
            }
        },
    }
}

/// `target` with `•••` for credentials, fit for a terminal.
fn redacted(target: &str, sources: &Sources) -> String {
    let shown = match target.split_once('?') {
        None => target.to_owned(),
        Some((path, query)) => format!("{path}?{}", sources.redact_query(query)),
    };
    printable(&shown)
}

/// `403 forbidden`, as the status line has it.
pub(super) fn status_words(status: StatusCode) -> String {
    let words = status.canonical_reason().unwrap_or("").to_ascii_lowercase();
    format!("{} {words}", status.as_u16())
}
