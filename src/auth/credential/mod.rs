//! Finds the one credential of a request, and removes every configured source from what is forwarded.
//!
//! Pure. Present but unreadable is an error, never absence (law 4). Never reads a body, never takes a
//! look-alike for a credential, and never puts a credential's text into an error.

mod authorization;
mod find;
mod strip;
#[cfg(test)]
mod tests;

use http::HeaderName;

use crate::{
    request::{fold::fold, refusals::refusals},
    secret::Secret,
};

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
    /// The text of a token: 1 to 4096 characters of `A-Za-z0-9._~+/=-`.
    Token(Secret),
    /// A client and its secret, decoded, without control characters.
    Client {
        /// Not empty.
        id: String,
        /// May be empty with Basic, where only the id has to be something.
        secret: Secret,
    },
}

/// A credential and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was presented.
    pub credential: Credential,
    /// Index into the configured sources; the first of several that say the same.
    pub source: usize,
}

refusals! {
    /// Why what is there cannot be read as one credential. None carries the credential's text.
    CredentialError {
        Conflict = BAD_REQUEST "credential_conflict" "the request carries two credentials",
        Repeated = BAD_REQUEST "credential_repeated" "a credential is given more than once",
        Separator = BAD_REQUEST "credential_separator" "a semicolon in the query could make a credential",
        Scheme = UNAUTHORIZED "credential_scheme" "the authentication scheme is not accepted here",
        Empty = UNAUTHORIZED "credential_empty" "the credential is empty",
        Malformed = UNAUTHORIZED "credential_malformed" "the credential is not well formed",
        Basic = UNAUTHORIZED "credential_basic" "the Basic credential does not decode to a name and a password",
        Incomplete = UNAUTHORIZED "credential_incomplete" "a client id and a client secret go together",
    }
}

/// Name of the client's id among the parameters.
const CLIENT_ID: &str = "client_id";
/// Name of the client's secret among the parameters.
const CLIENT_SECRET: &str = "client_secret";

/// Parameters of Usergrid's clients that are secret and yet no credential of their request: those of a
/// login by GET, whatever sources are configured, and the token that a logout ends.
const SECRETS: [&str; 7] =
    ["password", "oldpassword", "newpassword", "pin", "token", "access_token", CLIENT_SECRET];

/// The sources of a configuration, prepared for looking up.
#[derive(Clone, Debug)]
pub struct Sources {
    sources: Vec<Source>,
    /// Which of them are `Authorization: Bearer` and `Authorization: Basic`.
    bearer: Option<usize>,
    basic: Option<usize>,
    /// Folded names of query parameters that hold credentials.
    parameters: Vec<String>,
    /// Folded names of fields that are credentials, or look like one.
    fields: Vec<String>,
    /// Names of cookies that hold credentials.
    cookies: Vec<String>,
    /// Whether an empty parameter counts as absent, and Basic may be percent-encoded, for clients in the
    /// field that do so.
    lenient: bool,
    /// Folded names of query parameters that are no credential and still no log's business.
    unlogged: Vec<String>,
}

impl Sources {
    /// Prepares `sources`; their order decides which of two equal credentials names the source.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        let mut parameters = Vec::new();
        // Credential-shaped whether configured or not: a backend may know them.
        let mut fields = ["Authorization", "X-Authorization", "X-Access-Token"].map(fold).to_vec();
        let mut cookies = Vec::new();
        for source in &sources {
            match source {
                Source::Header | Source::Basic => {}
                Source::Query(name) => parameters.push(fold(name)),
                Source::ClientParams => parameters.extend([CLIENT_ID, CLIENT_SECRET].map(fold)),
                Source::Field(name) => fields.push(fold(name.as_str())),
                Source::Cookie(name) => cookies.push(name.clone()),
            }
        }
        let place = |of| sources.iter().position(|source| *source == of);
        let (bearer, basic) = (place(Source::Header), place(Source::Basic));
        let (lenient, unlogged) = (false, Vec::new());
        Self { sources, bearer, basic, parameters, fields, cookies, lenient, unlogged }
    }

    /// The same for clients of Usergrid: `access_token=`, `client_id=` and `client_secret=` count as
    /// absent, and passwords and tokens that are parameters of an endpoint stay out of logs.
    #[must_use]
    pub fn of_usergrid(self) -> Self {
        Self { lenient: true, unlogged: SECRETS.map(fold).to_vec(), ..self }
    }

    /// Whether the source of this index is `Authorization: Basic`.
    #[must_use]
    pub fn is_basic(&self, index: usize) -> bool {
        self.sources.get(index) == Some(&Source::Basic)
    }
}

/// One pair of a `Cookie` line, without surrounding blanks.
#[derive(Clone, Copy)]
struct CookiePair<'a> {
    raw: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
}

fn cookie_pairs(line: &[u8]) -> impl Iterator<Item = CookiePair<'_>> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|raw| !raw.is_empty()).map(
        |raw| {
            let cut = raw.iter().position(|byte| *byte == b'=').unwrap_or(raw.len());
            let value = raw.get(cut + 1..).unwrap_or_default();
            CookiePair { raw, name: raw[..cut].trim_ascii_end(), value: value.trim_ascii_start() }
        },
    )
}
