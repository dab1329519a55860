//! The first half of the road: the question is read as the gateway reads a request, up to the point
//! where somebody has to say whom a token proves.

use http::{HeaderMap, StatusCode};

use super::{BadQuestion, Question, text::printable};
use crate::{
    auth::credential::{Credential, Source, Sources},
    config::Config,
    gateway::{Refusal, is_preflight},
    policy::Requirement,
    principal::Principal,
    request::{BadRequest, Canonical},
    secret::Secret,
};

/// A question that has been read.
pub struct Asked<'a> {
    pub(super) config: &'a Config,
    pub(super) sources: Sources,
    /// Method and target, credentials cut.
    pub(super) request: String,
    /// `--as`
    pub(super) caller: Option<Principal>,
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
}

/// What the request shows of its caller.
pub(super) enum Shown {
    /// The rule is `public`: nobody looks.
    Unread,
    /// No configured source holds anything.
    Nothing,
    /// What is there is no one readable credential.
    Bad(Refusal),
    /// A token, and where.
    Token { source: Source, token: Secret },
}

impl<'a> Asked<'a> {
    /// Reads `question` against `config`.
    ///
    /// # Errors
    /// [`BadQuestion`] for what no client could send.
    pub fn read(question: &Question, config: &'a Config) -> Result<Self, BadQuestion> {
        let sources = Sources::new(config.tokens.from.clone());
        let request = format!("{} {}", question.method, redacted(&question.target, &sources));
        let caller = question.caller.as_ref().map(super::Caller::principal);
        let Some(parts) = question.head()? else {
            let reading = Reading::Refused(BadRequest::TargetForm);
            return Ok(Self { config, sources, request, caller, reading });
        };
        let (fields, raw_path) = (parts.headers.clone(), parts.uri.path().to_owned());
        let preflight = config.cors.is_some() && is_preflight(&parts.method, &parts.headers);
        let reading = match Canonical::read(parts, true, false, &config.request_policy()) {
            Err(bad) => Reading::Refused(bad),
            Ok(canonical) if preflight => Reading::Preflight(Box::new(canonical)),
            Ok(canonical) => {
                let presented = shown(&canonical, config, &sources);
                Reading::Read(Box::new(Read { canonical, raw_path, fields, presented }))
            }
        };
        Ok(Self { config, sources, request, caller, reading })
    }

    /// The token that somebody has to resolve before [`judge`](Self::judge): `None` when the request
    /// carries none, when nobody would look, or when the question says who is calling.
    #[must_use]
    pub fn token(&self) -> Option<&Secret> {
        match &self.reading {
            Reading::Read(read) if self.caller.is_none() => match &read.presented {
                Shown::Token { token, .. } => Some(token),
                Shown::Unread | Shown::Nothing | Shown::Bad(_) => None,
            },
            Reading::Read(_) | Reading::Refused(_) | Reading::Preflight(_) => None,
        }
    }
}

fn shown(canonical: &Canonical, config: &Config, sources: &Sources) -> Shown {
    let rule = config.rules.find(&canonical.method, canonical.authority.host(), &canonical.path);
    if rule.is_some_and(|found| found.rule.requirement == Requirement::Public) {
        return Shown::Unread;
    }
    match sources.extract(canonical) {
        Ok(None) => Shown::Nothing,
        Err(bad) => Shown::Bad(bad.into()),
        Ok(Some(found)) => match found.credential {
            Credential::Client { .. } => Shown::Bad(Refusal::ClientCredentials),
            Credential::Token(token) => {
                Shown::Token { source: config.tokens.from[found.source].clone(), token }
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
