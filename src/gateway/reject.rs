//! Every refusal and the answer it becomes: the one table of status, challenge, error and reason.
//!
//! No `_` arm anywhere: a new reason does not compile until someone has chosen its answer.

use std::cell::Cell;

use http::StatusCode;

use super::manners;
use crate::{
    auth::{credential::CredentialError, resolve::Unresolved},
    policy::Denial,
    request::{BadRequest, upgrade::UpgradeError},
    upstream::{BodyFault, UpstreamError},
    usergrid::Fault,
};

/// Why a request was not forwarded, or its answer not passed on.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request has no canonical form.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// The host asked for is another one than the TLS handshake named, and not of its certificate.
    #[error("this connection was made for another host")]
    Misdirected,
    /// What is there cannot be read as one credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The credential is bad, or could not be checked.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// The rules say no.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The request asks to switch protocols, and may not or not so.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// A client id and secret were presented; they are verified by the token office, which is not built yet.
    #[error("client credentials are not accepted here")]
    ClientCredentials,
    /// One address asked for too many tokens that do not exist.
    #[error("too many unknown tokens from this address")]
    TooManyUnknown,
    /// The declared body is larger than the rule allows.
    #[error("the body is larger than allowed")]
    BodyTooLarge,
    /// The identity fields would be larger than a backend can be expected to take.
    #[error("the identity of the caller is too large to be forwarded")]
    IdentityTooLarge,
    /// What remains after `strip` has no canonical form.
    #[error("the path has no canonical form once the backend's prefix is cut")]
    StrippedPath,
    /// The backend gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The call took longer than its `grpc-timeout` allows.
    #[error("the deadline of the call has passed")]
    Deadline,
    /// An endpoint of `[usergrid]` answers so.
    #[error("{}", .0.description)]
    Usergrid(Box<Fault>),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Usergrid(Box::new(fault))
    }
}

/// The realm of our challenges (RFC 9110 11.5).
const REALM: &str = "tollgate";

impl Refusal {
    /// The status line (RFC 6750 3.1, RFC 9110 15).
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(bad) => bad.status(),
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Credential(bad) => bad.status(),
            Self::Unresolved(bad) => bad.status(),
            Self::Denied(denial) => denial.status(),
            Self::Upgrade(bad) => bad.status(),
            Self::ClientCredentials => StatusCode::UNAUTHORIZED,
            Self::TooManyUnknown => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::IdentityTooLarge => StatusCode::BAD_GATEWAY,
            Self::StrippedPath => StatusCode::BAD_REQUEST,
            Self::Upstream(error) => upstream_row(error).0,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::Usergrid(fault) => fault.status,
        }
    }

    /// The status line as clients see it: those of Usergrid (`usergrid`) get other ones.
    pub(crate) fn status_told(&self, usergrid: bool) -> StatusCode {
        if usergrid { manners::fault(self).status } else { self.status() }
    }

    /// The word of log, metric, body and `docs/refusals.md`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(bad) => bad.reason(),
            Self::Misdirected => "misdirected",
            Self::Credential(bad) => bad.reason(),
            Self::Unresolved(bad) => bad.reason(),
            Self::Denied(denial) => denial.reason(),
            Self::Upgrade(bad) => bad.reason(),
            Self::ClientCredentials => "client_credentials",
            Self::TooManyUnknown => "too_many_unknown_tokens",
            Self::BodyTooLarge => "body_too_large",
            Self::IdentityTooLarge => "identity_too_large",
            Self::StrippedPath => "path_after_strip",
            Self::Upstream(error) => upstream_row(error).1,
            Self::Deadline => "grpc_deadline",
            Self::Usergrid(fault) => fault.reason,
        }
    }

    /// The `error` of the body and the challenge: RFC 6750 3.1 where it has a word, else ours.
    pub(super) fn error(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::StrippedPath => "invalid_request",
            Self::Misdirected => "misdirected_request",
            Self::Upgrade(UpgradeError::NotAllowed) => "forbidden",
            Self::Upgrade(_) => "invalid_request",
            Self::Credential(_) | Self::Unresolved(_) | Self::ClientCredentials => {
                match self.status() {
                    StatusCode::BAD_REQUEST => "invalid_request",
                    StatusCode::UNAUTHORIZED => "invalid_token",
                    StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
                    _ => "temporarily_unavailable",
                }
            }
            Self::Denied(denial) => match denial {
                Denial::Unauthenticated => "unauthenticated",
                Denial::RoleMissing
                | Denial::ScopeMissing
                | Denial::NotSelf
                | Denial::NotPermitted
                | Denial::OtherTenant
                | Denial::Forbidden => "insufficient_scope",
                Denial::NoRule
                | Denial::Denied
                | Denial::RuleExpired
                | Denial::CertificateMissing => "forbidden",
            },
            Self::TooManyUnknown => "too_many_requests",
            Self::BodyTooLarge => "content_too_large",
            Self::IdentityTooLarge => "bad_gateway",
            Self::Upstream(error) => upstream_row(error).2,
            Self::Deadline => "gateway_timeout",
            Self::Usergrid(fault) => fault.code,
        }
    }

    /// `WWW-Authenticate` (RFC 6750 3): without an error code when nothing was presented.
    pub(super) fn challenge(&self) -> Option<String> {
        let (error, status) = (self.error(), self.status());
        match self {
            Self::Denied(Denial::Unauthenticated) => Some(format!("Bearer realm=\"{REALM}\"")),
            Self::Credential(_)
            | Self::Unresolved(_)
            | Self::ClientCredentials
            | Self::Denied(_)
                if status.is_client_error() && error != "forbidden" =>
            {
                Some(format!(
                    "Bearer realm=\"{REALM}\", error=\"{error}\", error_description=\"{self}\""
                ))
            }
            Self::BadRequest(_)
            | Self::Misdirected
            | Self::Credential(_)
            | Self::Unresolved(_)
            | Self::Denied(_)
            | Self::Upgrade(_)
            | Self::ClientCredentials
            | Self::TooManyUnknown
            | Self::BodyTooLarge
            | Self::IdentityTooLarge
            | Self::StrippedPath
            | Self::Upstream(_)
            | Self::Deadline
            | Self::Usergrid(_) => None,
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 2.3).
    pub(super) fn proxy_error(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::Misdirected | Self::StrippedPath | Self::BodyTooLarge => {
                "http_request_error"
            }
            Self::Upgrade(UpgradeError::NotAllowed) => "http_request_denied",
            Self::Upgrade(_) => "http_request_error",
            Self::Credential(_) | Self::Denied(_) | Self::ClientCredentials => {
                "http_request_denied"
            }
            Self::Unresolved(bad) if bad.status() == StatusCode::UNAUTHORIZED => {
                "http_request_denied"
            }
            Self::Unresolved(_) | Self::IdentityTooLarge => "proxy_internal_error",
            Self::TooManyUnknown => "http_request_denied",
            Self::Upstream(error) => upstream_row(error).3,
            Self::Deadline => "http_response_timeout",
            Self::Usergrid(fault) if fault.status.is_server_error() => "proxy_internal_error",
            Self::Usergrid(_) => "http_request_denied",
        }
    }

    /// Whether the store would have had to be asked, and could not be.
    pub(super) fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Unresolved(Unresolved::StoreUnavailable(_) | Unresolved::StoreBusy))
    }

    /// Seconds after which trying again makes sense. A record that cannot be read is no better then.
    pub(super) fn retry_after(&self) -> Option<u32> {
        if let Self::Unresolved(Unresolved::StoreBadRecord(_)) = self {
            return None;
        }
        if self.is_of_the_store() {
            return Some(spread());
        }
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => Some(1),
            StatusCode::TOO_MANY_REQUESTS => Some(60),
            _ => None,
        }
    }
}

