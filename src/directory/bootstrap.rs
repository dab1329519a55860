//! `[usergrid.bootstrap]`: a first tenant and its admin, made once for a store and never changed again.

use super::{
    Directory, DirectoryError, NewAdmin, NewOrganization, keys,
    model::{Admin, Organization},
    now_ms,
    organizations::Owner,
    passwords::Verified,
};
use crate::{config::Bootstrap, principal::Named, store::documents::Slot};

impl Directory {
    /// Makes what `wanted` names, unless this store has been bootstrapped before. Each step that was
    /// made before is passed over, so that one that was interrupted is finished. Whether it was now.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell, or something wanted cannot be.
    pub async fn bootstrap(&self, wanted: &Bootstrap) -> Result<bool, DirectoryError> {
        let marker = keys::bootstrapped();
        if self.read::<i64>(&marker).await?.is_some() {
            return Ok(false);
        }
        let organization = match self.organization(&wanted.organization).await? {
            Some(organization) => self.own(wanted, organization).await?,
            None => self.first_organization(wanted).await?,
        };
        let named = Named { id: organization.id, name: organization.name };
        if let Some(application) = &wanted.application {
            match self.create_application(&named, application).await {
                Ok(_) | Err(DirectoryError::Taken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.transact(Slot::Directory, async |tx| Ok(tx.put(&marker, &now_ms())?)).await?;
        Ok(true)
    }

    async fn first_organization(&self, wanted: &Bootstrap) -> Result<Organization, DirectoryError> {
        let owner = match self.admin(&wanted.username).await? {
            Some(admin) => Owner::Known(self.same(wanted, admin).await?.id),
            None => Owner::New(NewAdmin {
                username: Some(wanted.username.clone()),
                name: wanted.name.clone(),
                email: wanted.email.clone(),
                password: Some(wanted.password.clone()),
                ..NewAdmin::default()
            }),
        };
        let new = NewOrganization {
            name: wanted.organization.clone(),
            sandbox: true,
            ..NewOrganization::default()
        };
        match self.create_organization(new, owner).await {
            Ok(created) => Ok(created.organization),
            // Another gateway that starts now was a moment earlier.
            Err(error @ DirectoryError::Taken { .. }) => {
                let organization = self.organization(&wanted.organization).await?.ok_or(error)?;
                self.own(wanted, organization).await
            }
            Err(error) => Err(error),
        }
    }

    /// An organization that is there already, if it is that of the admin who is wanted: where anybody
    /// may register, the name alone says nothing.
    async fn own(
        &self,
        wanted: &Bootstrap,
        organization: Organization,
    ) -> Result<Organization, DirectoryError> {
        let admin = match self.admin(&wanted.username).await? {
            Some(admin) => self.same(wanted, admin).await?,
            None => return Err(not_ours("organization", &wanted.organization)),
        };
        if admin.is_of(organization.id) {
            return Ok(organization);
        }
        Err(not_ours("organization", &wanted.organization))
    }

    /// An admin who is there already, if it has the address and the password that are wanted.
    async fn same(&self, wanted: &Bootstrap, admin: Admin) -> Result<Admin, DirectoryError> {
        let verified = self.passwords.verify(&wanted.password, admin.password.as_ref()).await?;
        let same = admin.email.eq_ignore_ascii_case(&wanted.email)
            && matches!(verified, Verified::Right { .. });
        if same { Ok(admin) } else { Err(not_ours("admin", &wanted.username)) }
    }
}

fn not_ours(kind: &str, name: &str) -> DirectoryError {
    DirectoryError::invalid(format!(
        "the {kind} `{name}` is there already, and is not the one that is wanted: choose another name, \
         or remove the section"
    ))
}
