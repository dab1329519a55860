//! Why a token proves nobody: the closed list of words and statuses. Values only.

use std::sync::Arc;

use http::StatusCode;

use crate::{directory::WrongPrincipal, store::StoreError, token::keyring::Unverified};

/// Why a token proves nobody. The token's text is in none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Its length or alphabet is not that of a token.
    #[error("the token is malformed")]
    Malformed,
    /// It is shaped like one of ours, and none of our secrets signed it.
    #[error("the token's signature is wrong")]
    Forged,
    /// Its lifetime is over.
    #[error("the token has expired")]
    Expired,
    /// Never issued, or revoked.
    #[error("the token is unknown or was revoked")]
    Unknown,
    /// All tokens of its principal were revoked since it was issued.
    #[error("the token was revoked")]
    Revoked,
    /// Its principal is shut out.
    #[error("the token's principal is not active")]
    PrincipalInactive,
    /// Its principal is gone.
    #[error("the token's principal does not exist")]
    PrincipalMissing,
    /// Its principal is shut out for as long as its admins want.
    #[error("the principal is disabled")]
    PrincipalDisabled,
    /// Its organization or application is shut out.
    #[error("the principal's organization or application is disabled")]
    TenantInactive,
    /// No client has this id and this secret.
    #[error("the client id or the client secret is wrong")]
    ClientWrong,
    /// Too many wrong secrets were tried for this client, or from this address.
    #[error("too many wrong passwords or secrets; try again later")]
    TooManyTries,
    /// Nobody could tell.
    #[error("the token could not be checked")]
    StoreUnavailable(#[source] Arc<StoreError>),
    /// Too many others are being looked up.
    #[error("too many tokens are being checked; try again shortly")]
    StoreBusy,
    /// The record is there and cannot be read.
    #[error("the token's record cannot be read")]
    StoreBadRecord(#[source] Arc<StoreError>),
}

impl Unresolved {
    /// Every word of [`reason`](Self::reason), for the documentation and the metrics.
    pub const ALL: [&'static str; 14] = [
        "token_malformed",
        "token_forged",
        "token_expired",
        "token_unknown",
        "token_revoked",
        "principal_inactive",
        "principal_missing",
        "principal_disabled",
        "tenant_inactive",
        "client_wrong",
        "too_many_tries",
        "store_unavailable",
        "store_busy",
        "store_bad_record",
    ];

    /// The word for the answer, the log and the metric.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        Self::ALL[self.index()]
    }

    /// The status of the answer: 401 when the token was checked, 503 when it could not be.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed
            | Self::Forged
            | Self::Expired
            | Self::Unknown
            | Self::Revoked
            | Self::PrincipalInactive
            | Self::PrincipalMissing
            | Self::PrincipalDisabled
            | Self::TenantInactive
            | Self::ClientWrong => StatusCode::UNAUTHORIZED,
            Self::TooManyTries => StatusCode::TOO_MANY_REQUESTS,
            Self::StoreUnavailable(_) | Self::StoreBusy | Self::StoreBadRecord(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// Its place in [`ALL`](Self::ALL).
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Malformed => 0,
            Self::Forged => 1,
            Self::Expired => 2,
            Self::Unknown => 3,
            Self::Revoked => 4,
            Self::PrincipalInactive => 5,
            Self::PrincipalMissing => 6,
            Self::PrincipalDisabled => 7,
            Self::TenantInactive => 8,
            Self::ClientWrong => 9,
            Self::TooManyTries => 10,
            Self::StoreUnavailable(_) => 11,
            Self::StoreBusy => 12,
            Self::StoreBadRecord(_) => 13,
        }
    }
}

impl From<WrongPrincipal> for Unresolved {
    fn from(why: WrongPrincipal) -> Self {
        match why {
            WrongPrincipal::Missing => Self::PrincipalMissing,
            WrongPrincipal::NotActivated => Self::PrincipalInactive,
            WrongPrincipal::Disabled => Self::PrincipalDisabled,
            WrongPrincipal::TenantInactive => Self::TenantInactive,
            WrongPrincipal::Revoked => Self::Revoked,
            WrongPrincipal::Secret => Self::ClientWrong,
        }
    }
}

impl From<Unverified> for Unresolved {
    fn from(why: Unverified) -> Self {
        match why {
            Unverified::Malformed => Self::Malformed,
            Unverified::Forged => Self::Forged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip] // a table is read by column
    fn every_reason_has_its_word_and_status() {
        use Unresolved::*;
        let error = Arc::new(StoreError::BadRecord { field: "x".to_owned() });
        let cases = [
            (Malformed,                         "token_malformed",    401),
            (Forged,                            "token_forged",       401),
            (Expired,                           "token_expired",      401),
            (Unknown,                           "token_unknown",      401),
            (Revoked,                           "token_revoked",      401),
            (PrincipalInactive,                 "principal_inactive", 401),
            (PrincipalMissing,                  "principal_missing",  401),
            (PrincipalDisabled,                 "principal_disabled", 401),
            (TenantInactive,                    "tenant_inactive",    401),
            (ClientWrong,                       "client_wrong",       401),
            (TooManyTries,                      "too_many_tries",     429),
            (StoreUnavailable(Arc::clone(&error)), "store_unavailable", 503),
            (StoreBusy,                         "store_busy",         503),
            (StoreBadRecord(error),             "store_bad_record",   503),
        ];
        for (number, (why, word, status)) in cases.into_iter().enumerate() {
            assert_eq!((why.reason(), why.status().as_u16()), (word, status), "{why:?}");
            assert_eq!(Unresolved::ALL[number], word);
        }
    }
}