/// One, two and three seconds in turn: who was refused together does not come back together.
fn spread() -> u32 {
    thread_local!(static REFUSED: Cell<u32> = const { Cell::new(0) });
    let refused = REFUSED.get();
    REFUSED.set(refused.wrapping_add(1));
    1 + refused % 3
}

/// Status, reason, error and `Proxy-Status` error type of a backend failure.
fn upstream_row(error: &UpstreamError) -> (StatusCode, &'static str, &'static str, &'static str) {
    const BAD: StatusCode = StatusCode::BAD_GATEWAY;
    const LATE: StatusCode = StatusCode::GATEWAY_TIMEOUT;
    #[rustfmt::skip] // a table is read by column
    let row = match error {
        UpstreamError::Connect(_)       => (BAD,  "backend_unreachable",     "bad_gateway",     "destination_unavailable"),
        UpstreamError::Tls(_)           => (BAD,  "backend_tls",             "bad_gateway",     "tls_protocol_error"),
        UpstreamError::ConnectTimedOut  => (LATE, "backend_connect_timeout", "gateway_timeout", "connection_timeout"),
        UpstreamError::Busy             => (StatusCode::SERVICE_UNAVAILABLE, "backend_busy", "temporarily_unavailable", "connection_limit_reached"),
        UpstreamError::TimedOut         => (LATE, "backend_timeout",         "gateway_timeout", "http_response_timeout"),
        UpstreamError::Closed           => (BAD,  "backend_closed",          "bad_gateway",     "http_response_incomplete"),
        UpstreamError::BadResponse      => (BAD,  "backend_bad_response",    "bad_gateway",     "http_protocol_error"),
        UpstreamError::Body(fault) => match fault {
            BodyFault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "content_too_large", "http_request_error"),
            BodyFault::TooSlow  => (StatusCode::REQUEST_TIMEOUT,   "body_timeout",   "invalid_request",   "http_request_error"),
            BodyFault::Cut      => (StatusCode::BAD_REQUEST,       "body_cut",       "invalid_request",   "http_request_error"),
        },
    };
    row
}

/// Every reason word, `ok` first: the labels of the metric, and what `docs/refusals.md` explains.
#[must_use]
pub fn reasons() -> Vec<&'static str> {
    let mut words =
        vec!["ok", "preflight", "client_gone", "backend_cut", "going_away", "tunnel_idle"];
    words.extend(BadRequest::ALL.iter().map(|bad| bad.reason()));
    words.extend(CredentialError::ALL.iter().map(|bad| bad.reason()));
    words.extend(Unresolved::ALL);
    words.extend(Denial::ALL.iter().map(|denial| denial.reason()));
    words.extend(UpgradeError::ALL.iter().map(|bad| bad.reason()));
    words.extend([
        "misdirected",
        "client_credentials",
        "too_many_unknown_tokens",
        "body_too_large",
        "identity_too_large",
        "path_after_strip",
        "backend_unreachable",
        "backend_tls",
        "backend_connect_timeout",
        "backend_busy",
        "backend_timeout",
        "backend_closed",
        "backend_bad_response",
        "grpc_deadline",
        "body_timeout",
        "body_cut",
        "invalid_grant",
        "usergrid_error",
        "usergrid_busy",
        "not_replicated",
    ]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_and_none_that_does_not_exist() {
        let text = include_str!("../../docs/refusals.md");
        let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut explained: Vec<&str> = cells.collect();
        let mut words = reasons();
        explained.sort_unstable();
        words.sort_unstable();
        assert_eq!(explained, words);
    }
}
