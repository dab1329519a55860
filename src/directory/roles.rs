//! Roles and what they permit: one document per application.

use uuid::Uuid;

use super::{
    Directory, DirectoryError, Kind, PAGE, keys,
    model::{Role, RoleTable, User},
    names, now_ms,
    transaction::Transaction,
    users::existing,
};
use crate::{
    permission,
    policy::tenant::{DEFAULT_ROLE, GUEST_ROLE, OF_USERS, first_of_guests},
    store::documents::Slot,
};

/// Longest permission, and most of one role or user: what a request's judgement has to read.
const PERMISSION_BYTES_MAX: usize = 1_024;
const PERMISSIONS_MAX: usize = 2_000;

/// Most roles of one application.
const ROLES_MAX: usize = 1_000;

/// To whom a permission is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant<'a> {
    /// A role, by its name.
    Role(&'a str),
    /// A user.
    User(Uuid),
    /// A group; kept and never judged, as on the platform.
    Group(Uuid),
}

/// The roles of a new application of this name.
pub(super) fn first_table(new_id: impl Fn() -> Uuid, now: i64, application: &str) -> RoleTable {
    let role = |title: &str, permissions: &[&str]| Role {
        id: new_id(),
        title: title.to_owned(),
        inactivity_ms: 0,
        created_ms: now,
        modified_ms: now,
        permissions: permissions.iter().map(|&text| text.to_owned()).collect(),
    };
    let guest: Vec<_> = first_of_guests(application).collect();
    let roles = [
        ("admin", role("Administrator", &[])),
        (DEFAULT_ROLE, role("Default", &OF_USERS)),
        (GUEST_ROLE, role("Guest", &guest)),
    ];
    let roles = roles.into_iter().map(|(name, role)| (name.to_owned(), role)).collect();
    RoleTable { roles, ..RoleTable::default() }
}

