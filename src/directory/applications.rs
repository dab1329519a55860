//! Applications: their roles are written first, their name last.

use uuid::Uuid;

use super::{
    Directory, DirectoryError, Kind, PAGE, keys,
    model::{Application, Properties, RoleTable, TenantIds},
    next_generation, now_ms, roles,
    transaction::Transaction,
    vault::{ClientId, ClientKind},
};
use crate::{principal::Named, request::tenant_name::tenant_name, store::documents::Slot};

/// What is written about an application.
#[derive(Clone, Debug, Default)]
pub struct ApplicationChange {
    /// `accesstokenttl`, checked: 0 never expires.
    pub token_ttl_ms: Option<i64>,
    /// Free properties; `null` removes one.
    pub properties: Properties,
}

impl Directory {
    /// Makes an application of the organization.
    ///
    /// # Errors
    /// [`DirectoryError`]: then it does not exist.
    pub async fn create_application(
        &self,
        organization: &Named,
        name: &str,
    ) -> Result<Application, DirectoryError> {
        self.create_application_as(organization, name, None).await
    }

    /// The same under the UUID that it had elsewhere: deployed clients know it by that.
    ///
    /// # Errors
    /// [`DirectoryError`]: then it does not exist.
    pub async fn create_application_as(
        &self,
        organization: &Named,
        name: &str,
        id: Option<Uuid>,
    ) -> Result<Application, DirectoryError> {
        let application = self.prepare_application(organization, name, id).await?;
        let made = self.transact(Slot::Directory, async |tx| {
            if tx.get::<Application>(&keys::application(application.id)).await?.is_some() {
                return Err(id_taken(application.id));
            }
            // An organization that goes away meanwhile gets no application.
            let key = keys::organization(organization.id);
            if tx.get::<super::model::Organization>(&key).await?.is_none() {
                return Err(DirectoryError::missing(Kind::Organization, &organization.name));
            }
            Self::insert_application(tx, &application).await
        });
        let made = made.await;
        if id.is_none() {
            // Nobody else can mean an id that is new.
            self.take_back_if_refused(&made, application.id).await;
        }
        made.map(|()| application)
    }

    /// An application whose roles are written, and which nothing leads to yet.
    pub(super) async fn prepare_application(
        &self,
        organization: &Named,
        name: &str,
        id: Option<Uuid>,
    ) -> Result<Application, DirectoryError> {
        if name.trim().is_empty() {
            return Err(DirectoryError::Needed { kind: Kind::Application, property: "name" });
        }
        let name = tenant_name(name)
            .map_err(|why| DirectoryError::invalid(format!("application `{name}`: {why}")))?;
        let now = now_ms();
        let id = self.id_or_new(id)?;
        let (client, generation) =
            self.new_client(ClientId { kind: ClientKind::Application, id })?;
        let table = roles::first_table(|| self.new_id(), now, &name);
        self.transact(Slot::Application(id), async |tx| {
            // Roles without an application are what an interrupted creation left.
            let key = keys::role_table(id);
            if tx.get::<RoleTable>(&key).await?.is_some()
                && self.application_by_id(id).await?.is_some()
            {
                return Err(id_taken(id));
            }
            tx.put(&key, &table)
        })
        .await?;
        Ok(Application {
            id,
            name,
            organization: organization.clone(),
            created_ms: now,
            modified_ms: now,
            active: true,
            deleted: false,
            generation,
            era: 0,
            client,
            token_ttl_ms: None,
            properties: Properties::new(),
        })
    }

    /// Takes back what [`prepare_application`](Self::prepare_application) wrote under the new `id` when it
    /// is certain that the application was not made. What is left when that fails leads nowhere.
    pub(super) async fn take_back_if_refused<T>(&self, made: &Result<T, DirectoryError>, id: Uuid) {
        let refused = |error: &DirectoryError| {
            matches!(error, DirectoryError::Taken { .. } | DirectoryError::Missing { .. })
        };
        if made.as_ref().is_err_and(refused) {
            let key = keys::role_table(id);
            let taken_back = self.transact(Slot::Application(id), async |tx| {
                tx.delete(&key);
                Ok(())
            });
            let _ = taken_back.await;
        }
    }

    /// Makes a prepared application exist, unless its name is taken.
    pub(super) async fn insert_application(
        tx: &mut Transaction<'_>,
        application: &Application,
    ) -> Result<(), DirectoryError> {
        let index = keys::tenant(&application.organization.name, &application.name);
        if tx.get::<TenantIds>(&index).await?.is_some() {
            return Err(DirectoryError::taken(Kind::Application, "name", &application.name));
        }
        let ids =
            TenantIds { organization: application.organization.id, application: application.id };
        tx.put(&index, &ids)?;
        tx.put(&keys::application(application.id), application)?;
        let set = keys::organization_applications(application.organization.id);
        tx.add(set, application.id.simple().to_string());
        Ok(())
    }

