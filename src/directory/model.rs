//! What the directory knows, as it is kept: JSON documents that an operator can read. Values only.
//!
//! Every principal has a generation: tokens issued under another one are revoked. It begins at random,
//! so that a principal that was lost and made again revives no token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{passwords::PasswordHash, vault::Sealed};
use crate::principal::Named;

/// Free properties of an entity, as its owner wrote them.
pub type Properties = Map<String, Value>;

/// An organization, and its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Never changes.
    pub id: Uuid,
    /// In lower case; unique among organizations.
    pub name: String,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// An inactive organization's tokens are refused, and so are those of its applications.
    pub active: bool,
    /// Of its client's tokens.
    pub generation: u64,
    /// How often it was shut out: tokens of its users carry the number they were issued under, so that
    /// letting it in again revives none.
    #[serde(default)]
    pub era: u64,
    /// The secret of its client.
    pub client: Sealed,
    /// What its admins wrote.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// An application, and its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Application {
    /// Never changes.
    pub id: Uuid,
    /// In lower case; unique within its organization.
    pub name: String,
    /// Whose it is.
    pub organization: Named,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// An inactive application's tokens are refused.
    pub active: bool,
    /// Deleted, and can be restored: its name is free meanwhile.
    #[serde(default)]
    pub deleted: bool,
    /// Of its client's tokens.
    pub generation: u64,
    /// How often it was shut out: tokens of its users carry the number they were issued under, so that
    /// letting it in again revives none.
    #[serde(default)]
    pub era: u64,
    /// The secret of its client.
    pub client: Sealed,
    /// `accesstokenttl`, milliseconds: default and maximum for its users' tokens; 0 never expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ttl_ms: Option<i64>,
    /// What its admins wrote.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// Somebody who administers organizations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Admin {
    /// Never changes.
    pub id: Uuid,
    /// Unique among admins, without case, together with all e-mail addresses.
    pub username: String,
    /// For people.
    pub name: String,
    /// Unique like the username.
    pub email: String,
    /// Nobody logs in without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// When the password was set, milliseconds since the epoch.
    pub password_changed_ms: i64,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// Whether it may log in, and its tokens count.
    pub activated: bool,
    /// Shut out, until somebody enables it again.
    #[serde(default)]
    pub disabled: bool,
    /// Of its tokens.
    pub generation: u64,
    /// Where it is an admin, in the order it became one.
    pub organizations: Vec<Named>,
    /// What it wrote.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// A user of one application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Never changes.
    pub id: Uuid,
    /// Unique within the application, without case, together with all e-mail addresses.
    pub username: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Unique like the username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Nobody logs in without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// Whether it may log in, and its tokens count.
    pub activated: bool,
    /// When it was deactivated, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deactivated_ms: Option<i64>,
    /// Shut out, until somebody enables it again.
    #[serde(default)]
    pub disabled: bool,
    /// Of its tokens.
    pub generation: u64,
    /// Names of roles it holds itself, besides `default`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Groups it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Uuid>,
    /// What it may besides its roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// What was written about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// All roles and groups of one application: one document, so that what a request may is one reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleTable {
    /// By name, in lower case.
    pub roles: BTreeMap<String, Role>,
    /// By UUID.
    #[serde(default)]
    pub groups: BTreeMap<Uuid, Group>,
}

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Never changes.
    pub id: Uuid,
    /// For people.
    pub title: String,
    /// Kept for clients that set it, milliseconds; nothing follows from it.
    #[serde(default)]
    pub inactivity_ms: i64,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// In lower case, each once, in the order they were granted.
    pub permissions: Vec<String>,
}

/// Users that share roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name in paths; unique within the application, without case.
    pub path: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
    /// Names of roles that all its users hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Kept for clients that set them; nothing follows from them, as on the platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// What was written about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Properties,
}

/// The application that an organization's and an application's name lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantIds {
    /// The organization.
    pub organization: Uuid,
    /// The application.
    pub application: Uuid,
}

impl RoleTable {
    /// The group that `text` names, by UUID or path.
    #[must_use]
    pub fn group(&self, text: &str) -> Option<(Uuid, &Group)> {
        let found = match text.parse::<Uuid>() {
            Ok(id) => self.groups.get_key_value(&id),
            Err(_) => self.groups.iter().find(|(_, group)| group.path.eq_ignore_ascii_case(text)),
        };
        found.map(|(id, group)| (*id, group))
    }

    /// The role that `text` names, by UUID or name without case.
    #[must_use]
    pub fn role(&self, text: &str) -> Option<(&str, &Role)> {
        let found = match text.parse::<Uuid>() {
            Ok(id) => self.roles.iter().find(|(_, role)| role.id == id),
            Err(_) => self.roles.get_key_value(text.to_lowercase().as_str()),
        };
        found.map(|(name, role)| (name.as_str(), role))
    }
}

impl User {
    /// Names of the roles it holds: its own, and those of its groups.
    #[must_use]
    pub fn effective_roles(&self, table: &RoleTable) -> Vec<String> {
        let groups = self.groups.iter().filter_map(|id| table.groups.get(id));
        let all = self.roles.iter().chain(groups.flat_map(|group| &group.roles));
        let mut names: Vec<String> =
            all.filter(|name| table.roles.contains_key(*name)).cloned().collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Admin {
    /// Whether it is an admin of the organization.
    #[must_use]
    pub fn is_of(&self, organization: Uuid) -> bool {
        self.organizations.iter().any(|one| one.id == organization)
    }
}
