//! Users of an application: the collection, the entity, and what is ours below it.

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Answer, Fault, TenantDesk, entities, input::text_of};
use crate::{
    directory::{
        DirectoryError, Grant, LoginError, NewUser, UserChange, UserRef,
        model::{Properties, User},
    },
    principal::PrincipalKind,
    secret::Secret,
    token::record::Holder,
};

/// Entities of a page when nobody says how many, and at most.
const PAGE: usize = 10;
const PAGE_MAX: usize = 1_000;

/// Properties in one page, bytes, after which no more users are read, and how many are at a time.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
const STEP: usize = 50;

/// Most users of one batch: each costs a hash.
const BATCH_MAX: usize = 100;

impl<'a> TenantDesk<'a> {
    /// `/{org}/{app}/users/…`
    pub(super) async fn users(&self, rest: &[&str]) -> Result<Answer, Fault> {
        let method = self.desk.call.method.clone();
        let (reads, changes) = (self.desk.call.reads(), self.desk.call.changes());
        match rest {
            [] if reads => self.list_users().await,
            [] if method == Method::POST => self.create_users().await,
            [] => {
                self.require(None)?;
                Err(Fault::method())
            }
            [user] if reads => self.read_user(user).await,
            [user] if method == Method::PUT => self.update_user(user).await,
            [user] if method == Method::DELETE => self.delete_user(user).await,
            [user, "token"] if reads => self.user_token(user).await,
            [user, "password"] if changes => self.user_password(user).await,
            [user, "revoketokens"] if changes => self.revoke_tokens(user).await,
            [user, "revoketoken"] if changes => self.revoke_token(user).await,
            [user, "activate"] if changes => self.activate_user(user, true).await,
            [user, "deactivate"] if changes => self.activate_user(user, false).await,
            [user, "permissions"] => {
                let user = self.named_user(user).await?;
                self.permissions(Grant::User(user.id)).await
            }
            [user, "roles"] if reads => self.user_roles(user).await,
            [user, "roles", role] => self.user_role(user, role).await,
            [user, "groups"] if reads => self.user_groups(user).await,
            [user, "groups", group] => self.user_group(user, group).await,
            [user, "resetpw", ..] => {
                // Nothing sends mail here.
                self.named_user(user).await?;
                Err(Fault::not_found(""))
            }
            [user, ..] => {
                self.named_user(user).await?;
                Err(Fault::method())
            }
        }
    }

    /// The user that `text` names, whom the caller may do this to.
    ///
    /// Whoever may not is told so before whether there is such a user.
    pub(super) async fn named_user(&self, text: &str) -> Result<User, Fault> {
        let found = self.find_user(text).await?;
        self.require(found.as_ref().map(UserRef::from).as_ref())?;
        found.ok_or_else(|| Fault::not_found(text))
    }

    /// The user that `text` names; `me` is the caller.
    pub(super) async fn find_user(&self, text: &str) -> Result<Option<User>, Fault> {
        if text.eq_ignore_ascii_case("me") {
            let Some(caller) = self.own_user() else { return Ok(None) };
            return Ok(self.directory().user(self.id(), &caller.id).await?);
        }
        Ok(self.directory().user(self.id(), text).await?)
    }

    /// Whether the caller is this user.
    fn is_own(&self, user: &User) -> bool {
        self.own_user().is_some_and(|caller| caller.id == user.id.to_string())
    }

