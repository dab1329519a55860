//! Admins: they belong to organizations, and their names and addresses are unique among all of them.

use uuid::Uuid;

use super::{
    Directory, DirectoryError, Kind, PAGE, first_generation, keys,
    model::{Admin, Organization, Properties},
    names, next_generation, now_ms, passwords,
    transaction::Transaction,
    users::merge,
};
use crate::{principal::Named, secret::Secret, store::documents::Slot};

/// An admin to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAdmin {
    /// Without one, the address.
    pub username: Option<String>,
    /// Without one, the address.
    pub name: Option<String>,
    /// Needed.
    pub email: String,
    /// Without one, nobody logs in until one is set.
    pub password: Option<Secret>,
    /// Free properties.
    pub properties: Properties,
}

/// What is written about an admin; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default)]
pub struct AdminChange {
    /// Another username.
    pub username: Option<String>,
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub email: Option<String>,
    /// Free properties; `null` removes one.
    pub properties: Properties,
}

impl Directory {
    /// Makes an admin who belongs to no organization, or to `organization`.
    ///
    /// # Errors
    /// [`DirectoryError`]: then nobody was made.
    pub async fn create_admin(
        &self,
        new: NewAdmin,
        organization: Option<&Named>,
    ) -> Result<Admin, DirectoryError> {
        let mut admin = self.prepare_admin(new).await?;
        admin.organizations.extend(organization.cloned());
        self.transact(Slot::Directory, async |tx| {
            if let Some(organization) = organization {
                must_exist(tx, organization).await?;
                let set = keys::organization_admins(organization.id);
                tx.add(set, admin.id.simple().to_string());
            }
            Self::insert_admin(tx, &admin).await
        })
        .await?;
        Ok(admin)
    }

    /// An admin that is checked, and whose password is hashed, and who is not there yet.
    pub(super) async fn prepare_admin(&self, new: NewAdmin) -> Result<Admin, DirectoryError> {
        if new.email.trim().is_empty() {
            return Err(DirectoryError::Needed { kind: Kind::Admin, property: "email" });
        }
        names::check_email(&new.email)?;
        let username = new.username.filter(|name| !name.trim().is_empty());
        let username = username.unwrap_or_else(|| new.email.clone());
        names::check_username(Kind::Admin, &username, Some(&new.email))?;
        let password = match &new.password {
            Some(password) => Some(self.hashed(password).await?),
            None => None,
        };
        let now = now_ms();
        Ok(Admin {
            id: self.new_id(),
            name: new.name.unwrap_or_else(|| new.email.clone()),
            username,
            email: new.email,
            password,
            password_changed_ms: now,
            created_ms: now,
            modified_ms: now,
            activated: true,
            disabled: false,
            generation: first_generation()?,
            organizations: Vec::new(),
            properties: new.properties,
        })
    }

    /// The hash of a password that the policy takes.
    pub(super) async fn hashed(
        &self,
        password: &Secret,
    ) -> Result<passwords::PasswordHash, DirectoryError> {
        passwords::policy(password.expose())
            .map_err(|weak| DirectoryError::WeakPassword(weak.to_string()))?;
        Ok(self.passwords.hash(password).await?)
    }

    /// Writes a new admin, unless somebody has the name or the address.
    pub(super) async fn insert_admin(
        tx: &mut Transaction<'_>,
        admin: &Admin,
    ) -> Result<(), DirectoryError> {
        for (property, text) in [("username", &admin.username), ("email", &admin.email)] {
            let index = keys::admin_index(text);
            if tx.get::<Uuid>(&index).await?.is_some() {
                return Err(DirectoryError::taken(Kind::Admin, property, text));
            }
            tx.put(&index, &admin.id)?;
        }
        tx.add(keys::ADMINS, admin.username.to_lowercase());
        tx.put(&keys::admin(admin.id), admin)
    }

    /// Makes the admin `id` belong to `organization`; whether it had not before.
    pub(super) async fn join(
        tx: &mut Transaction<'_>,
        id: Uuid,
        organization: &Named,
    ) -> Result<(Admin, bool), DirectoryError> {
        let mut admin = existing(tx, id).await?;
        if admin.is_of(organization.id) {
            return Ok((admin, false));
        }
        admin.organizations.push(organization.clone());
        tx.put(&keys::admin(id), &admin)?;
        Ok((admin, true))
    }

