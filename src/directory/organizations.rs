//! Organizations: made with their owner and a sandbox application in one write.

use uuid::Uuid;

use super::{
    Directory, DirectoryError, Kind, NewAdmin, PAGE, keys,
    model::{Admin, Application, Organization, Properties},
    now_ms,
    vault::{ClientId, ClientKind},
};
use crate::{
    policy::tenant::SANDBOX, principal::Named, request::tenant_name::tenant_name,
    store::documents::Slot,
};

/// An organization to be made.
#[derive(Clone, Debug, Default)]
pub struct NewOrganization {
    /// Its name, in any case.
    pub name: String,
    /// The UUID that it had elsewhere: deployed clients know it by that. Otherwise a new one.
    pub id: Option<Uuid>,
    /// Its free properties.
    pub properties: Properties,
    /// Whether it gets a sandbox application.
    pub sandbox: bool,
}

/// What making an organization made.
#[derive(Clone, Debug)]
pub struct Created {
    /// The organization.
    pub organization: Organization,
    /// Its first admin.
    pub owner: Admin,
    /// Its sandbox.
    pub sandbox: Option<Application>,
}

/// Whose an organization is.
#[derive(Clone, Debug)]
pub enum Owner {
    /// Somebody who is made with it.
    New(NewAdmin),
    /// Somebody who is there.
    Known(Uuid),
}

impl Directory {
    /// Makes an organization, its sandbox, and its owner where that is somebody new.
    ///
    /// # Errors
    /// [`DirectoryError`]: then nothing exists that did not before.
    pub async fn create_organization(
        &self,
        new: NewOrganization,
        owner: Owner,
    ) -> Result<Created, DirectoryError> {
        let name = organization_name(&new.name)?;
        let prepared = match owner {
            Owner::New(admin) => Err(self.prepare_admin(admin).await?),
            Owner::Known(id) => Ok(id),
        };
        let now = now_ms();
        let id = self.id_or_new(new.id)?;
        let (client, generation) =
            self.new_client(ClientId { kind: ClientKind::Organization, id })?;
        let organization = Organization {
            id,
            name,
            created_ms: now,
            modified_ms: now,
            active: true,
            generation,
            era: 0,
            client,
            properties: new.properties,
        };
        let named = Named { id, name: organization.name.clone() };
        let sandbox = if new.sandbox {
            // Its slot first: unreachable until the directory's write below.
            Some(self.prepare_application(&named, SANDBOX, None).await?)
        } else {
            None
        };
        let taken = || DirectoryError::taken(Kind::Organization, "name", &organization.name);
        let owner = self
            .transact(Slot::Directory, async |tx| {
                let index = keys::organization_name(&organization.name);
                if tx.get::<Uuid>(&index).await?.is_some() {
                    return Err(taken());
                }
                let key = keys::organization(id);
                if tx.get::<Organization>(&key).await?.is_some() {
                    return Err(DirectoryError::taken(Kind::Organization, "uuid", id.to_string()));
                }
                let owner = match &prepared {
                    Err(admin) => {
                        let mut admin = admin.clone();
                        admin.organizations.push(named.clone());
                        Self::insert_admin(tx, &admin).await?;
                        admin
                    }
                    Ok(id) => Self::join(tx, *id, &named).await?.0,
                };
                tx.put(&index, &organization.id)?;
                tx.put(&key, &organization)?;
                tx.add(keys::ORGANIZATIONS, &organization.name);
                tx.add(keys::organization_admins(organization.id), owner.id.simple().to_string());
                if let Some(sandbox) = &sandbox {
                    let inserted = Self::insert_application(tx, sandbox).await;
                    // Made by whoever took the organization's name since it was looked for.
                    let made = |error: &DirectoryError| {
                        matches!(error, DirectoryError::Taken { kind: Kind::Application, .. })
                    };
                    inserted.map_err(|error| if made(&error) { taken() } else { error })?;
                }
                Ok(owner)
            })
            .await;
        if let Some(sandbox) = &sandbox {
            self.take_back_if_refused(&owner, sandbox.id).await;
        }
        let owner = owner?;
        Ok(Created { organization, owner, sandbox })
    }

    /// The organization that `text` names, by name or UUID.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn organization(&self, text: &str) -> Result<Option<Organization>, DirectoryError> {
        let id = match text.parse::<Uuid>() {
            Ok(id) => Some(id),
            Err(_) => self.read(&keys::organization_name(&text.to_lowercase())).await?,
        };
        let Some(id) = id else { return Ok(None) };
        Ok(self.read(&keys::organization(id)).await?)
    }

    /// Up to a page of organizations by name, those after `after`.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn organizations(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Organization>, DirectoryError> {
        let names = self
            .store
            .members(Slot::Directory, keys::ORGANIZATIONS, after, limit.min(PAGE))
            .await?;
        let indexes: Vec<_> = names.iter().map(|name| keys::organization_name(name)).collect();
        let ids: Vec<Uuid> = self.read_all(&indexes).await?;
        let documents: Vec<_> = ids.into_iter().map(keys::organization).collect();
        Ok(self.read_all(&documents).await?)
    }

    /// Changes an organization.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn change_organization(
        &self,
        id: Uuid,
        change: impl Fn(&mut Organization),
    ) -> Result<Organization, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            let key = keys::organization(id);
            let found: Option<Organization> = tx.get(&key).await?;
            let mut organization =
                found.ok_or_else(|| DirectoryError::missing(Kind::Organization, id.to_string()))?;
            change(&mut organization);
            organization.modified_ms = now_ms();
            tx.put(&key, &organization)?;
            Ok(organization)
        })
        .await
    }

    /// Lets an organization's principals in, or shuts them out. Shutting out ends the tokens of its
    /// client and of its applications' users and clients; admins may have other organizations, and
    /// keep theirs.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such organization, or the store cannot tell.
    pub async fn set_organization_active(
        &self,
        id: Uuid,
        active: bool,
    ) -> Result<Organization, DirectoryError> {
        self.change_organization(id, |organization| {
            if !active {
                organization.generation = super::next_generation(organization.generation);
                organization.era += 1;
            }
            organization.active = active;
        })
        .await
    }
}

/// A name as it is kept, or why it cannot be one.
fn organization_name(text: &str) -> Result<String, DirectoryError> {
    if text.trim().is_empty() {
        return Err(DirectoryError::Needed { kind: Kind::Organization, property: "name" });
    }
    tenant_name(text)
        .map_err(|why| DirectoryError::invalid(format!("organization `{text}`: {why}")))
}
