//! A request's whole road as a value: how it was read, which credential it carried, whom that proved,
//! which rule won and which came next, how each term went, the decision, and what would be forwarded.
//!
//! `tollgate explain` and the admin listener both use it, so that both say the same. Pure: no clock, no
//! store. It judges nothing itself: it calls the functions that the gateway calls, and reports what they
//! answered.
//!
//! Invariant: no credential is in an [`Explanation`], only where one stood.

mod calling;
mod forward;
mod ground;
mod judge;
mod ours;
mod question;
mod read;
mod says;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Serialize};

pub(crate) use self::text::{printable, span};
pub use self::{
    calling::Proof,
    ground::Known,
    question::{BadQuestion, Caller, Question},
    read::Asked,
    text::render,
};

/// The road of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `GET /users/bob/cart?access_token=•••&page=2`
    pub request: String,
    /// How it was read; `None` when it has no canonical form.
    pub canonical: Option<CanonicalForm>,
    /// What it presented; `None` when that was never looked at.
    pub credential: Option<CredentialFound>,
    /// Whom that proved; `None` for nobody.
    pub principal: Option<PrincipalFound>,
    /// The tenant that it is judged in; `None` when its path names none, or nobody knows which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantFound>,
    /// Whether the answer is given before any rule is asked.
    #[serde(default)]
    pub before_rules: bool,
    /// The rule that won; `None` when there is none, or it was never looked for.
    pub rule: Option<RuleFound>,
    /// What becomes of the request.
    pub decision: Decision,
    /// What the backend would receive; `None` when nothing would reach it.
    pub forwarded: Option<Forwarded>,
}

/// A request as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanonicalForm {
    /// The method.
    pub method: String,
    /// The host, with its port unless that is the scheme's own.
    pub host: String,
    /// The path.
    pub path: String,
    /// The path as it came, when that was spelled differently.
    pub came_as: Option<String>,
}

/// Where a credential was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialFound {
    /// Whether there is one, readable or not.
    pub present: bool,
    /// As `[tokens] from` names it: `header`, `query:access_token`; `None` when none could be read.
    pub source: Option<String>,
    /// A sentence.
    pub says: String,
}

/// Whom a credential proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalFound {
    /// `user`; with `[usergrid]` the kind of caller: `application_user`.
    pub kind: String,
    /// The store's name for the caller.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Roles held.
    pub roles: Vec<String>,
    /// Scopes granted.
    pub scopes: Vec<String>,
    /// What it is of, with `[usergrid]`: `acme/shop`, or each of an admin's organizations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
    /// Where this is known from: `near cache`, `store, 0.4 ms`, `--as`.
    pub known_from: String,
    /// Milliseconds since the epoch, when the record tells.
    pub issued_ms: Option<i64>,
    /// Milliseconds since the epoch; `None` for a caller that `--as` made up, and for never.
    pub expires_ms: Option<i64>,
    /// The moment of this explanation, against which the two are told.
    pub now_ms: i64,
}

/// A tenant, with `[usergrid]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantFound {
    /// `acme/shop`
    pub name: String,
    /// Where its roles are known from.
    pub says: String,
    /// Which user the path names, where it names one.
    pub user: Option<String>,
}

/// A rule and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleLine {
    /// The left side: `* /users/{id}/**`.
    pub rule: String,
    /// The right side: `self:{id} | role:support`.
    pub asks: String,
    /// `tollgate.toml:19`
    pub place: String,
}

/// The rule that won.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFound {
    /// The rule.
    #[serde(flatten)]
    pub line: RuleLine,
    /// The rule that would win without it.
    pub next_best: Option<RuleLine>,
    /// What would become of the request without it: `403 no_rule`, `permit`, `depends`.
    pub without_it: String,
    /// The terms, grouped as `|` groups them.
    pub terms: Vec<Vec<TermFound>>,
}

/// One term of a requirement and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermFound {
    /// `role:support`
    pub term: String,
    /// Whether it holds; `None` when nobody knows who the caller is.
    pub holds: Option<bool>,
    /// A sentence.
    pub says: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which way it goes.
    pub outcome: Outcome,
    /// The status of our own answer; `None` when the backend answers, or nobody knows.
    pub status: Option<u16>,
    /// The word of log and metric: `role_missing`, `ok`; `owned` where the gateway answers itself.
    pub reason: String,
    /// A sentence.
    pub says: String,
    /// Why, for a refusal that no term of a rule explains.
    pub because: Option<String>,
    /// What would let it pass.
    pub to_pass: Vec<String>,
}

/// Which way a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// To the backend.
    Permit,
    /// Back, with our refusal.
    Refuse,
    /// Back, with an answer of ours, whatever the rules say: to a preflight, or on an owned path.
    Answered,
    /// That depends on who the caller is, or on the tenant's names, which only the store knows.
    Unknown,
}

/// What the backend would receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// The backend's name in the file and its servers: `backend, http://127.0.0.1:9000`.
    pub to: String,
    /// Method and target as sent.
    pub request: String,
    /// Fields of the request that do not reach it, with the reason.
    pub removed: Vec<Removed>,
    /// Fields that are set, with their values.
    pub set: Vec<(String, String)>,
}

/// A field, or parameter, that does not reach the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}
