//! Groups: users that share roles. Their documents stand in the role table, their members in the users.

use uuid::Uuid;

use super::{
    Directory, DirectoryError, Kind, PAGE, keys,
    model::{Group, Properties, RoleTable, User},
    names, now_ms,
    users::{existing, merge},
};
use crate::store::documents::Slot;

/// Largest title and properties of one group, bytes: they stand in a table that every look-up reads.
const GROUP_BYTES_MAX: usize = 4 * 1024;

/// Most groups of one application.
const GROUPS_MAX: usize = 10_000;

impl Directory {
    /// Makes a group.
    ///
    /// # Errors
    /// [`DirectoryError`] when its path cannot be, or is taken.
    pub async fn create_group(
        &self,
        application: Uuid,
        path: &str,
        title: Option<&str>,
        properties: &Properties,
    ) -> Result<(Uuid, Group), DirectoryError> {
        names::check_group(path)?;
        let id = self.new_id();
        self.change_table(application, |table| {
            if table.group(path).is_some() {
                return Err(DirectoryError::taken(Kind::Group, "path", path));
            }
            if table.groups.len() >= GROUPS_MAX {
                let message = format!("an application has at most {GROUPS_MAX} groups");
                return Err(DirectoryError::invalid(message));
            }
            let now = now_ms();
            let group = Group {
                path: path.to_owned(),
                title: title.map(str::to_owned),
                created_ms: now,
                modified_ms: now,
                roles: Vec::new(),
                permissions: Vec::new(),
                properties: properties.clone(),
            };
            check_size(&group)?;
            table.groups.insert(id, group.clone());
            Ok((id, group))
        })
        .await
    }

    /// Writes what is said of a group.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is none, or its new path is taken.
    pub async fn update_group(
        &self,
        application: Uuid,
        id: Uuid,
        path: Option<&str>,
        title: Option<&str>,
        properties: &Properties,
    ) -> Result<Group, DirectoryError> {
        path.map_or(Ok(()), names::check_group)?;
        self.change_table(application, |table| {
            if let Some(path) = path
                && table.group(path).is_some_and(|(owner, _)| owner != id)
            {
                return Err(DirectoryError::taken(Kind::Group, "path", path));
            }
            let group = table.groups.get_mut(&id);
            let group =
                group.ok_or_else(|| DirectoryError::missing(Kind::Group, id.to_string()))?;
            group.path = path.map_or_else(|| group.path.clone(), str::to_owned);
            group.title = title.map(str::to_owned).or_else(|| group.title.clone());
            group.modified_ms = now_ms();
            merge(&mut group.properties, properties);
            check_size(group)?;
            Ok(group.clone())
        })
        .await
    }

    /// Deletes a group; its users lose the roles it gave them.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is none, or the store cannot tell.
    pub async fn delete_group(&self, application: Uuid, id: Uuid) -> Result<Group, DirectoryError> {
        let removed = self
            .change_table(application, |table| {
                let group = table.groups.remove(&id);
                group.ok_or_else(|| DirectoryError::missing(Kind::Group, id.to_string()))
            })
            .await?;
        // Only tidying: a membership of a group that is not in the table gives nothing.
        loop {
            let (users, _) = self.users_in(application, &keys::group_users(id), None, PAGE).await?;
            if users.is_empty() {
                return Ok(removed);
            }
            for user in users {
                self.set_membership(application, user.id, id, false).await?;
            }
        }
    }

    /// Puts a user into a group, or takes it out.
    ///
    /// # Errors
    /// [`DirectoryError`] when either is not there, or the store cannot tell.
    pub async fn set_membership(
        &self,
        application: Uuid,
        user: Uuid,
        group: Uuid,
        member: bool,
    ) -> Result<User, DirectoryError> {
        self.transact(Slot::Application(application), async |tx| {
            let table: Option<RoleTable> = tx.get(&keys::role_table(application)).await?;
            if member && !table.is_some_and(|table| table.groups.contains_key(&group)) {
                return Err(DirectoryError::missing(Kind::Group, group.to_string()));
            }
            let mut document = existing(tx, application, user).await?;
            document.groups.retain(|one| *one != group);
            let entry = keys::user_member(document.created_ms, user);
            if member {
                document.groups.push(group);
                tx.add(keys::group_users(group), entry);
            } else {
                tx.remove(keys::group_users(group), entry);
            }
            tx.put(&keys::user(application, user), &document)?;
            Ok(document)
        })
        .await
    }

    /// Users of a group.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn group_users(
        &self,
        application: Uuid,
        id: Uuid,
    ) -> Result<Vec<User>, DirectoryError> {
        Ok(self.users_in(application, &keys::group_users(id), None, PAGE).await?.0)
    }

    /// Gives a group a role, or takes it.
    ///
    /// # Errors
    /// [`DirectoryError`] when either is not there.
    pub async fn set_group_role(
        &self,
        application: Uuid,
        id: Uuid,
        role: &str,
        held: bool,
    ) -> Result<Group, DirectoryError> {
        self.change_table(application, |table| {
            if held && !table.roles.contains_key(role) {
                return Err(DirectoryError::missing(Kind::Role, role));
            }
            let group = table.groups.get_mut(&id);
            let group =
                group.ok_or_else(|| DirectoryError::missing(Kind::Group, id.to_string()))?;
            group.roles.retain(|one| one != role);
            if held {
                group.roles.push(role.to_owned());
            }
            Ok(group.clone())
        })
        .await
    }
}

fn check_size(group: &Group) -> Result<(), DirectoryError> {
    let bytes = serde_json::to_vec(&(&group.title, &group.properties)).map_or(0, |json| json.len());
    if bytes > GROUP_BYTES_MAX {
        let most = GROUP_BYTES_MAX / 1024;
        return Err(DirectoryError::invalid(format!(
            "a group's properties have at most {most} KiB"
        )));
    }
    Ok(())
}
