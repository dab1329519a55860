//! The directory in the operator's hands: every job of `tollgate org|app|admin|user|role|client` by
//! the same operations that the endpoints call.
//!
//! Whoever may ask here may do anything; what is not there is named with the command that makes it.

mod admins;
mod apps;
mod clients;
mod names;
mod orgs;
mod roles;
mod tokens;
mod users;
pub(crate) mod view;
pub(crate) mod wire;

use std::time::SystemTime;

use serde_json::Value;

use self::wire::{DirectoryJob, TenantRef};
use super::{
    desk::Desk,
    wire::{Complaint, Kind},
};
use crate::{
    directory::{
        self, Directory, DirectoryError,
        model::{Admin, Application, Organization, User},
    },
    principal::Named,
};

/// Longest list that is told at once.
const PAGE: usize = 500;

impl Desk {
    /// Does a job in the directory, and gives its answer as it crosses the wire.
    pub(super) async fn direct(
        &self,
        job: &DirectoryJob,
        now: SystemTime,
    ) -> Result<Value, Complaint> {
        let office = Office { directory: self.directory()? };
        match job {
            DirectoryJob::Org(job) => office.org(job).await,
            DirectoryJob::App(job) => office.app(job).await,
            DirectoryJob::Admin(job) => office.admin(job).await,
            DirectoryJob::User(job) => office.user(job).await,
            DirectoryJob::Role(job) => office.role(job).await,
            DirectoryJob::Client(job) => office.client(job).await,
            DirectoryJob::Token(order) => {
                super::desk::to_value(&self.issue_to(&office, order, now).await?)
            }
        }
    }

    /// The directory, which only a gateway with tenants has.
    pub(super) fn directory(&self) -> Result<Directory, Complaint> {
        let origin = self.generation.directory.as_ref().ok_or_else(|| {
            let message = "this gateway has no tenants".to_owned();
            Complaint::new(Kind::NoTenants, message)
                .help("add `[usergrid]` to its configuration; docs/usergrid.md says what it brings")
        })?;
        Ok(origin.attach(self.store.clone()))
    }
}

/// The directory, asked by an operator.
struct Office {
    directory: Directory,
}

impl Office {
    async fn find_organization(&self, text: &str) -> Result<Organization, Complaint> {
        self.directory.organization(text).await?.ok_or_else(|| {
            missing(directory::Kind::Organization, text).help(format!(
                "`tollgate org list` shows all; `tollgate org create {text} --owner-username NAME \
                 --owner-email ADDRESS` makes it"
            ))
        })
    }

    async fn find_application(&self, app: &TenantRef) -> Result<Application, Complaint> {
        let organization = self.find_organization(&app.organization).await?;
        let found = self.directory.application(&named(&organization), &app.application).await?;
        found.ok_or_else(|| {
            missing(directory::Kind::Application, &app.to_string()).help(format!(
                "`tollgate app list {}` shows all; `tollgate app create {app}` makes it",
                app.organization
            ))
        })
    }

    async fn find_admin(&self, text: &str) -> Result<Admin, Complaint> {
        self.directory.admin(text).await?.ok_or_else(|| {
            missing(directory::Kind::Admin, text).help(format!(
                "`tollgate admin list` shows all; `tollgate admin create --username {text} --email \
                 ADDRESS` makes one"
            ))
        })
    }

    async fn find_user(
        &self,
        app: &TenantRef,
        text: &str,
    ) -> Result<(Application, User), Complaint> {
        let application = self.find_application(app).await?;
        let found = self.directory.user(application.id, text).await?;
        let user = found.ok_or_else(|| {
            missing(directory::Kind::User, text).help(format!(
                "`tollgate user list {app}` shows all; `tollgate user create {app} {text}` makes one"
            ))
        })?;
        Ok((application, user))
    }

    /// The name under which the application keeps this role.
    async fn find_role(
        &self,
        app: &TenantRef,
        application: &Application,
        text: &str,
    ) -> Result<String, Complaint> {
        let table = self.directory.role_table(application.id).await?;
        let found = table.role(text).map(|(name, _)| name.to_owned());
        found.ok_or_else(|| {
            missing(directory::Kind::Role, text).help(format!(
                "`tollgate role list {app}` shows all; `tollgate role create {app} {text}` makes it"
            ))
        })
    }
}

fn named(organization: &Organization) -> Named {
    Named { id: organization.id, name: organization.name.clone() }
}

fn missing(kind: directory::Kind, name: &str) -> Complaint {
    DirectoryError::missing(kind, name).into()
}

impl From<DirectoryError> for Complaint {
    fn from(error: DirectoryError) -> Self {
        let kind = match &error {
            DirectoryError::Store(_)
            | DirectoryError::Busy(_)
            | DirectoryError::TooManyTries { .. }
            | DirectoryError::Contended => Kind::Unavailable,
            DirectoryError::Random(_) => Kind::Fault,
            DirectoryError::Vault(_)
            | DirectoryError::Missing { .. }
            | DirectoryError::Taken { .. }
            | DirectoryError::Invalid { .. }
            | DirectoryError::Needed { .. }
            | DirectoryError::WeakPassword(_)
            | DirectoryError::LastAdmin => Kind::BadInput,
        };
        let complaint = Self::new(kind, error.to_string());
        match error {
            DirectoryError::Vault(_) => complaint.help("`tollgate keygen` makes a secret"),
            DirectoryError::LastAdmin => complaint.help("`tollgate admin add` another one before"),
            DirectoryError::Contended => complaint.help("nothing was changed"),
            DirectoryError::Store(_)
            | DirectoryError::Busy(_)
            | DirectoryError::TooManyTries { .. }
            | DirectoryError::Random(_)
            | DirectoryError::Missing { .. }
            | DirectoryError::Taken { .. }
            | DirectoryError::Invalid { .. }
            | DirectoryError::Needed { .. }
            | DirectoryError::WeakPassword(_) => complaint,
        }
    }
}
