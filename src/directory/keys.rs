//! Under which names documents and sets are kept.

use uuid::Uuid;

use crate::store::documents::{DocumentKey, Slot};

pub(crate) fn organization(id: Uuid) -> DocumentKey {
    dir(format!("org:{}", id.simple()))
}

/// Leads to the organization's UUID.
pub(crate) fn organization_name(name: &str) -> DocumentKey {
    dir(format!("org-name:{name}"))
}

pub(crate) fn application(id: Uuid) -> DocumentKey {
    dir(format!("app:{}", id.simple()))
}

/// Leads to [`TenantIds`](super::model::TenantIds).
pub(crate) fn tenant(organization: &str, application: &str) -> DocumentKey {
    dir(format!("tenant:{organization}/{application}"))
}

pub(crate) fn admin(id: Uuid) -> DocumentKey {
    dir(format!("admin:{}", id.simple()))
}

/// Leads from a username or e-mail address, in lower case, to an admin's UUID.
pub(crate) fn admin_index(text: &str) -> DocumentKey {
    dir(format!("admin-index:{}", text.to_lowercase()))
}

pub(crate) fn user(application: Uuid, id: Uuid) -> DocumentKey {
    app(application, format!("user:{}", id.simple()))
}

/// Leads from a username or e-mail address, in lower case, to a user's UUID.
pub(crate) fn user_index(application: Uuid, text: &str) -> DocumentKey {
    app(application, format!("user-index:{}", text.to_lowercase()))
}

pub(crate) fn role_table(application: Uuid) -> DocumentKey {
    app(application, ROLES.to_owned())
}

/// The name of the table of roles and groups.
pub(crate) const ROLES: &str = "roles";

/// When the store was bootstrapped, milliseconds since the epoch.
pub(crate) fn bootstrapped() -> DocumentKey {
    dir("bootstrapped".to_owned())
}

/// Names of all organizations.
pub(crate) const ORGANIZATIONS: &str = "orgs";

/// Usernames of all admins, in lower case.
pub(crate) const ADMINS: &str = "admins";

/// Users of an application: see [`user_member`].
pub(crate) const USERS: &str = "users";

/// UUIDs of an organization's applications, those that are deleted as well.
pub(crate) fn organization_applications(id: Uuid) -> String {
    format!("org-apps:{}", id.simple())
}

/// UUIDs of an organization's admins.
pub(crate) fn organization_admins(id: Uuid) -> String {
    format!("org-admins:{}", id.simple())
}

/// Users that hold a role themselves.
pub(crate) fn role_users(role: &str) -> String {
    format!("role-users:{role}")
}

/// Users in a group.
pub(crate) fn group_users(id: Uuid) -> String {
    format!("group-users:{}", id.simple())
}

/// A user in a set: ordered by when it was created.
pub(crate) fn user_member(created_ms: i64, id: Uuid) -> String {
    format!("{created_ms:013}-{}", id.simple())
}

/// The user whom a member of a set is.
pub(crate) fn member_user(member: &str) -> Option<Uuid> {
    member.split_once('-').map_or(member, |(_, id)| id).parse().ok()
}

fn dir(name: String) -> DocumentKey {
    DocumentKey { slot: Slot::Directory, name }
}

fn app(id: Uuid, name: String) -> DocumentKey {
    DocumentKey { slot: Slot::Application(id), name }
}