    /// The organization's application that `text` names, by name or UUID, unless it is deleted.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn application(
        &self,
        organization: &Named,
        text: &str,
    ) -> Result<Option<Application>, DirectoryError> {
        let id = match text.parse::<Uuid>() {
            Ok(id) => Some(id),
            Err(_) => {
                let key = keys::tenant(&organization.name, &text.to_lowercase());
                self.read::<TenantIds>(&key).await?.map(|ids| ids.application)
            }
        };
        let Some(id) = id else { return Ok(None) };
        let found = self.application_by_id(id).await?;
        Ok(found.filter(|it| it.organization.id == organization.id && !it.deleted))
    }

    /// The application `id`, deleted or not.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn application_by_id(&self, id: Uuid) -> Result<Option<Application>, DirectoryError> {
        Ok(self.read(&keys::application(id)).await?)
    }

    /// The organization's applications, without those that are deleted, oldest first.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn applications(
        &self,
        organization: Uuid,
    ) -> Result<Vec<Application>, DirectoryError> {
        let mut found = self.all_applications(organization).await?;
        found.retain(|application| !application.deleted);
        Ok(found)
    }

    /// The same with those that are deleted, and can be restored.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn all_applications(
        &self,
        organization: Uuid,
    ) -> Result<Vec<Application>, DirectoryError> {
        let set = keys::organization_applications(organization);
        let members = self.store.members(Slot::Directory, &set, None, PAGE).await?;
        let ids = members.iter().filter_map(|member| member.parse().ok());
        let documents: Vec<_> = ids.map(keys::application).collect();
        let mut found: Vec<Application> = self.read_all(&documents).await?;
        found.sort_by_key(|application| (application.created_ms, application.id));
        Ok(found)
    }

    /// Changes an application that is not deleted.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn change_application(
        &self,
        id: Uuid,
        change: impl Fn(&mut Application),
    ) -> Result<Application, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            let key = keys::application(id);
            let found: Option<Application> = tx.get(&key).await?;
            let mut application = found
                .filter(|application| !application.deleted)
                .ok_or_else(|| DirectoryError::missing(Kind::Application, id.to_string()))?;
            change(&mut application);
            application.modified_ms = now_ms();
            tx.put(&key, &application)?;
            Ok(application)
        })
        .await
    }

    /// Writes what an admin says of an application.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn update_application(
        &self,
        id: Uuid,
        change: &ApplicationChange,
    ) -> Result<Application, DirectoryError> {
        self.change_application(id, |application| {
            if change.token_ttl_ms.is_some() {
                application.token_ttl_ms = change.token_ttl_ms;
            }
            super::users::merge(&mut application.properties, &change.properties);
        })
        .await
    }

    /// Lets an application's principals in, or shuts them out.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such application, or the store cannot tell.
    pub async fn set_application_active(
        &self,
        id: Uuid,
        active: bool,
    ) -> Result<Application, DirectoryError> {
        self.change_application(id, |application| {
            if !active {
                application.generation = next_generation(application.generation);
                application.era += 1;
            }
            application.active = active;
        })
        .await
    }

    /// Deletes an application: nothing leads to it, its tokens are refused, and it can be restored.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such application, or the store cannot tell.
    pub async fn delete_application(&self, id: Uuid) -> Result<Application, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            let key = keys::application(id);
            let found: Option<Application> = tx.get(&key).await?;
            let mut application = found
                .filter(|application| !application.deleted)
                .ok_or_else(|| DirectoryError::missing(Kind::Application, id.to_string()))?;
            application.deleted = true;
            application.generation = next_generation(application.generation);
            application.era += 1;
            application.modified_ms = now_ms();
            tx.delete(&keys::tenant(&application.organization.name, &application.name));
            tx.put(&key, &application)?;
            Ok(application)
        })
        .await
    }

    /// Restores a deleted application under its old name.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is none, or its name is taken now.
    pub async fn restore_application(&self, id: Uuid) -> Result<Application, DirectoryError> {
        self.transact(Slot::Directory, async |tx| {
            let key = keys::application(id);
            let found: Option<Application> = tx.get(&key).await?;
            let mut application =
                found.ok_or_else(|| DirectoryError::missing(Kind::Application, id.to_string()))?;
            if application.deleted {
                application.deleted = false;
                application.modified_ms = now_ms();
                Self::insert_application(tx, &application).await?;
            }
            Ok(application)
        })
        .await
    }
}

fn id_taken(id: Uuid) -> DirectoryError {
    DirectoryError::taken(Kind::Application, "uuid", id.to_string())
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use super::*;
    use crate::{
        config::{Config, Store},
        directory::DirectoryOrigin,
        fences::Fences,
        store::{StoreError, StoreOrigin, testing::on_worker},
    };

    fn directory() -> Directory {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.toml");
        let text = "backend = \"http://127.0.0.1:9000\"\nstore = \"memory:\"\n\
                    secret = \"0123456789abcdef0123456789abcdef\"\n[usergrid]\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::load_with(&file, &|_| None, SystemTime::UNIX_EPOCH).unwrap();
        let settings = config.usergrid.unwrap();
        let fences = Arc::new(Fences::new());
        let origin =
            DirectoryOrigin::new(&settings, &config.tokens, &config.secrets, fences, None).unwrap();
        origin.attach(StoreOrigin::open(&Store::Memory).unwrap().attach(&Arc::default(), |_| {}))
    }

    #[test]
    fn a_creation_that_lost_its_name_leaves_no_roles_behind_and_one_that_is_uncertain_does() {
        on_worker(async {
            let directory = directory();
            let acme = Named { id: Uuid::from_u128(7), name: "acme".to_owned() };
            let uncertain = StoreError::BadRecord { field: "x".to_owned() }.into();
            let taken = DirectoryError::taken(Kind::Application, "name", "shop");
            for (made, left) in [(Ok(()), 3), (Err(uncertain), 3), (Err(taken), 0)] {
                let prepared = directory.prepare_application(&acme, "shop", None).await.unwrap();
                directory.take_back_if_refused(&made, prepared.id).await;
                let table = directory.role_table(prepared.id).await.unwrap();
                assert_eq!(table.roles.len(), left, "{made:?}");
            }
        });
    }
}
