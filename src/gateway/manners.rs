//! With `[usergrid]`: which error of the platform a refusal is. Statuses are ours, except that the
//! platform has 401 for "who are you" and for "you may not" alike.

use http::StatusCode;

use super::Refusal;
use crate::{
    auth::{credential::CredentialError, resolve::Unresolved},
    request::upgrade::UpgradeError,
    usergrid::{Fault, fault::class},
};

/// The error of the platform.
pub(super) fn fault(refusal: &Refusal) -> Fault {
    let told = |code, exception| {
        let fault = Fault::new(refusal.status(), code, exception, refusal.to_string());
        Fault { reason: refusal.reason(), ..fault }
    };
    match refusal {
        Refusal::Usergrid(fault) => (**fault).clone(),
        Refusal::BadRequest(bad) if bad.status() == StatusCode::METHOD_NOT_ALLOWED => {
            told("not_allowed", class::UNSUPPORTED)
        }
        Refusal::BadRequest(_) | Refusal::StrippedPath | Refusal::BodyTooLarge => {
            told("illegal_argument", class::ARGUMENT)
        }
        Refusal::Misdirected => told("misdirected_request", class::ARGUMENT),
        Refusal::Credential(bad) => credential(*bad, refusal),
        Refusal::Unresolved(why) => unresolved(why, refusal),
        Refusal::ClientCredentials => client(refusal),
        Refusal::Denied(denial) => Fault {
            status: denial.status_told(true),
            reason: denial.reason(),
            ..Fault::no_permission()
        },
        Refusal::Upgrade(UpgradeError::NotAllowed) => told("forbidden", class::SECURITY),
        Refusal::Upgrade(_) => told("illegal_argument", class::ARGUMENT),
        Refusal::TooManyUnknown => told("too_many_requests", class::SECURITY),
        Refusal::IdentityTooLarge => told("bad_gateway", class::MANAGEMENT),
        Refusal::Upstream(_) | Refusal::Deadline => {
            let code = match refusal.status() {
                StatusCode::GATEWAY_TIMEOUT => "gateway_timeout",
                StatusCode::BAD_GATEWAY => "bad_gateway",
                StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
                _ => "illegal_argument",
            };
            told(code, class::MANAGEMENT)
        }
    }
}

/// What is there and cannot be read.
fn credential(bad: CredentialError, refusal: &Refusal) -> Fault {
    let (code, text) = match bad {
        CredentialError::Conflict | CredentialError::Repeated | CredentialError::Separator => {
            ("invalid_request", refusal.to_string())
        }
        CredentialError::Empty | CredentialError::Malformed => {
            ("auth_bad_access_token", CORRUPT.to_owned())
        }
        CredentialError::Scheme | CredentialError::Basic => {
            ("auth_bad_credentials_syntax", refusal.to_string())
        }
        CredentialError::Incomplete => ("auth_missing_credentials", refusal.to_string()),
    };
    let fault = Fault::new(refusal.status(), code, class::SECURITY, text);
    Fault { reason: refusal.reason(), ..fault }
}

const CORRUPT: &str = "Unable to authenticate due to corrupt access token";

/// What was read and proves nobody.
fn unresolved(why: &Unresolved, refusal: &Refusal) -> Fault {
    let (code, exception, text) = match why {
        Unresolved::Malformed | Unresolved::Forged | Unresolved::PrincipalMissing => {
            ("auth_bad_access_token", class::SECURITY, CORRUPT)
        }
        Unresolved::Expired => {
            ("expired_token", class::SECURITY, "Unable to authenticate due to expired access token")
        }
        Unresolved::Unknown | Unresolved::Revoked => {
            ("auth_invalid", class::SECURITY, "Unable to authenticate")
        }
        Unresolved::PrincipalInactive => {
            ("authentication", class::AUTHENTICATION, "Unactivated identity")
        }
        Unresolved::PrincipalDisabled => {
            ("authentication", class::AUTHENTICATION, "Disabled identity")
        }
        Unresolved::TenantInactive => {
            ("auth_disabled_organization", class::SECURITY, "Unable to authenticate")
        }
        Unresolved::ClientWrong => return client(refusal),
        // In the shape that a grant is told it in.
        Unresolved::TooManyTries => {
            let fault = Fault::oauth(refusal.status(), "too_many_requests", &refusal.to_string());
            return Fault { reason: refusal.reason(), ..fault };
        }
        Unresolved::StoreUnavailable(_) | Unresolved::StoreBusy | Unresolved::StoreBadRecord(_) => {
            ("service_unavailable", class::MANAGEMENT, "the token could not be checked")
        }
    };
    let fault = Fault::new(refusal.status(), code, exception, text);
    Fault { reason: refusal.reason(), ..fault }
}

fn client(refusal: &Refusal) -> Fault {
    let text = "Unable to authenticate due to invalid client credentials";
    let fault = Fault::new(refusal.status(), "auth_invalid_credentials", class::SECURITY, text);
    Fault { reason: refusal.reason(), ..fault }
}

/// A wrong client in the parameters of the query.
pub(super) fn wrong_parameters() -> Fault {
    let text = "Unable to authenticate (OAuth)";
    let fault = Fault::new(StatusCode::UNAUTHORIZED, "invalid_client", class::SECURITY, text);
    Fault { reason: Unresolved::ClientWrong.reason(), ..fault }
}
