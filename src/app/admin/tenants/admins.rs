//! Admins, and where they belong.

use serde_json::Value;

use super::{
    Office, PAGE, named,
    view::{AdminView, Page},
    wire::AdminJob,
};
use crate::app::admin::{
    desk::to_value,
    wire::{Complaint, Kind},
};

impl Office {
    pub(super) async fn admin(&self, job: &AdminJob) -> Result<Value, Complaint> {
        let directory = &self.directory;
        let changed = match job {
            AdminJob::Create { person, org } => {
                let organization = match org {
                    Some(org) => Some(named(&self.find_organization(org).await?)),
                    None => None,
                };
                directory.create_admin(person.into(), organization.as_ref()).await?
            }
            AdminJob::List { org, after } => {
                return self.list_admins(org.as_deref(), after.as_deref()).await;
            }
            AdminJob::Show { admin } => self.find_admin(admin).await?,
            AdminJob::Member { admin, org, member } => {
                let found = self.find_admin(admin).await?;
                let organization = self.find_organization(org).await?;
                if *member {
                    directory.add_admin(found.id, &named(&organization)).await?
                } else if found.is_of(organization.id) {
                    directory.remove_admin(found.id, &named(&organization)).await?
                } else {
                    let message = format!("`{admin}` is no admin of `{org}`");
                    return Err(Complaint::new(Kind::BadInput, message)
                        .help(format!("`tollgate org show {org}` names its admins")));
                }
            }
            AdminJob::Password { admin, password } => {
                let id = self.find_admin(admin).await?.id;
                directory.set_admin_password(id, &password.into()).await?
            }
            AdminJob::Disabled { admin, disabled } => {
                let id = self.find_admin(admin).await?.id;
                directory.set_admin_disabled(id, *disabled).await?
            }
            AdminJob::Revoke { admin } => {
                let id = self.find_admin(admin).await?.id;
                directory.revoke_admin_tokens(id).await?
            }
        };
        to_value(&AdminView::from(&changed))
    }

    async fn list_admins(
        &self,
        org: Option<&str>,
        after: Option<&str>,
    ) -> Result<Value, Complaint> {
        let (found, next) = match org {
            Some(org) => {
                let id = self.find_organization(org).await?.id;
                (self.directory.organization_admins(id).await?, None)
            }
            None => {
                let found = self.directory.admins(after, PAGE).await?;
                let full = found.len() == PAGE;
                let next = found.last().filter(|_| full).map(|last| last.username.to_lowercase());
                (found, next)
            }
        };
        to_value(&Page { items: found.iter().map(AdminView::from).collect(), next })
    }
}
