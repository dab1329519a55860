//! Users of an application. Names and addresses share one index, whose entries are written together
//! with the user: of any number who take a name at once, one gets it.

use uuid::Uuid;

use super::{
    Directory, DirectoryError, Kind, PAGE, first_generation, keys,
    model::{Properties, User},
    names, next_generation, now_ms,
    transaction::Transaction,
};
use crate::{secret::Secret, store::documents::Slot};

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Needed.
    pub username: String,
    /// For people.
    pub name: Option<String>,
    /// Unique, if there is one.
    pub email: Option<String>,
    /// Without one, nobody logs in until one is set.
    pub password: Option<Secret>,
    /// Free properties.
    pub properties: Properties,
}

/// What is written about a user; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// Another username.
    pub username: Option<String>,
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub email: Option<String>,
    /// Whether it may log in; only from whoever administers the application.
    pub activated: Option<bool>,
    /// Whether it is shut out; only from whoever administers the application.
    pub disabled: Option<bool>,
    /// Free properties; `null` removes one.
    pub properties: Properties,
}

impl Directory {
    /// Makes a user of the application.
    ///
    /// # Errors
    /// [`DirectoryError`]: then nobody was made.
    pub async fn create_user(
        &self,
        application: Uuid,
        new: NewUser,
    ) -> Result<User, DirectoryError> {
        let email = new.email.filter(|email| !email.is_empty());
        names::check_username(Kind::User, &new.username, email.as_deref())?;
        if let Some(email) = &email {
            names::check_email(email)?;
        }
        let taken = async |text: &str| {
            Ok::<_, DirectoryError>(
                self.read::<Uuid>(&keys::user_index(application, text)).await?.is_some(),
            )
        };
        // Asked before the hash, which is dear, once it is this user's turn, and again where it is
        // written.
        let password = match &new.password {
            None => None,
            Some(password) => {
                let turn = self.registration().await?;
                if taken(&new.username).await? {
                    return Err(DirectoryError::taken(Kind::User, "username", new.username));
                }
                let hash = self.hashed(password).await?;
                drop(turn);
                Some(hash)
            }
        };
        let now = now_ms();
        let user = User {
            id: self.new_id(),
            username: new.username,
            name: new.name,
            email,
            password,
            created_ms: now,
            modified_ms: now,
            activated: true,
            deactivated_ms: None,
            disabled: false,
            generation: first_generation()?,
            roles: Vec::new(),
            groups: Vec::new(),
            permissions: Vec::new(),
            properties: new.properties,
        };
        self.transact(Slot::Application(application), async |tx| {
            index(tx, application, &user, true).await?;
            tx.put(&keys::user(application, user.id), &user)?;
            tx.add(keys::USERS, keys::user_member(user.created_ms, user.id));
            Ok(())
        })
        .await?;
        Ok(user)
    }