    async fn list_users(&self) -> Result<Answer, Fault> {
        self.require(None)?;
        let limit = match self.desk.input.query("limit") {
            None => PAGE,
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| Fault::argument("limit must be a number"))?
                .clamp(1, PAGE_MAX),
        };
        let cursor = self.desk.input.query("cursor");
        let (users, next) = self.page_of_users(cursor, limit).await?;
        let mut more = Map::new();
        more.insert("count".to_owned(), json!(users.len()));
        if let Some(next) = next {
            more.insert("cursor".to_owned(), json!(next));
        }
        let entities = users.iter().map(entities::user_entity).collect();
        Ok(self.envelope(entities, Value::Object(more)))
    }

    /// Users after `cursor`: as many as asked for, or fewer where they would make a huge answer.
    async fn page_of_users(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<User>, Option<String>), Fault> {
        let (mut users, mut next) = (Vec::new(), cursor.map(str::to_owned));
        let mut bytes = 0;
        while users.len() < limit && bytes < PAGE_BYTES_MAX {
            let step = STEP.min(limit - users.len());
            let read = self.directory().users(self.id(), next.as_deref(), step).await?;
            let size =
                |user: &User| serde_json::to_vec(&user.properties).map_or(0, |json| json.len());
            bytes += read.0.iter().map(size).sum::<usize>();
            users.extend(read.0);
            next = read.1;
            if next.is_none() {
                break;
            }
        }
        Ok((users, next))
    }

    async fn create_users(&self) -> Result<Answer, Fault> {
        self.require(None)?;
        if let Some(batch) = &self.desk.input.batch {
            return self.create_batch(batch).await;
        }
        let new = self.new_user(self.desk.input.values())?;
        let user = self.directory().create_user(self.id(), new).await?;
        Ok(self.envelope(vec![entities::user_entity(&user)], Value::Null))
    }

    /// Several at once: whoever is there already is passed over, as on the platform.
    async fn create_batch(&self, batch: &[Value]) -> Result<Answer, Fault> {
        if batch.len() > BATCH_MAX {
            return Err(Fault::argument(format!("at most {BATCH_MAX} users at once")));
        }
        let mut all = Vec::new();
        for item in batch {
            let values = item.as_object();
            all.push(self.new_user(values.ok_or_else(|| Fault::json("a user is an object"))?)?);
        }
        let mut made = Vec::new();
        for new in all {
            match self.directory().create_user(self.id(), new).await {
                Ok(user) => made.push(entities::user_entity(&user)),
                Err(DirectoryError::Taken { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.envelope(made, Value::Null))
    }

    fn new_user(&self, values: &Map<String, Value>) -> Result<NewUser, Fault> {
        let username = text_of(values, "username")?.unwrap_or_default();
        if username.is_empty() {
            let (kind, property) = (crate::directory::Kind::User, "username");
            return Err(DirectoryError::Needed { kind, property }.into());
        }
        Ok(NewUser {
            username,
            name: text_of(values, "name")?,
            email: text_of(values, "email")?,
            password: text_of(values, "password")?.map(Secret::new),
            properties: properties(values),
        })
    }

    async fn read_user(&self, text: &str) -> Result<Answer, Fault> {
        let found = self.find_user(text).await?;
        // A user may always see itself, whatever its roles have become.
        if !found.as_ref().is_some_and(|user| self.is_own(user)) {
            // Nobody is `me` who is no user here; that is no question of permissions.
            if !text.eq_ignore_ascii_case("me") || self.administers() {
                self.require(found.as_ref().map(UserRef::from).as_ref())?;
            }
        }
        // An admin who asks for `me` asks for its own UUID, which no user of an application has.
        let admin = self.caller().filter(|caller| caller.kind == PrincipalKind::AdminUser);
        let admin = admin.filter(|_| self.administers());
        let asked = match admin {
            Some(admin) if text.eq_ignore_ascii_case("me") => admin.id.as_str(),
            _ => text,
        };
        let user = found.ok_or_else(|| Fault::not_found(asked))?;
        Ok(self.envelope(vec![entities::user_entity(&user)], Value::Null))
    }

    async fn update_user(&self, text: &str) -> Result<Answer, Fault> {
        let user = self.named_user(text).await?;
        let values = self.desk.input.values();
        // Names and addresses are how backends and roles know people: nobody takes another's by a
        // permission for everything.
        let renames = ["username", "email"].iter().any(|name| values.contains_key(*name));
        if renames && !self.is_own(&user) && self.says_otherwise(&user) {
            self.require_named(&UserRef::from(&user))?;
        }
        let mut change = UserChange {
            username: text_of(values, "username")?,
            name: text_of(values, "name")?,
            email: text_of(values, "email")?,
            properties: properties(values),
            ..UserChange::default()
        };
        // Who is let in is the administrators' to say, whatever an application's user may write.
        if self.administers() {
            let flag = |name: &str| values.get(name).and_then(Value::as_bool);
            change.activated = flag("activated");
            change.disabled = flag("disabled");
        }
        let user = self.directory().update_user(self.id(), user.id, &change).await?;
        Ok(self.envelope(vec![entities::user_entity(&user)], Value::Null))
    }

    /// Whether the body gives a user another name or address than it has.
    fn says_otherwise(&self, user: &User) -> bool {
        let said = |name: &str| self.desk.input.values().get(name).and_then(Value::as_str);
        said("username").is_some_and(|name| name != user.username)
            || said("email").is_some_and(|email| user.email.as_deref() != Some(email))
    }

    async fn delete_user(&self, text: &str) -> Result<Answer, Fault> {
        let user = self.named_user(text).await?;
        let user = self.directory().delete_user(self.id(), user.id).await?;
        Ok(self.envelope(vec![entities::user_entity(&user)], Value::Null))
    }

    /// A token for a user, for whoever administers the application.
    async fn user_token(&self, text: &str) -> Result<Answer, Fault> {
        if !self.administers() {
            return Err(Fault::no_token());
        }
        let user = self.named_user(text).await?;
        if !user.activated {
            return Err(LoginError::NotActivated.into());
        }
        if user.disabled {
            return Err(LoginError::Disabled.into());
        }
        self.user_answer(&user).await
    }

    async fn user_password(&self, text: &str) -> Result<Answer, Fault> {
        let found = self.find_user(text).await?;
        let new = if self.administers() {
            self.desk.new_password()?
        } else {
            let (old, new) = self.desk.old_and_new()?;
            // Whoever knows the old password is that user; nobody else learns whether there is one.
            let Some(user) = &found else {
                return Err(self.desk.nobody_has(self.id(), text, &old).await);
            };
            let from = self.desk.call.address;
            let confirmed = self.directory().confirm_user_password(self.id(), user, &old, from);
            confirmed.await.map_err(Fault::of_old_password)?;
            new
        };
        let user = found.ok_or_else(|| Fault::not_found(text))?;
        self.directory().set_user_password(self.id(), user.id, &new).await?;
        Ok(self.desk.action("set user password", Value::Null))
    }

    /// The user whose tokens the caller may end: its own always, others' by permission.
    async fn revokable(&self, text: &str) -> Result<User, Fault> {
        let found = self.find_user(text).await?;
        if let Some(user) = found.as_ref().filter(|user| self.is_own(user)) {
            return Ok(user.clone());
        }
        self.named_user(text).await
    }

    async fn revoke_tokens(&self, text: &str) -> Result<Answer, Fault> {
        let user = self.revokable(text).await?;
        self.directory().revoke_user_tokens(self.id(), user.id).await?;
        Ok(self.desk.action("revoked user tokens", Value::Null))
    }

    async fn revoke_token(&self, text: &str) -> Result<Answer, Fault> {
        let user = self.revokable(text).await?;
        let (id, holder) = (user.id.to_string(), self.id());
        self.desk
            .revoke_one(|record| {
                let own = matches!(record.holder, Some(Holder::ApplicationUser { application, .. }) if application == holder);
                own && record.subject == id
            })
            .await?;
        Ok(self.desk.action("revoked user token", Value::Null))
    }

    async fn activate_user(&self, text: &str, activated: bool) -> Result<Answer, Fault> {
        let user = self.named_user(text).await?;
        let user = self.directory().set_user_activated(self.id(), user.id, activated).await?;
        let action = if activated { "Activate user" } else { "Deactivate user" };
        let mut answer = self.envelope(vec![entities::user_entity(&user)], Value::Null);
        answer.body["action"] = json!(action);
        Ok(answer)
    }
}

impl super::Desk<'_> {
    /// The new password, which whoever administers sets without the old one.
    fn new_password(&self) -> Result<Secret, Fault> {
        let new = self.input.secret("newpassword")?;
        new.ok_or_else(|| Fault::argument("newpassword is required"))
    }

    /// The old password and the new one.
    pub(super) fn old_and_new(&self) -> Result<(Secret, Secret), Fault> {
        let new = self.new_password()?;
        let old = self
            .input
            .secret("oldpassword")?
            .ok_or_else(|| Fault::argument("oldpassword and newpassword are both required"))?;
        Ok((old, new))
    }

    /// What an old password of somebody who is not there is worth: it costs what a wrong one does.
    pub(super) async fn nobody_has(&self, application: Uuid, text: &str, old: &Secret) -> Fault {
        match self.directory.login_user(application, text, old, self.call.address).await {
            Err(error) => Fault::of_old_password(error),
            Ok(_) => Fault::wrong_password(),
        }
    }

    /// Ends the token in `?token=`, if it is one of those. Ending it twice is well; a token of
    /// somebody else is not ended.
    pub(super) async fn revoke_one(
        &self,
        is_of: impl Fn(&crate::token::record::TokenRecord) -> bool,
    ) -> Result<(), Fault> {
        let text = self.input.query("token").ok_or_else(|| Fault::argument("token is required"))?;
        let not_ours = || Fault::argument("token is not a token of this user");
        let verified = self.office.keyring.verify(text).map_err(|_| not_ours())?;
        let store = self.directory.store();
        match store.token(verified.id).await? {
            None => Ok(()),
            Some(record) if is_of(&record) => {
                let _bump = self.directory.bump_token(verified.id);
                store.revoke(verified.id).await?;
                Ok(())
            }
            Some(_) => Err(not_ours()),
        }
    }
}

/// What was said besides what is ours to know.
fn properties(values: &Map<String, Value>) -> Properties {
    let free = |name: &str| !entities::USER_FIELDS.contains(&name) || name == "picture";
    values
        .iter()
        .filter(|(name, _)| free(name) && !matches!(name.as_str(), "oldpassword" | "newpassword"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
