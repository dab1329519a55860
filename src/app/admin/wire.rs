//! What crosses the admin listener about tokens, as both of its ends write it.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tenants::wire::DirectoryJob;

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Make a token.
    Issue(Order),
    /// Tell what a token is worth.
    Show(Which),
    /// End a token, or all of a subject.
    Revoke(Which),
    /// Something about the directory.
    Directory(DirectoryJob),
}

impl Job {
    /// Where it is posted to.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Issue(_) => "/tokens",
            Self::Show(_) => "/tokens/show",
            Self::Revoke(_) => "/tokens/revoke",
            Self::Directory(_) => "/directory",
        }
    }

    /// What is posted.
    pub(crate) fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Issue(order) => serde_json::to_vec(order),
            Self::Show(which) | Self::Revoke(which) => serde_json::to_vec(which),
            Self::Directory(job) => serde_json::to_vec(job),
        }
    }

    /// Whether a gateway that shares the store may go by what was before for a moment.
    pub(crate) fn lags(&self) -> bool {
        match self {
            Self::Issue(_) | Self::Show(_) => false,
            Self::Revoke(_) => true,
            Self::Directory(job) => !job.only_reads(),
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// Whose it is.
    pub(crate) subject: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// Roles held while it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    /// Scopes granted to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    /// `1h`, `never`; without it what `[tokens] ttl` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<String>,
}

/// Which token, or whose.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum Which {
    /// The one with this text.
    Token(String),
    /// The one with this id.
    Id(Uuid),
    /// All of this subject.
    Subject(String),
}

/// The text of a token stays out of every log.
impl std::fmt::Debug for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(_) => f.write_str("Token(***)"),
            Self::Id(id) => write!(f, "Id({id})"),
            Self::Subject(subject) => write!(f, "Subject({subject:?})"),
        }
    }
}

/// A token that was made.
#[derive(Serialize, Deserialize)]
pub(crate) struct Issued {
    /// Its text: told here and never again.
    pub(crate) token: String,
    /// Its id, which is no secret.
    pub(crate) id: Uuid,
    /// Whose it is.
    pub(crate) subject: String,
    /// Roles it carries.
    pub(crate) roles: Vec<String>,
    /// Scopes it carries.
    pub(crate) scopes: Vec<String>,
    /// `2026-12-31T00:00:00Z`; `None` never.
    pub(crate) expires: Option<String>,
}

/// What a token is worth.
#[derive(Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its id; another service's token has none.
    pub(crate) id: Option<Uuid>,
    /// Whether a request that carries it is let in as its subject.
    pub(crate) good: bool,
    /// `good`, or why not, in the words of refusals: `token_expired`.
    pub(crate) state: String,
    /// Whose it is.
    pub(crate) subject: Option<String>,
    /// With tenants: `application_user`, `admin_user`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) holder: Option<String>,
    /// With tenants: `acme/shop`, or the organizations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<String>,
    /// A name for people.
    pub(crate) name: Option<String>,
    /// An e-mail address.
    pub(crate) email: Option<String>,
    /// Roles it carries.
    pub(crate) roles: Vec<String>,
    /// Scopes it carries.
    pub(crate) scopes: Vec<String>,
    /// `2026-12-31T00:00:00Z`
    pub(crate) issued: Option<String>,
    /// `2026-12-31T00:00:00Z`; `None` never, or not known.
    pub(crate) expires: Option<String>,
}

/// What was ended.
#[derive(Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// Whether there was anything to end.
    pub(crate) found: bool,
    /// The token's id, when it was one token.
    pub(crate) id: Option<Uuid>,
    /// The subject, when it was all of its tokens.
    pub(crate) subject: Option<String>,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Complaint {
    /// A sentence without a full stop.
    pub(crate) error: String,
    /// What sort of trouble.
    pub(crate) kind: Kind,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

/// What sort of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// What was asked makes no sense.
    BadInput,
    /// Another service's tokens are not ours to change.
    Foreign,
    /// There is no `[usergrid]`.
    NoTenants,
    /// The store could not answer.
    Unavailable,
    /// Sent by a browser, or to another host.
    Refused,
    /// No such path.
    Path,
    /// Not by POST.
    Method,
    /// Not JSON.
    NotJson,
    /// Too long.
    TooLarge,
    /// Ours.
    Fault,
}

impl Kind {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadInput => StatusCode::BAD_REQUEST,
            Self::Foreign | Self::NoTenants => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Complaint {
    pub(crate) fn new(kind: Kind, error: String) -> Self {
        Self { error, kind, help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
