//! Why a token proves nobody: the closed list of words and statuses. Values only.

use std::sync::Arc;

use http::StatusCode;

use crate::{store::StoreError, token::keyring::Unverified};

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
    /// Nobody could tell.
    #[error("the token could not be checked")]
    StoreUnavailable(#[source] Arc<StoreError>),
    /// The record is there and cannot be read.
    #[error("the token's record cannot be read")]
    StoreBadRecord(#[source] Arc<StoreError>),
}

impl Unresolved {
    /// Every word of [`reason`](Self::reason), for the documentation and the metrics.
    pub const ALL: [&'static str; 9] = [
        "token_malformed",
        "token_forged",
        "token_expired",
        "token_unknown",
        "token_revoked",
        "principal_inactive",
        "principal_missing",
        "store_unavailable",
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
            | Self::PrincipalMissing => StatusCode::UNAUTHORIZED,
            Self::StoreUnavailable(_) | Self::StoreBadRecord(_) => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::StoreUnavailable(_) => 7,
            Self::StoreBadRecord(_) => 8,
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
            (StoreUnavailable(Arc::clone(&error)), "store_unavailable", 503),
            (StoreBadRecord(error),             "store_bad_record",   503),
        ];
        for (number, (why, word, status)) in cases.into_iter().enumerate() {
            assert_eq!((why.reason(), why.status().as_u16()), (word, status), "{why:?}");
            assert_eq!(Unresolved::ALL[number], word);
        }
    }
}
