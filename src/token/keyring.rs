//! The text of a token: `YWMt` + base64url(16-byte time UUID ‖ 8-byte expiry, ms ‖ 20 bytes of HMAC-SHA-256).

use uuid::Uuid;

use crate::secret::Secret;

/// Keys derived from the configured secrets. The first signs, all verify.
#[derive(Clone)]
pub struct Keyring {
    _todo: (),
}

/// What a token's text says, once its MAC has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub id: Uuid,
    /// Milliseconds since the epoch; `i64::MAX` never expires. A token is expired at this instant.
    pub expires_ms: i64,
}

/// Why a text is no token of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's signature is wrong")]
    Forged,
}

impl Keyring {
    /// At least one secret; the configuration has checked their length.
    pub fn new(secrets: &[Secret]) -> Self {
        todo!()
    }
    pub fn mint(&self, id: Uuid, expires_ms: i64) -> Secret {
        todo!()
    }
    pub fn verify(&self, text: &str) -> Result<Verified, Unverified> {
        todo!()
    }
}