    /// The user that `text` names, by username, address or UUID.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn user(
        &self,
        application: Uuid,
        text: &str,
    ) -> Result<Option<User>, DirectoryError> {
        let id = match text.parse::<Uuid>() {
            Ok(id) => Some(id),
            Err(_) => self.read(&keys::user_index(application, text)).await?,
        };
        let Some(id) = id else { return Ok(None) };
        Ok(self.read(&keys::user(application, id)).await?)
    }

    /// Up to a page of users, oldest first, those after the member `after`; with the member to go on
    /// from when there may be more.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn users(
        &self,
        application: Uuid,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<User>, Option<String>), DirectoryError> {
        self.users_in(application, keys::USERS, after, limit).await
    }

    pub(super) async fn users_in(
        &self,
        application: Uuid,
        set: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<User>, Option<String>), DirectoryError> {
        let slot = Slot::Application(application);
        let limit = limit.clamp(1, PAGE);
        let members = self.store.members(slot, set, after, limit).await?;
        let next = (members.len() == limit).then(|| members[limit - 1].clone());
        let ids = members.iter().filter_map(|member| keys::member_user(member));
        let documents: Vec<_> = ids.map(|id| keys::user(application, id)).collect();
        Ok((self.read_all(&documents).await?, next))
    }

    /// How many users there are.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store cannot tell.
    pub async fn count_users(&self, application: Uuid) -> Result<usize, DirectoryError> {
        Ok(self.store.count_members(Slot::Application(application), keys::USERS).await?)
    }

    /// Changes a user.
    pub(super) async fn change_user(
        &self,
        application: Uuid,
        id: Uuid,
        change: impl Fn(&mut User),
    ) -> Result<User, DirectoryError> {
        self.transact(Slot::Application(application), async |tx| {
            let key = keys::user(application, id);
            let mut user = existing(tx, application, id).await?;
            change(&mut user);
            user.modified_ms = now_ms();
            tx.put(&key, &user)?;
            Ok(user)
        })
        .await
    }

    /// Writes what is said of a user; names and addresses stay unique.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn update_user(
        &self,
        application: Uuid,
        id: Uuid,
        change: &UserChange,
    ) -> Result<User, DirectoryError> {
        self.transact(Slot::Application(application), async |tx| {
            let mut user = existing(tx, application, id).await?;
            let renames = change.username.is_some() || change.email.is_some();
            if renames {
                unindex(tx, application, &user);
            }
            user.username = change.username.clone().unwrap_or(user.username);
            user.email = change.email.clone().or(user.email);
            user.name = change.name.clone().or(user.name);
            if renames {
                names::check_username(Kind::User, &user.username, user.email.as_deref())?;
                if let Some(email) = &user.email {
                    names::check_email(email)?;
                }
                index(tx, application, &user, false).await?;
            }
            if let Some(activated) = change.activated {
                activate(&mut user, activated);
            }
            if let Some(disabled) = change.disabled {
                disable(&mut user, disabled);
            }
            merge(&mut user.properties, &change.properties);
            user.modified_ms = now_ms();
            tx.put(&keys::user(application, id), &user)?;
            Ok(user)
        })
        .await
    }

    /// Deletes a user, its names and its memberships; its tokens are refused.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such user, or the store cannot tell.
    pub async fn delete_user(&self, application: Uuid, id: Uuid) -> Result<User, DirectoryError> {
        self.transact(Slot::Application(application), async |tx| {
            let user = existing(tx, application, id).await?;
            unindex(tx, application, &user);
            tx.delete(&keys::user(application, id));
            let member = keys::user_member(user.created_ms, id);
            tx.remove(keys::USERS, &member);
            for role in &user.roles {
                tx.remove(keys::role_users(role), &member);
            }
            for group in &user.groups {
                tx.remove(keys::group_users(*group), &member);
            }
            Ok(user)
        })
        .await
    }

    /// Sets a user's password. Tokens live on, as on the platform.
    ///
    /// # Errors
    /// [`DirectoryError`]: nothing has changed, unless the store could not tell.
    pub async fn set_user_password(
        &self,
        application: Uuid,
        id: Uuid,
        password: &Secret,
    ) -> Result<User, DirectoryError> {
        let hash = self.hashed(password).await?;
        self.change_user(application, id, |user| user.password = Some(hash.clone())).await
    }

    /// Ends all tokens of a user.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such user, or the store cannot tell.
    pub async fn revoke_user_tokens(
        &self,
        application: Uuid,
        id: Uuid,
    ) -> Result<User, DirectoryError> {
        let next = |user: &mut User| user.generation = next_generation(user.generation);
        self.change_user(application, id, next).await
    }

    /// Activates a user, or deactivates it, which ends all its tokens.
    ///
    /// # Errors
    /// [`DirectoryError`] when there is no such user, or the store cannot tell.
    pub async fn set_user_activated(
        &self,
        application: Uuid,
        id: Uuid,
        activated: bool,
    ) -> Result<User, DirectoryError> {
        self.change_user(application, id, |user| activate(user, activated)).await
    }
}

/// Deactivating ends every token; activating again revives none.
fn activate(user: &mut User, activated: bool) {
    if !activated {
        user.generation = next_generation(user.generation);
    }
    user.deactivated_ms = (!activated).then(now_ms);
    user.activated = activated;
}

/// Shutting out ends every token; letting in again revives none.
fn disable(user: &mut User, disabled: bool) {
    if disabled {
        user.generation = next_generation(user.generation);
    }
    user.disabled = disabled;
}

/// The user `id`, which must not change before the commit.
pub(super) async fn existing(
    tx: &mut Transaction<'_>,
    application: Uuid,
    id: Uuid,
) -> Result<User, DirectoryError> {
    let found: Option<User> = tx.get(&keys::user(application, id)).await?;
    found.ok_or_else(|| DirectoryError::missing(Kind::User, id.to_string()))
}

/// Takes the user's names, unless somebody else has one.
async fn index(
    tx: &mut Transaction<'_>,
    application: Uuid,
    user: &User,
    new: bool,
) -> Result<(), DirectoryError> {
    let email = user.email.as_ref().map(|email| ("email", email));
    for (property, text) in [("username", &user.username)].into_iter().chain(email) {
        let key = keys::user_index(application, text);
        let owner: Option<Uuid> = tx.get(&key).await?;
        if owner.is_some_and(|owner| new || owner != user.id) {
            return Err(DirectoryError::taken(Kind::User, property, text));
        }
        tx.put(&key, &user.id)?;
    }
    Ok(())
}

fn unindex(tx: &mut Transaction<'_>, application: Uuid, user: &User) {
    for text in [Some(&user.username), user.email.as_ref()].into_iter().flatten() {
        tx.delete(&keys::user_index(application, text));
    }
}

/// Writes `change` over `properties`; `null` removes.
pub(super) fn merge(properties: &mut Properties, change: &Properties) {
    for (name, value) in change {
        if value.is_null() {
            properties.shift_remove(name);
        } else {
            properties.insert(name.clone(), value.clone());
        }
    }
}
