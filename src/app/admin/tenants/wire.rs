//! What crosses the admin listener about organizations and all that belongs to them, as both of its
//! ends write it. Secrets stand in bodies only, and in no `Debug` line.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use super::names::{ClientRef, TenantRef};
use crate::secret::Secret;

/// One thing to do in the directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DirectoryJob {
    Org(OrgJob),
    App(AppJob),
    Admin(AdminJob),
    User(UserJob),
    Role(RoleJob),
    Client(ClientJob),
    /// A token of somebody whom the directory knows.
    Token(TenantOrder),
}

/// About organizations.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OrgJob {
    Create {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uuid: Option<Uuid>,
        owner: OwnerIs,
    },
    List {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    Show {
        org: String,
    },
    Active {
        org: String,
        active: bool,
    },
}

/// Whose a new organization is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OwnerIs {
    /// An admin who is there.
    Known(String),
    /// One who is made with it.
    New(Person),
}

/// An admin to be made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Hidden>,
}

/// About applications.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum AppJob {
    Create {
        app: TenantRef,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uuid: Option<Uuid>,
    },
    List {
        org: String,
        /// Those that can be restored instead.
        #[serde(default)]
        deleted: bool,
    },
    Show {
        app: TenantRef,
    },
    Set {
        app: TenantRef,
        /// `30m`, `never`, `default`.
        token_ttl: String,
    },
    Active {
        app: TenantRef,
        active: bool,
    },
    Delete {
        app: TenantRef,
    },
    Restore {
        org: String,
        uuid: Uuid,
    },
}

/// About admins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum AdminJob {
    Create {
        person: Person,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        org: Option<String>,
    },
    List {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        org: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    Show {
        admin: String,
    },
    /// Makes it belong to the organization, or ends that.
    Member {
        admin: String,
        org: String,
        member: bool,
    },
    Password {
        admin: String,
        password: Hidden,
    },
    Disabled {
        admin: String,
        disabled: bool,
    },
    Revoke {
        admin: String,
    },
}

/// About users of an application.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum UserJob {
    Create {
        app: TenantRef,
        username: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Hidden>,
    },
    List {
        app: TenantRef,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    Show {
        app: TenantRef,
        user: String,
    },
    Delete {
        app: TenantRef,
        user: String,
    },
    Password {
        app: TenantRef,
        user: String,
        password: Hidden,
    },
    Activated {
        app: TenantRef,
        user: String,
        activated: bool,
    },
    Disabled {
        app: TenantRef,
        user: String,
        disabled: bool,
    },
    Revoke {
        app: TenantRef,
        user: String,
    },
    Role {
        app: TenantRef,
        user: String,
        role: String,
        held: bool,
    },
    Permission {
        app: TenantRef,
        user: String,
        permission: String,
        granted: bool,
    },
}

/// About roles of an application.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum RoleJob {
    List {
        app: TenantRef,
    },
    Create {
        app: TenantRef,
        role: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    Delete {
        app: TenantRef,
        role: String,
    },
    Permission {
        app: TenantRef,
        role: String,
        permission: String,
        granted: bool,
    },
}

/// About clients of organizations and applications.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ClientJob {
    Show {
        of: ClientRef,
    },
    /// A new secret; `revoke` also ends its tokens.
    Rotate {
        of: ClientRef,
        #[serde(default)]
        revoke: bool,
    },
    /// The id and secret that it had elsewhere.
    Import {
        of: ClientRef,
        id: String,
        secret: Hidden,
    },
    Revoke {
        of: ClientRef,
    },
}

/// A token to be made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantOrder {
    pub(crate) to: HolderRef,
    /// `1h`, `never`; without it what a login would give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<String>,
}

/// Whose a token will be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum HolderRef {
    User { app: TenantRef, user: String },
    Admin(String),
    Client(ClientRef),
}

impl DirectoryJob {
    /// Whether it only reads.
    pub(crate) fn only_reads(&self) -> bool {
        match self {
            Self::Org(job) => matches!(job, OrgJob::List { .. } | OrgJob::Show { .. }),
            Self::App(job) => matches!(job, AppJob::List { .. } | AppJob::Show { .. }),
            Self::Admin(job) => matches!(job, AdminJob::List { .. } | AdminJob::Show { .. }),
            Self::User(job) => matches!(job, UserJob::List { .. } | UserJob::Show { .. }),
            Self::Role(job) => matches!(job, RoleJob::List { .. }),
            Self::Client(job) => matches!(job, ClientJob::Show { .. }),
            Self::Token(_) => true, // a new token is known nowhere yet
        }
    }
}

/// Text that no log shows: a password, or a client's secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(***)")
    }
}

impl From<&Secret> for Hidden {
    fn from(secret: &Secret) -> Self {
        Self(secret.expose().to_owned())
    }
}

impl From<&Hidden> for Secret {
    fn from(hidden: &Hidden) -> Self {
        Self::new(hidden.0.as_str())
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
