//! Roles, what they permit, and who holds them.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, Fault, TenantDesk, entities};
use crate::{
    directory::{
        DirectoryError, Grant, Kind,
        model::{Role, RoleTable, User},
    },
    policy::tenant::DEFAULT_ROLE,
};

impl TenantDesk<'_> {
    /// `/{org}/{app}/roles/…`
    pub(super) async fn roles(&self, rest: &[&str]) -> Result<Answer, Fault> {
        self.require(None)?;
        let method = self.desk.call.method.clone();
        let reads = self.desk.call.reads();
        let table = self.directory().role_table(self.id()).await?;
        match rest {
            [] if reads => {
                let roles = table.roles.iter().map(|(name, role)| entities::role(name, role));
                let roles: Vec<Value> = roles.collect();
                let count = roles.len();
                Ok(self.envelope(roles, json!({ "count": count })))
            }
            [] if method == Method::POST || method == Method::PUT => self.create_role().await,
            [role, rest @ ..] => {
                let found = table.role(role).map(|(name, role)| (name.to_owned(), role.clone()));
                match (found, rest) {
                    (Some((name, role)), rest) => self.role(&name, &role, rest).await,
                    // Putting a role that is not there makes it.
                    (None, []) if method == Method::PUT => self.put_role(role, true).await,
                    (None, _) => Err(Fault::not_found(role)),
                }
            }
            [] => Err(Fault::method()),
        }
    }

    async fn create_role(&self) -> Result<Answer, Fault> {
        let input = &self.desk.input;
        let name = match input.text("name")? {
            Some(name) => Some(name),
            None => input.text("roleName")?,
        };
        let Some(name) = name else {
            return Err(DirectoryError::Needed { kind: Kind::Role, property: "name" }.into());
        };
        self.put_role(&name, true).await
    }

    async fn put_role(&self, name: &str, new: bool) -> Result<Answer, Fault> {
        let input = &self.desk.input;
        let title = input.text("title")?;
        let inactivity = match input.text("inactivity")? {
            None => None,
            Some(text) => {
                let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
                Some(number.ok_or_else(|| Fault::argument("inactivity must be a number >= 0"))?)
            }
        };
        let put =
            self.directory().put_role(self.id(), name, title.as_deref(), inactivity, new).await?;
        let (name, role) = put;
        if let Some(permissions) = input.value("permissions").and_then(Value::as_array) {
            let texts = permissions.iter().filter_map(Value::as_str).map(str::to_owned);
            let texts: Vec<String> = texts.collect();
            self.directory().set_permission(self.id(), Grant::Role(&name), &texts, true).await?;
        }
        Ok(self.envelope(vec![entities::role(&name, &role)], Value::Null))
    }

    async fn role(&self, name: &str, role: &Role, rest: &[&str]) -> Result<Answer, Fault> {
        let method = self.desk.call.method.clone();
        let reads = self.desk.call.reads();
        match rest {
            [] if reads => Ok(self.envelope(vec![entities::role(name, role)], Value::Null)),
            [] if method == Method::PUT => self.put_role(name, false).await,
            [] if method == Method::DELETE => {
                let role = self.directory().delete_role(self.id(), name).await?;
                Ok(self.envelope(vec![entities::role(name, &role)], Value::Null))
            }
            ["permissions"] => self.permissions(Grant::Role(name)).await,
            ["users"] if reads => {
                let users = self.directory().role_users(self.id(), name).await?;
                Ok(self.envelope(users.iter().map(entities::user_entity).collect(), Value::Null))
            }
            ["users", user] => {
                let user = self.member(user).await?;
                let user = self.hold_role(&user, name).await?;
                Ok(self.envelope(vec![entities::user_entity(&user)], Value::Null))
            }
            ["groups"] if reads => {
                let table = self.directory().role_table(self.id()).await?;
                let holding = table.groups.iter();
                let holding = holding.filter(|(_, group)| group.roles.iter().any(|it| it == name));
                let groups = holding.map(|(id, group)| entities::group(*id, group)).collect();
                Ok(self.envelope(groups, Value::Null))
            }
            ["groups", group] => {
                let table = self.directory().role_table(self.id()).await?;
                let (id, _) = table.group(group).ok_or_else(|| Fault::not_found(group))?;
                let group =
                    self.directory().set_group_role(self.id(), id, name, self.holds()?).await?;
                Ok(self.envelope(vec![entities::group(id, &group)], Value::Null))
            }
            _ => Err(Fault::method()),
        }
    }

    /// Whether the method gives (POST, PUT) or takes (DELETE).
    pub(super) fn holds(&self) -> Result<bool, Fault> {
        match *self.desk.call.method {
            Method::POST | Method::PUT => Ok(true),
            Method::DELETE => Ok(false),
            _ => Err(Fault::method()),
        }
    }

    async fn hold_role(&self, user: &User, name: &str) -> Result<User, Fault> {
        Ok(self.directory().set_role(self.id(), user.id, name, self.holds()?).await?)
    }

    /// `GET /users/{u}/roles`
    pub(super) async fn user_roles(&self, user: &str) -> Result<Answer, Fault> {
        let user = self.named_user(user).await?;
        let table = self.directory().role_table(self.id()).await?;
        let roles = held(&user, &table).map(|(name, role)| entities::role(name, role)).collect();
        Ok(self.envelope(roles, Value::Null))
    }

    /// `/users/{u}/roles/{r}`
    pub(super) async fn user_role(&self, user: &str, role: &str) -> Result<Answer, Fault> {
        let user = self.named_user(user).await?;
        let table = self.directory().role_table(self.id()).await?;
        let Some((name, found)) = table.role(role) else { return Err(Fault::not_found(role)) };
        if self.desk.call.reads() {
            if name != DEFAULT_ROLE && !user.roles.iter().any(|held| held == name) {
                return Err(Fault::not_found(role));
            }
        } else {
            self.hold_role(&user, name).await?;
        }
        Ok(self.envelope(vec![entities::role(name, found)], Value::Null))
    }

    /// `…/permissions` of a role, a user or a group: `data` is all of them after the change.
    pub(super) async fn permissions(&self, of: Grant<'_>) -> Result<Answer, Fault> {
        let input = &self.desk.input;
        let is_user = matches!(of, Grant::User(_));
        let (texts, granted) = match *self.desk.call.method {
            Method::POST | Method::PUT => {
                let text = match input.text("permission")? {
                    Some(text) => Some(text),
                    None => input.query("permission").map(str::to_owned),
                };
                match text {
                    Some(text) => (vec![text], true),
                    None if is_user => (Vec::new(), true),
                    None => return Err(Fault::argument("You must supply a 'permission' property")),
                }
            }
            Method::DELETE => {
                let texts: Vec<String> = input.query_all("permission").map(str::to_owned).collect();
                if texts.is_empty() && !is_user {
                    let text = "You must supply a 'permission' query parameter";
                    return Err(Fault::argument(text));
                }
                (texts, false)
            }
            Method::GET | Method::HEAD => (Vec::new(), true),
            _ => return Err(Fault::method()),
        };
        let all = if texts.is_empty() {
            self.granted(of).await?
        } else {
            self.directory().set_permission(self.id(), of, &texts, granted).await?
        };
        let mut more = Map::new();
        more.insert("data".to_owned(), json!(all));
        Ok(self.envelope(Vec::new(), Value::Object(more)))
    }

    async fn granted(&self, of: Grant<'_>) -> Result<Vec<String>, Fault> {
        let found = match of {
            Grant::User(id) => {
                let user = self.directory().user(self.id(), &id.to_string()).await?;
                user.map(|user| user.permissions)
            }
            Grant::Role(name) => {
                let mut table = self.directory().role_table(self.id()).await?;
                table.roles.remove(name).map(|role| role.permissions)
            }
            Grant::Group(id) => {
                let mut table = self.directory().role_table(self.id()).await?;
                table.groups.remove(&id).map(|group| group.permissions)
            }
        };
        found.ok_or_else(|| Fault::not_found(""))
    }

    /// A user that a path below a group names.
    pub(super) async fn member(&self, user: &str) -> Result<User, Fault> {
        self.find_user(user).await?.ok_or_else(|| Fault::not_found(user))
    }
}

/// Roles that a user holds itself, those that are in the table.
fn held<'t>(user: &User, table: &'t RoleTable) -> impl Iterator<Item = (&'t str, &'t Role)> {
    let roles = user.roles.clone();
    table
        .roles
        .iter()
        .filter(move |(name, _)| roles.contains(name))
        .map(|(name, role)| (name.as_str(), role))
}
