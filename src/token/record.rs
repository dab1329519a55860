//! What the store knows: a token's record and the state of its principal. JSON wherever they are
//! kept, so that an operator can read them.
//!
//! Neither holds a secret: a record is found by its UUID, and only the MAC in a token's text proves
//! that the UUID was given to its bearer.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whose a token of a tenant is; the subject is that one's UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Holder {
    /// A user of this application.
    ApplicationUser {
        /// Its application.
        application: Uuid,
        /// Whose that is.
        organization: Uuid,
        /// How often both had been shut out when the token was issued.
        era: u64,
    },
    /// An application's client.
    Application {
        /// Whose the application is.
        organization: Uuid,
        /// How often both had been shut out when the token was issued.
        era: u64,
    },
    /// An organization's client.
    Organization,
    /// An admin.
    AdminUser,
}

/// The record of one token, keyed by the UUID in its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The principal's id.
    pub subject: String,
    /// What kind of principal that is; `None` without `[usergrid]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Roles held while this token is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Scopes granted to this token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Milliseconds since the epoch.
    pub issued_ms: i64,
    /// Milliseconds since the epoch; `i64::MAX` never expires.
    pub expires_ms: i64,
    /// The principal's generation when the token was issued.
    pub generation: u64,
}

/// The state of a principal, shared by all its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalState {
    /// Tokens of another generation are revoked.
    pub generation: u64,
    /// An inactive principal's tokens are refused.
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_plain_json_without_what_it_lacks() {
        let record = TokenRecord {
            subject: "ann".to_owned(),
            holder: None,
            name: None,
            email: None,
            roles: vec!["buyer".to_owned()],
            scopes: Vec::new(),
            issued_ms: 1,
            expires_ms: i64::MAX,
            generation: 7,
        };
        let text = serde_json::to_string(&record).unwrap();
        let expected = r#"{"subject":"ann","roles":["buyer"],"issued_ms":1,"expires_ms":9223372036854775807,"generation":7}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<TokenRecord>(&text).unwrap(), record);
    }
}