impl Directory {
    /// The application's roles and groups.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn role_table(&self, application: Uuid) -> Result<RoleTable, DirectoryError> {
        Ok(self.read(&keys::role_table(application)).await?.unwrap_or_default())
    }

    /// Changes the role table in one write.
    pub(super) async fn change_table<R>(
        &self,
        application: Uuid,
        change: impl Fn(&mut RoleTable) -> Result<R, DirectoryError>,
    ) -> Result<R, DirectoryError> {
        self.transact(Slot::Application(application), async |tx| {
            let key = keys::role_table(application);
            let mut table: RoleTable = tx.get(&key).await?.unwrap_or_default();
            let result = change(&mut table)?;
            tx.put(&key, &table)?;
            Ok(result)
        })
        .await
    }

    /// Makes a role, or gives one that is there another title.
    ///
    /// # Errors
    /// [`DirectoryError`] when its name cannot be, or, with `new`, is taken.
    pub async fn put_role(
        &self,
        application: Uuid,
        name: &str,
        title: Option<&str>,
        inactivity_ms: Option<i64>,
        new: bool,
    ) -> Result<(String, Role), DirectoryError> {
        names::check_role(name)?;
        let name = name.to_lowercase();
        let id = self.new_id();
        self.change_table(application, |table| {
            if new && table.roles.contains_key(&name) {
                return Err(DirectoryError::taken(Kind::Role, "name", &name));
            }
            if table.roles.len() >= ROLES_MAX && !table.roles.contains_key(&name) {
                return Err(DirectoryError::invalid(format!(
                    "an application has at most {ROLES_MAX} roles"
                )));
            }
            let now = now_ms();
            let role = table.roles.entry(name.clone()).or_insert_with(|| Role {
                id,
                title: name.clone(),
                inactivity_ms: 0,
                created_ms: now,
                modified_ms: now,
                permissions: Vec::new(),
            });
            role.title = title.map_or_else(|| role.title.clone(), str::to_owned);
            role.inactivity_ms = inactivity_ms.unwrap_or(role.inactivity_ms);
            role.modified_ms = now;
            Ok((name.clone(), role.clone()))
        })
        .await
    }

    /// Deletes a role; whoever held it does no more, also when one of this name is made again.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is none, or the store cannot tell.
    pub async fn delete_role(&self, application: Uuid, name: &str) -> Result<Role, DirectoryError> {
        // Before, so that little is left if we are interrupted; and after, when nobody can be given it.
        self.take_from_all(application, name).await?;
        let removed = self
            .change_table(application, |table| {
                let role = table.roles.remove(name);
                for group in table.groups.values_mut() {
                    group.roles.retain(|held| held != name);
                }
                role.ok_or_else(|| DirectoryError::missing(Kind::Role, name))
            })
            .await?;
        self.take_from_all(application, name).await?;
        Ok(removed)
    }

    async fn take_from_all(&self, application: Uuid, name: &str) -> Result<(), DirectoryError> {
        let set = keys::role_users(name);
        loop {
            let (users, _) = self.users_in(application, &set, None, PAGE).await?;
            if users.is_empty() {
                return Ok(());
            }
            for user in users {
                self.set_role(application, user.id, name, false).await?;
            }
        }
    }

    /// Gives a user a role of the table, or takes it.
    ///
    /// # Errors
    /// [`DirectoryError`] when either is not there, or the store cannot tell.
    pub async fn set_role(
        &self,
        application: Uuid,
        user: Uuid,
        name: &str,
        held: bool,
    ) -> Result<User, DirectoryError> {
        self.transact(Slot::Application(application), async |tx| {
            let table: Option<RoleTable> = tx.get(&keys::role_table(application)).await?;
            if held && !table.is_some_and(|table| table.roles.contains_key(name)) {
                return Err(DirectoryError::missing(Kind::Role, name));
            }
            let mut document = existing(tx, application, user).await?;
            document.roles.retain(|one| one != name);
            let member = keys::user_member(document.created_ms, user);
            if held {
                document.roles.push(name.to_owned());
                tx.add(keys::role_users(name), member);
            } else {
                tx.remove(keys::role_users(name), member);
            }
            tx.put(&keys::user(application, user), &document)?;
            Ok(document)
        })
        .await
    }

    /// Users that hold the role themselves.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn role_users(
        &self,
        application: Uuid,
        name: &str,
    ) -> Result<Vec<User>, DirectoryError> {
        Ok(self.users_in(application, &keys::role_users(name), None, PAGE).await?.0)
    }

    /// Grants a permission, or takes it back; all of the holder's after that. Granting twice, and
    /// taking back what is not there, change nothing.
    ///
    /// # Errors
    /// [`DirectoryError`] when the holder is not there, or the permission too long or one too many.
    pub async fn set_permission(
        &self,
        application: Uuid,
        to: Grant<'_>,
        texts: &[String],
        granted: bool,
    ) -> Result<Vec<String>, DirectoryError> {
        let texts: Vec<String> = texts.iter().map(|text| permission::stored(text.trim())).collect();
        if let Some(text) = texts.iter().find(|text| !is_permission(text)) {
            return Err(DirectoryError::invalid(format!("`{text}` is no permission")));
        }
        let apply = |held: &mut Vec<String>| {
            held.retain(|one| !texts.contains(one) || granted);
            for text in texts.iter().filter(|_| granted) {
                if !held.contains(text) {
                    held.push(text.clone());
                }
            }
            if held.len() > PERMISSIONS_MAX {
                return Err(DirectoryError::invalid(format!(
                    "at most {PERMISSIONS_MAX} permissions"
                )));
            }
            Ok(held.clone())
        };
        match to {
            Grant::Role(name) => {
                self.change_table(application, |table| {
                    let role = table.roles.get_mut(name);
                    let role = role.ok_or_else(|| DirectoryError::missing(Kind::Role, name))?;
                    role.modified_ms = now_ms();
                    apply(&mut role.permissions)
                })
                .await
            }
            Grant::Group(id) => {
                self.change_table(application, |table| {
                    let group = table.groups.get_mut(&id);
                    let group = group
                        .ok_or_else(|| DirectoryError::missing(Kind::Group, id.to_string()))?;
                    apply(&mut group.permissions)
                })
                .await
            }
            Grant::User(id) => {
                self.transact(Slot::Application(application), async |tx: &mut Transaction<'_>| {
                    let mut user = existing(tx, application, id).await?;
                    let all = apply(&mut user.permissions)?;
                    tx.put(&keys::user(application, id), &user)?;
                    Ok(all)
                })
                .await
            }
        }
    }
}

fn is_permission(text: &str) -> bool {
    !text.is_empty() && text.len() <= PERMISSION_BYTES_MAX && !text.chars().any(char::is_control)
}
