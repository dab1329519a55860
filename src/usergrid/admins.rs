//! Admins and their membership: `/management/users/…` and `/management/orgs/{o}/users/…`.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, Desk, Fault, entities, fault::class, input::Source};
use crate::{
    directory::{
        AdminChange, NewOrganization,
        model::{Admin, Properties},
        organizations::Owner,
    },
    principal::{Named, PrincipalKind},
    token::record::Holder,
};

/// What is ours of an admin, and no property of it.
const FIELDS: [&str; 16] = [
    "uuid",
    "type",
    "username",
    "name",
    "email",
    "password",
    "oldpassword",
    "newpassword",
    "activated",
    "confirmed",
    "disabled",
    "adminUser",
    "applicationId",
    "organizations",
    "properties",
    "passwordChanged",
];

impl Desk<'_> {
    /// `/management/users/…`
    pub(super) async fn admins(&self, rest: &[&str]) -> Result<Answer, Fault> {
        let method = self.call.method.clone();
        let changes = self.call.changes();
        match rest {
            [] if method == Method::POST => self.register_admin().await,
            [] => Err(Fault::system()),
            // Tollgate sends no mail, and so has nothing to reset, confirm or activate by it.
            ["resetpw"] => Err(Fault::not_found("")),
            [user] if self.call.reads() => {
                let admin = self.own_admin(user).await?;
                self.show_admin(&admin).await
            }
            [user] if method == Method::PUT => self.update_admin(user).await,
            [user, "password"] if changes => self.admin_password(user).await,
            [user, "revoketokens"] if changes => {
                let admin = self.own_admin(user).await?;
                self.directory.revoke_admin_tokens(admin.id).await?;
                Ok(self.action("revoked user tokens", Value::Null))
            }
            [user, "revoketoken"] if changes => self.revoke_admin_token(user).await,
            [user, "organizations" | "orgs", rest @ ..] => {
                let admin = self.own_admin(user).await?;
                self.admin_organizations(&admin, rest).await
            }
            [_] => Err(Fault::method()),
            _ => Err(Fault::not_found("")),
        }
    }

    /// The admin of this name, for itself. Others are told the same whether or not there is one.
    async fn own_admin(&self, name: &str) -> Result<Admin, Fault> {
        let refused = || Fault::unauthorized("No admin user access authorized");
        let caller = self.call.caller.filter(|caller| caller.kind == PrincipalKind::AdminUser);
        let caller = caller.ok_or_else(|| {
            if name.eq_ignore_ascii_case("me") {
                Fault::unauthorized("No admin identity for access credentials provided")
            } else {
                refused()
            }
        })?;
        let name = if name.eq_ignore_ascii_case("me") { caller.id.as_str() } else { name };
        let found = self.directory.admin(name).await?;
        found.filter(|admin| admin.id.to_string() == caller.id).ok_or_else(refused)
    }

    async fn register_admin(&self) -> Result<Answer, Fault> {
        if !self.directory.settings().open_registration {
            return Err(Fault::argument("Public registration of admin users is disabled"));
        }
        if self.input.source == Source::Json {
            let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_supported");
            return Err(Fault::new(
                status,
                code,
                class::UNSUPPORTED,
                "HTTP 415 Unsupported Media Type",
            ));
        }
        let admin = self.directory.create_admin(self.new_admin()?, None).await?;
        let data = json!({ "user": entities::admin(&admin) });
        Ok(self.action("create user", json!({ "status": "ok", "data": data })))
    }

    async fn show_admin(&self, admin: &Admin) -> Result<Answer, Fault> {
        let mut data = entities::admin(admin);
        if let Some((token, _)) = self.call.token {
            // The one that was presented; the platform's first generation answered a new one.
            data.insert("token".to_owned(), json!(token.expose()));
        }
        if self.input.query("shallow") != Some("true") {
            data.insert("organizations".to_owned(), self.organizations_of(admin).await?);
        }
        Ok(self.action("get admin user", json!({ "status": "ok", "data": data })))
    }

    async fn update_admin(&self, name: &str) -> Result<Answer, Fault> {
        let admin = self.own_admin(name).await?;
        let input = &self.input;
        if input.has("newpassword") {
            self.change_admin_password(&admin).await?;
        }
        let free = input.values().iter().filter(|(name, _)| !FIELDS.contains(&name.as_str()));
        let mut properties: Properties =
            free.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(Value::Object(more)) = input.value("properties") {
            properties.extend(more.clone());
        }
        let change = AdminChange {
            username: input.text("username")?,
            name: input.text("name")?,
            email: input.text("email")?,
            properties,
        };
        self.directory.update_admin(admin.id, &change).await?;
        Ok(self.action("update user info", Value::Null))
    }

    /// The old password is the proof; no token is asked for, as on the platform.
    async fn admin_password(&self, name: &str) -> Result<Answer, Fault> {
        let own;
        let name = if name.eq_ignore_ascii_case("me") {
            own = self.own_admin(name).await?.id.to_string();
            &own
        } else {
            name
        };
        let found = self.directory.admin(name).await?;
        match &found {
            Some(admin) => self.change_admin_password(admin).await?,
            None => {
                let (old, _) = self.old_and_new()?;
                let nobody = self.directory.login_admin(name, &old, self.call.address).await;
                return Err(nobody.map_or_else(Fault::of_old_password, |_| Fault::wrong_password()));
            }
        }
        Ok(self.action("set user password", Value::Null))
    }

    async fn change_admin_password(&self, admin: &Admin) -> Result<(), Fault> {
        let (old, new) = self.old_and_new()?;
        let confirmed = self.directory.confirm_admin_password(admin, &old, self.call.address);
        confirmed.await.map_err(Fault::of_old_password)?;
        self.directory.set_admin_password(admin.id, &new).await?;
        Ok(())
    }

    /// Whoever has a token may end it: it is the proof.
    async fn revoke_admin_token(&self, name: &str) -> Result<Answer, Fault> {
        let id = if name.eq_ignore_ascii_case("me") {
            Some(self.own_admin(name).await?.id)
        } else {
            self.directory.admin(name).await?.map(|admin| admin.id)
        };
        let id = id.map(|id| id.to_string());
        self.revoke_one(|record| {
            record.holder == Some(Holder::AdminUser) && Some(&record.subject) == id.as_ref()
        })
        .await?;
        Ok(self.action("revoked user tokens", Value::Null))
    }

    /// `/management/users/{u}/organizations/…`
    async fn admin_organizations(&self, admin: &Admin, rest: &[&str]) -> Result<Answer, Fault> {
        match (rest, self.call.method) {
            ([], &(Method::GET | Method::HEAD)) => {
                let all = admin.organizations.iter();
                let data: Map<String, Value> =
                    all.map(|named| (named.name.clone(), json!(named.id))).collect();
                Ok(self.action("get user management organizations", json!({ "data": data })))
            }
            ([], &Method::POST) => {
                if !self.directory.settings().open_registration {
                    return Err(Fault::argument("Public organization registration is disabled"));
                }
                let new = NewOrganization {
                    name: self.input.text("organization")?.unwrap_or_default(),
                    ..NewOrganization::default()
                };
                let made = self.directory.create_organization(new, Owner::Known(admin.id)).await?;
                let data = entities::organization(&made.organization);
                Ok(self.action("new organization for user", json!({ "data": data })))
            }
            ([organization], &(Method::PUT | Method::POST | Method::DELETE)) => {
                let organization = self.own_organization(organization).await?;
                let named = Named { id: organization.id, name: organization.name };
                self.change_membership(&named, admin).await
            }
            _ => Err(Fault::method()),
        }
    }

    /// `/management/orgs/{o}/users/…`
    pub(super) async fn organization_users(
        &self,
        organization: &Named,
        rest: &[&str],
    ) -> Result<Answer, Fault> {
        match (rest, self.call.method) {
            ([], &(Method::GET | Method::HEAD)) => {
                let admins = self.directory.organization_admins(organization.id).await?;
                let data: Vec<_> = admins.iter().map(entities::admin).collect();
                Ok(self.action("get organization users", json!({ "data": data })))
            }
            ([], &Method::POST) => self.invite(organization).await,
            ([user], &(Method::PUT | Method::POST | Method::DELETE)) => {
                let found = self.directory.admin(user).await?;
                let admin = found.ok_or_else(|| Fault::management("user", user))?;
                self.change_membership(organization, &admin).await
            }
            _ => Err(Fault::method()),
        }
    }

    /// Somebody of this address becomes an admin of the organization, made if there is nobody yet.
    async fn invite(&self, organization: &Named) -> Result<Answer, Fault> {
        let email = self.input.text("email")?;
        let email = email.ok_or_else(|| Fault::argument("email form parameter is required"))?;
        let invites = self.input.text_or_flag("invite").is_none_or(|flag| flag != "false");
        let known = if invites { self.directory.admin(&email).await? } else { None };
        let admin = match known {
            Some(admin) => self.directory.add_admin(admin.id, organization).await?,
            None => self.directory.create_admin(self.new_admin()?, Some(organization)).await?,
        };
        let data = json!({ "user": entities::admin(&admin) });
        Ok(self.action("create user", json!({ "status": "ok", "data": data })))
    }

    async fn change_membership(
        &self,
        organization: &Named,
        admin: &Admin,
    ) -> Result<Answer, Fault> {
        let leaves = *self.call.method == Method::DELETE;
        let (action, admin) = if leaves {
            let admin = self.directory.remove_admin(admin.id, organization).await?;
            ("remove user from organization", admin)
        } else {
            let admin = self.directory.add_admin(admin.id, organization).await?;
            ("add user to organization", admin)
        };
        let data = json!({ "user": entities::admin(&admin) });
        Ok(self.action(action, json!({ "status": "ok", "data": data })))
    }
}
