//! What is told of organizations and all that belongs to them. No password, hash or secret, but where a
//! client's credentials are what was asked for.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    directory::{
        ClientSecret,
        model::{Admin, Application, Organization, Role, User},
        vault::{ClientId, ClientKind},
    },
    telemetry::instant::rfc3339,
};

/// A part of a list, and where the next begins.
#[derive(Serialize, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// `after` of the next question; `None` when this was the last.
    pub(crate) next: Option<String>,
}

/// An organization.
#[derive(Serialize, Deserialize)]
pub(crate) struct OrgView {
    pub(crate) name: String,
    pub(crate) uuid: Uuid,
    /// `active`, or `disabled`.
    pub(crate) state: String,
    pub(crate) client_id: String,
    pub(crate) created: String,
    /// Only where one organization was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) applications: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) admins: Vec<String>,
}

/// An application.
#[derive(Serialize, Deserialize)]
pub(crate) struct AppView {
    /// `acme/shop`
    pub(crate) name: String,
    pub(crate) uuid: Uuid,
    /// `active`, `disabled` or `deleted`.
    pub(crate) state: String,
    /// `30m`, `never`, or `default`.
    pub(crate) token_ttl: String,
    pub(crate) client_id: String,
    pub(crate) created: String,
    /// Only where one application was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) users: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
}

/// An admin.
#[derive(Serialize, Deserialize)]
pub(crate) struct AdminView {
    pub(crate) username: String,
    pub(crate) uuid: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    /// `active`, `disabled` or `not activated`.
    pub(crate) state: String,
    /// `set`, or `none`: then nobody logs in.
    pub(crate) password: String,
    pub(crate) organizations: Vec<String>,
    pub(crate) created: String,
}

/// A user.
#[derive(Serialize, Deserialize)]
pub(crate) struct UserView {
    pub(crate) username: String,
    pub(crate) uuid: Uuid,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    /// `active`, `disabled` or `not activated`.
    pub(crate) state: String,
    /// `set`, or `none`: then nobody logs in.
    pub(crate) password: String,
    /// Its own, besides `default`.
    pub(crate) roles: Vec<String>,
    /// Its own, besides those of its roles; not in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) permissions: Vec<String>,
    pub(crate) created: String,
}

/// A role.
#[derive(Serialize, Deserialize)]
pub(crate) struct RoleView {
    pub(crate) name: String,
    pub(crate) uuid: Uuid,
    pub(crate) title: String,
    pub(crate) permissions: Vec<String>,
}

/// A client's id and secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct ClientView {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// What a change left: all permissions of the holder.
#[derive(Serialize, Deserialize)]
pub(crate) struct PermissionsView {
    pub(crate) permissions: Vec<String>,
}

impl From<&Organization> for OrgView {
    fn from(of: &Organization) -> Self {
        Self {
            name: of.name.clone(),
            uuid: of.id,
            state: if of.active { "active" } else { "disabled" }.to_owned(),
            client_id: ClientId { kind: ClientKind::Organization, id: of.id }.to_string(),
            created: rfc3339(of.created_ms),
            applications: Vec::new(),
            admins: Vec::new(),
        }
    }
}

impl From<&Application> for AppView {
    fn from(of: &Application) -> Self {
        let state = match (of.deleted, of.active) {
            (true, _) => "deleted",
            (false, true) => "active",
            (false, false) => "disabled",
        };
        Self {
            name: format!("{}/{}", of.organization.name, of.name),
            uuid: of.id,
            state: state.to_owned(),
            token_ttl: super::apps::show_ttl(of.token_ttl_ms),
            client_id: ClientId { kind: ClientKind::Application, id: of.id }.to_string(),
            created: rfc3339(of.created_ms),
            users: None,
            roles: Vec::new(),
        }
    }
}

impl From<&Admin> for AdminView {
    fn from(of: &Admin) -> Self {
        Self {
            username: of.username.clone(),
            uuid: of.id,
            email: of.email.clone(),
            name: of.name.clone(),
            state: state(of.activated, of.disabled),
            password: password(of.password.is_some()),
            organizations: of.organizations.iter().map(|named| named.name.clone()).collect(),
            created: rfc3339(of.created_ms),
        }
    }
}

impl From<&User> for UserView {
    fn from(of: &User) -> Self {
        Self {
            username: of.username.clone(),
            uuid: of.id,
            email: of.email.clone(),
            name: of.name.clone(),
            state: state(of.activated, of.disabled),
            password: password(of.password.is_some()),
            roles: of.roles.clone(),
            permissions: of.permissions.clone(),
            created: rfc3339(of.created_ms),
        }
    }
}

impl RoleView {
    pub(super) fn of(name: &str, role: &Role) -> Self {
        Self {
            name: name.to_owned(),
            uuid: role.id,
            title: role.title.clone(),
            permissions: role.permissions.clone(),
        }
    }
}

impl From<&ClientSecret> for ClientView {
    fn from(of: &ClientSecret) -> Self {
        Self { client_id: of.id.to_string(), client_secret: of.secret.expose().to_owned() }
    }
}

fn state(activated: bool, disabled: bool) -> String {
    match (activated, disabled) {
        (_, true) => "disabled",
        (false, false) => "not activated",
        (true, false) => "active",
    }
    .to_owned()
}

fn password(is_set: bool) -> String {
    if is_set { "set" } else { "none" }.to_owned()
}
