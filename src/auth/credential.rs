//! Finds the one credential of a request, and removes every configured source from what is forwarded.

use http::HeaderName;

use crate::{request::Canonical, secret::Secret};

/// One entry of `[tokens] from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer` (RFC 6750 2.1).
    Header,
    /// `Authorization: Basic` with a client id and secret.
    Basic,
    /// A query parameter that holds a token: `query:access_token`.
    Query(String),
    /// `client_id` and `client_secret` in the query.
    ClientParams,
    /// A field that holds a token: `header:X-Api-Key`.
    Field(HeaderName),
    /// A cookie that holds a token: `cookie:session`.
    Cookie(String),
}

/// What a request presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Token(Secret),
    Client { id: String, secret: Secret },
}

/// A credential and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub credential: Credential,
    /// Index into the configured sources.
    pub source: usize,
}

/// Why what is there cannot be read as one credential. None carries the credential's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("more than one credential")]
    Conflict,
}

/// The sources of a configuration, prepared for looking up.
#[derive(Clone, Debug)]
pub struct Sources {
    _todo: (),
}

impl Sources {
    pub fn new(sources: Vec<Source>) -> Self {
        todo!()
    }
    /// `Ok(None)` only when no configured source is present at all.
    pub fn extract(&self, request: &Canonical) -> Result<Option<Found>, CredentialError> {
        todo!()
    }
    /// Removes every configured source, its look-alikes in the query and every other credential-shaped field.
    pub fn strip(&self, request: &mut Canonical) {
        todo!()
    }
}
