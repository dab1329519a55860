//! Organizations.

use serde_json::Value;

use super::{
    Office, PAGE,
    view::{OrgView, Page},
    wire::{OrgJob, OwnerIs, Person},
};
use crate::{
    app::admin::{desk::to_value, wire::Complaint},
    directory::{NewAdmin, NewOrganization, organizations::Owner},
};

impl Office {
    pub(super) async fn org(&self, job: &OrgJob) -> Result<Value, Complaint> {
        match job {
            OrgJob::Create { name, uuid, owner } => {
                let owner = match owner {
                    OwnerIs::Known(admin) => Owner::Known(self.find_admin(admin).await?.id),
                    OwnerIs::New(person) => Owner::New(person.into()),
                };
                let new = NewOrganization {
                    name: name.clone(),
                    id: *uuid,
                    sandbox: true,
                    ..NewOrganization::default()
                };
                let created = self.directory.create_organization(new, owner).await?;
                let mut view = OrgView::from(&created.organization);
                view.admins.push(created.owner.username);
                view.applications.extend(created.sandbox.map(|sandbox| sandbox.name));
                to_value(&view)
            }
            OrgJob::List { after } => {
                let found = self.directory.organizations(after.as_deref(), PAGE).await?;
                let full = found.len() == PAGE;
                let next = found.last().filter(|_| full).map(|last| last.name.clone());
                to_value(&Page { items: found.iter().map(OrgView::from).collect(), next })
            }
            OrgJob::Show { org } => {
                let organization = self.find_organization(org).await?;
                let applications = self.directory.applications(organization.id).await?;
                let admins = self.directory.organization_admins(organization.id).await?;
                let mut view = OrgView::from(&organization);
                view.applications = applications.into_iter().map(|it| it.name).collect();
                view.admins = admins.into_iter().map(|it| it.username).collect();
                to_value(&view)
            }
            OrgJob::Active { org, active } => {
                let id = self.find_organization(org).await?.id;
                let changed = self.directory.set_organization_active(id, *active).await?;
                to_value(&OrgView::from(&changed))
            }
        }
    }
}

impl From<&Person> for NewAdmin {
    fn from(person: &Person) -> Self {
        Self {
            username: person.username.clone(),
            name: person.name.clone(),
            email: person.email.clone(),
            password: person.password.as_ref().map(Into::into),
            ..Self::default()
        }
    }
}
