//! Reading: every configured source is looked at, and what is there must be one credential.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};

use super::{
    CLIENT_ID, CLIENT_SECRET, Credential, CredentialError, Found, Source, Sources,
    authorization::{self, Scheme},
    cookie_pairs,
};
use crate::{
    request::{Canonical, percent, query::Pair},
    secret::Secret,
};

/// What one source holds: nothing, one readable credential, or something that is neither.
type Presented = Result<Option<Credential>, CredentialError>;

impl Sources {
    /// `Ok(None)` only when no configured source is present at all.
    ///
    /// # Errors
    /// Two of anything is 400, whether or not each could be read; one that cannot be read is 401.
    pub fn extract(&self, request: &Canonical) -> Result<Option<Found>, CredentialError> {
        if request.query.pairs().any(|pair| self.semicolon_makes_credential(pair)) {
            return Err(CredentialError::Separator);
        }
        let mut tally = Tally::default();
        let (source, presented) = self.authorization(request);
        tally.add(source, presented)?;
        for (index, source) in self.sources.iter().enumerate() {
            let presented = match source {
                Source::Header | Source::Basic => continue, // above: one field, whatever its scheme
                Source::Query(name) => token_parameter(request, name, self.lenient),
                Source::ClientParams => client_parameters(request, self.lenient),
                Source::Field(name) => token_field(request, name),
                Source::Cookie(name) => cookie(request, name),
            };
            tally.add(index, presented)?;
        }
        tally.only()
    }

    /// A client as it compares: without the escapes of RFC 6749 2.3.1, where those are read.
    fn settled(&self, credential: Credential) -> Credential {
        match credential {
            Credential::Client { id, secret } if self.lenient => {
                let secret = Secret::new(unescaped(secret.expose()));
                Credential::Client { id: unescaped(&id), secret }
            }
            other @ (Credential::Client { .. } | Credential::Token(_)) => other,
        }
    }

    /// The client in `Authorization: Basic`, whatever else the request carries: what a grant is asked
    /// with. `None` for another scheme, and for a client without a secret.
    ///
    /// # Errors
    /// Two such fields are 400, one that cannot be read is 401.
    pub fn basic_client(
        &self,
        request: &Canonical,
    ) -> Result<Option<(String, Secret)>, CredentialError> {
        let Some(value) = only_line(request, &AUTHORIZATION)? else { return Ok(None) };
        match authorization::split(value.as_bytes()) {
            Ok(Some((Scheme::Basic, text))) => match authorization::basic(text)? {
                Credential::Client { id, secret } => {
                    let there = !secret.expose().is_empty();
                    Ok(there.then(|| (unescaped(&id), Secret::new(unescaped(secret.expose())))))
                }
                Credential::Token(_) => Ok(None),
            },
            Ok(Some((Scheme::Bearer, _)) | None) | Err(_) => Ok(None),
        }
    }

    /// The `Authorization` field, judged against the schemes that are configured. Not read when none is.
    fn authorization(&self, request: &Canonical) -> (usize, Presented) {
        let (bearer, basic) = (self.bearer, self.basic);
        if bearer.is_none() && basic.is_none() {
            return (0, Ok(None));
        }
        let value = match only_line(request, &AUTHORIZATION) {
            Ok(Some(value)) => value.as_bytes(),
            Ok(None) => return (0, Ok(None)),
            Err(error) => return (0, Err(error)),
        };
        match (authorization::split(value), bearer, basic) {
            (Ok(Some((Scheme::Bearer, text))), Some(source), _) => {
                (source, authorization::token(text).map(Some))
            }
            (Ok(Some((Scheme::Basic, text))), _, Some(source)) => {
                let client = authorization::basic(text);
                (source, client.map(|client| Some(self.settled(client))))
            }
            (Ok(_), _, _) => (0, Err(CredentialError::Scheme)),
            (Err(error), _, _) => (0, Err(error)),
        }
    }
}

