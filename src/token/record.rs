//! What the store knows: the token's record and its principal's state.

use serde::{Deserialize, Serialize};

/// The record of one token, keyed by the UUID in its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The principal's id.
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    pub issued_ms: i64,
    pub expires_ms: i64,
    /// The principal's generation when the token was issued.
    pub generation: u64,
}

/// The state of a principal, shared by all its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalState {
    /// Tokens of another generation are revoked.
    pub generation: u64,
    pub active: bool,
}
