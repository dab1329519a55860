//! Groups of users.

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Answer, Fault, TenantDesk, entities};
use crate::directory::{
    DirectoryError, Grant, Kind,
    model::{Group, Properties},
};

/// What a group's properties may not be called.
const FIELDS: [&str; 10] = [
    "uuid",
    "type",
    "name",
    "created",
    "modified",
    "path",
    "title",
    "metadata",
    "roles",
    "permissions",
];

impl TenantDesk<'_> {
    /// `/{org}/{app}/groups/…`
    pub(super) async fn groups(&self, rest: &[&str]) -> Result<Answer, Fault> {
        self.require(None)?;
        let method = self.desk.call.method.clone();
        let reads = self.desk.call.reads();
        let table = self.directory().role_table(self.id()).await?;
        match rest {
            [] if reads => {
                let groups = table.groups.iter().map(|(id, group)| entities::group(*id, group));
                let groups: Vec<Value> = groups.collect();
                let count = groups.len();
                Ok(self.envelope(groups, json!({ "count": count })))
            }
            [] if method == Method::POST => self.create_group().await,
            [] => Err(Fault::method()),
            [group, rest @ ..] => {
                let found = table.group(group).map(|(id, group)| (id, group.clone()));
                let (id, group) = found.ok_or_else(|| Fault::not_found(group))?;
                self.group(id, &group, rest).await
            }
        }
    }

    async fn create_group(&self) -> Result<Answer, Fault> {
        let input = &self.desk.input;
        let Some(path) = input.text("path")? else {
            return Err(DirectoryError::Needed { kind: Kind::Group, property: "path" }.into());
        };
        let title = input.text("title")?;
        let properties = self.group_properties();
        let made =
            self.directory().create_group(self.id(), &path, title.as_deref(), &properties).await?;
        Ok(self.envelope(vec![entities::group(made.0, &made.1)], Value::Null))
    }

    fn group_properties(&self) -> Properties {
        let values = self.desk.input.values().iter();
        let free = values.filter(|(name, _)| !FIELDS.contains(&name.as_str()));
        free.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<String, Value>>()
    }

    async fn group(&self, id: Uuid, group: &Group, rest: &[&str]) -> Result<Answer, Fault> {
        let method = self.desk.call.method.clone();
        let reads = self.desk.call.reads();
        match rest {
            [] if reads => Ok(self.envelope(vec![entities::group(id, group)], Value::Null)),
            [] if method == Method::PUT => {
                let input = &self.desk.input;
                let (path, title) = (input.text("path")?, input.text("title")?);
                let group = self
                    .directory()
                    .update_group(
                        self.id(),
                        id,
                        path.as_deref(),
                        title.as_deref(),
                        &self.group_properties(),
                    )
                    .await?;
                Ok(self.envelope(vec![entities::group(id, &group)], Value::Null))
            }
            [] if method == Method::DELETE => {
                let group = self.directory().delete_group(self.id(), id).await?;
                Ok(self.envelope(vec![entities::group(id, &group)], Value::Null))
            }
            ["users"] if reads => {
                let users = self.directory().group_users(self.id(), id).await?;
                Ok(self.envelope(users.iter().map(entities::user_entity).collect(), Value::Null))
            }
            ["users", user] => {
                let user = self.member(user).await?;
                let held = self.holds()?;
                let user = self.directory().set_membership(self.id(), user.id, id, held).await?;
                Ok(self.envelope(vec![entities::user_entity(&user)], Value::Null))
            }
            ["roles"] if reads => {
                let table = self.directory().role_table(self.id()).await?;
                let held = table.roles.iter().filter(|(name, _)| group.roles.contains(name));
                let roles = held.map(|(name, role)| entities::role(name, role)).collect();
                Ok(self.envelope(roles, Value::Null))
            }
            ["roles", role] => self.group_role(id, role).await,
            ["permissions"] => self.permissions(Grant::Group(id)).await,
            _ => Err(Fault::method()),
        }
    }

    async fn group_role(&self, id: Uuid, role: &str) -> Result<Answer, Fault> {
        let table = self.directory().role_table(self.id()).await?;
        let Some((name, found)) = table.role(role) else { return Err(Fault::not_found(role)) };
        self.directory().set_group_role(self.id(), id, name, self.holds()?).await?;
        Ok(self.envelope(vec![entities::role(name, found)], Value::Null))
    }

    /// `GET /users/{u}/groups`
    pub(super) async fn user_groups(&self, user: &str) -> Result<Answer, Fault> {
        let user = self.named_user(user).await?;
        let table = self.directory().role_table(self.id()).await?;
        let groups = user.groups.iter().filter_map(|id| table.groups.get_key_value(id));
        let groups = groups.map(|(id, group)| entities::group(*id, group)).collect();
        Ok(self.envelope(groups, Value::Null))
    }

    /// `/users/{u}/groups/{g}`
    pub(super) async fn user_group(&self, user: &str, group: &str) -> Result<Answer, Fault> {
        let user = self.named_user(user).await?;
        let table = self.directory().role_table(self.id()).await?;
        let Some((id, found)) = table.group(group) else { return Err(Fault::not_found(group)) };
        if self.desk.call.reads() {
            if !user.groups.contains(&id) {
                return Err(Fault::not_found(group));
            }
        } else {
            self.directory().set_membership(self.id(), user.id, id, self.holds()?).await?;
        }
        Ok(self.envelope(vec![entities::group(id, found)], Value::Null))
    }
}