    /// The admin that `text` names, by username, address or UUID.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn admin(&self, text: &str) -> Result<Option<Admin>, DirectoryError> {
        let id = match text.parse::<Uuid>() {
            Ok(id) => Some(id),
            Err(_) => self.read(&keys::admin_index(text)).await?,
        };
        let Some(id) = id else { return Ok(None) };
        Ok(self.read(&keys::admin(id)).await?)
    }

    /// Up to a page of admins by username, those after `after` (in lower case).
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn admins(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Admin>, DirectoryError> {
        let names =
            self.store.members(Slot::Directory, keys::ADMINS, after, limit.min(PAGE)).await?;
        let indexes: Vec<_> = names.iter().map(|name| keys::admin_index(name)).collect();
        let ids: Vec<Uuid> = self.read_all(&indexes).await?;
        let documents: Vec<_> = ids.into_iter().map(keys::admin).collect();
        Ok(self.read_all(&documents).await?)
    }

    /// The organization's admins, oldest first.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn organization_admins(&self, id: Uuid) -> Result<Vec<Admin>, DirectoryError> {
        let set = keys::organization_admins(id);
        let members = self.store.members(Slot::Directory, &set, None, PAGE).await?;
        let ids = members.iter().filter_map(|member| member.parse().ok());
        let documents: Vec<_> = ids.map(keys::admin).collect();
        let mut found: Vec<Admin> = self.read_all(&documents).await?;
        found.sort_by_key(|admin| (admin.created_ms, admin.id));
        Ok(found)
    }

    /// Makes an admin belong to the organization. Belonging twice changes nothing.
    ///
    /// # Errors
    /// [`DirectoryError`] when either is not there, or the store cannot tell.
    pub async fn add_admin(&self, id: Uuid, organization: &Named) -> Result<Admin, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            must_exist(tx, organization).await?;
            let (admin, joined) = Self::join(tx, id, organization).await?;
            if joined {
                let set = keys::organization_admins(organization.id);
                tx.add(set, id.simple().to_string());
            }
            Ok(admin)
        })
        .await
    }

    /// Ends an admin's belonging to the organization, which keeps at least one.
    ///
    /// # Errors
    /// [`DirectoryError::LastAdmin`], or that it does not belong, or that the store cannot tell.
    pub async fn remove_admin(
        &self,
        id: Uuid,
        organization: &Named,
    ) -> Result<Admin, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            // Written as it is: of two who leave at once, one finds it changed, and counts again.
            let key = keys::organization(organization.id);
            let found: Option<Organization> = tx.get(&key).await?;
            let mut document = found
                .ok_or_else(|| DirectoryError::missing(Kind::Organization, &organization.name))?;
            let mut admin = existing(tx, id).await?;
            if !admin.is_of(organization.id) {
                return Err(DirectoryError::missing(Kind::Admin, id.to_string()));
            }
            let set = keys::organization_admins(organization.id);
            if self.store.count_members(Slot::Directory, &set).await? < 2 {
                return Err(DirectoryError::LastAdmin);
            }
            document.modified_ms = now_ms().max(document.modified_ms + 1);
            tx.put(&key, &document)?;
            admin.organizations.retain(|one| one.id != organization.id);
            tx.put(&keys::admin(id), &admin)?;
            tx.remove(set, id.simple().to_string());
            Ok(admin)
        })
        .await
    }

    /// Changes an admin.
    pub(super) async fn change_admin(
        &self,
        id: Uuid,
        change: impl Fn(&mut Admin),
    ) -> Result<Admin, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            let mut admin = existing(tx, id).await?;
            change(&mut admin);
            admin.modified_ms = now_ms();
            tx.put(&keys::admin(id), &admin)?;
            Ok(admin)
        })
        .await
    }

    /// Writes what is said of an admin; names and addresses stay unique.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn update_admin(
        &self,
        id: Uuid,
        change: &AdminChange,
    ) -> Result<Admin, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            let mut admin = existing(tx, id).await?;
            let old = [admin.username.clone(), admin.email.clone()];
            admin.username = change.username.clone().unwrap_or(admin.username);
            admin.email = change.email.clone().unwrap_or(admin.email);
            admin.name = change.name.clone().unwrap_or(admin.name);
            names::check_email(&admin.email)?;
            names::check_username(Kind::Admin, &admin.username, Some(&admin.email))?;
            let new = [("username", admin.username.clone()), ("email", admin.email.clone())];
            for text in &old {
                tx.delete(&keys::admin_index(text));
            }
            tx.remove(keys::ADMINS, old[0].to_lowercase());
            for (property, text) in &new {
                let index = keys::admin_index(text);
                if tx.get::<Uuid>(&index).await?.is_some_and(|owner| owner != id) {
                    return Err(DirectoryError::taken(Kind::Admin, property, text));
                }
                tx.put(&index, &id)?;
            }
            tx.add(keys::ADMINS, admin.username.to_lowercase());
            merge(&mut admin.properties, &change.properties);
            admin.modified_ms = now_ms();
            tx.put(&keys::admin(id), &admin)?;
            Ok(admin)
        })
        .await
    }

    /// Sets an admin's password. Tokens live on, as on the platform.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn set_admin_password(
        &self,
        id: Uuid,
        password: &Secret,
    ) -> Result<Admin, DirectoryError> {
        let hash = self.hashed(password).await?;
        self.change_admin(id, |admin| {
            admin.password = Some(hash.clone());
            admin.password_changed_ms = now_ms();
        })
        .await
    }

    /// Ends all tokens of an admin.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such admin, or the store cannot tell.
    pub async fn revoke_admin_tokens(&self, id: Uuid) -> Result<Admin, DirectoryError> {
        self.change_admin(id, |admin| admin.generation = next_generation(admin.generation)).await
    }

    /// Shuts an admin out, which ends all its tokens, or lets it in again.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such admin, or the store cannot tell.
    pub async fn set_admin_disabled(
        &self,
        id: Uuid,
        disabled: bool,
    ) -> Result<Admin, DirectoryError> {
        self.change_admin(id, |admin| {
            if disabled {
                admin.generation = next_generation(admin.generation);
            }
            admin.disabled = disabled;
        })
        .await
    }
}

/// The admin `id`, who must not change before the commit.
async fn existing(tx: &mut Transaction<'_>, id: Uuid) -> Result<Admin, DirectoryError> {
    let found: Option<Admin> = tx.get(&keys::admin(id)).await?;
    found.ok_or_else(|| DirectoryError::missing(Kind::Admin, id.to_string()))
}

async fn must_exist(tx: &mut Transaction<'_>, organization: &Named) -> Result<(), DirectoryError> {
    let found: Option<Organization> = tx.get(&keys::organization(organization.id)).await?;
    match found {
        Some(_) => Ok(()),
        None => Err(DirectoryError::missing(Kind::Organization, &organization.name)),
    }
}