/// A client's id or secret, which some clients percent-encode inside Basic (RFC 6749 2.3.1). Ours hold
/// no percent sign, so that there is one reading.
fn unescaped(text: &str) -> String {
    percent::decode(text).map_or_else(|| text.to_owned(), Cow::into_owned)
}

/// What the sources said so far.
#[derive(Default)]
struct Tally {
    found: Option<(usize, Result<Credential, CredentialError>)>,
}

impl Tally {
    /// Adds what one source holds. Two sources may stand side by side only when they say the same.
    fn add(&mut self, source: usize, presented: Presented) -> Result<(), CredentialError> {
        let presented = match presented {
            Ok(None) => return Ok(()),
            Ok(Some(credential)) => Ok(credential),
            Err(CredentialError::Repeated) => return Err(CredentialError::Repeated),
            Err(error) => Err(error),
        };
        match &mut self.found {
            None => self.found = Some((source, presented)),
            Some((first, Ok(found))) if presented.as_ref() == Ok(&*found) => {
                *first = source.min(*first);
            }
            Some(_) => return Err(CredentialError::Conflict),
        }
        Ok(())
    }

    fn only(self) -> Result<Option<Found>, CredentialError> {
        let Some((source, presented)) = self.found else { return Ok(None) };
        presented.map(|credential| Some(Found { credential, source }))
    }
}

/// The value of a parameter as it came; an empty one is there.
fn parameter<'r>(request: &'r Canonical, name: &str) -> Result<Option<&'r str>, CredentialError> {
    let mut named = request.query.pairs().filter(|pair| pair.is_named(name));
    let first = named.next();
    match named.next() {
        Some(_) => Err(CredentialError::Repeated),
        None => Ok(first.map(Pair::raw_value)),
    }
}

fn token_parameter(request: &Canonical, name: &str, empty_is_absent: bool) -> Presented {
    let Some(raw) = parameter(request, name)? else { return Ok(None) };
    if raw.is_empty() && empty_is_absent {
        return Ok(None);
    }
    let text = percent::decode(raw).ok_or(CredentialError::Malformed)?;
    authorization::token(text.as_bytes()).map(Some)
}

fn client_parameters(request: &Canonical, empty_is_absent: bool) -> Presented {
    let there = |raw: &&str| !(raw.is_empty() && empty_is_absent);
    let id = parameter(request, CLIENT_ID)?.filter(there);
    let secret = parameter(request, CLIENT_SECRET)?.filter(there);
    let (id, secret) = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        _ => return Err(CredentialError::Incomplete),
    };
    if id.is_empty() || secret.is_empty() {
        return Err(CredentialError::Empty);
    }
    let client = percent::decode(id)
        .zip(percent::decode(secret))
        .and_then(|(id, secret)| authorization::client(&id, &secret));
    client.map(Some).ok_or(CredentialError::Malformed)
}

fn token_field(request: &Canonical, name: &HeaderName) -> Presented {
    let value = only_line(request, name)?;
    value.map(|value| authorization::token(value.as_bytes())).transpose()
}

/// The one line of a field that is not a list.
fn only_line<'r>(
    request: &'r Canonical,
    name: &HeaderName,
) -> Result<Option<&'r HeaderValue>, CredentialError> {
    let mut lines = request.fields.all(name);
    let first = lines.next();
    if lines.next().is_some() { Err(CredentialError::Repeated) } else { Ok(first) }
}

/// A cookie of exactly this name, wherever among the lines it stands.
fn cookie(request: &Canonical, name: &str) -> Presented {
    let lines = request.fields.all(&COOKIE);
    let mut named = lines
        .flat_map(|line| cookie_pairs(line.as_bytes()))
        .filter(|pair| pair.name == name.as_bytes());
    let first = named.next();
    if named.next().is_some() {
        return Err(CredentialError::Repeated);
    }
    first.map(|pair| authorization::token(pair.value)).transpose()
}
