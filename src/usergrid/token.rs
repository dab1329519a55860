//! The token endpoints: who proves what by which grant, and what the answer tells of its principal.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    Answer, Desk, Fault, TenantDesk, entities,
    fault::class,
    grant::{ClientFrom, Grant},
    lifetime::{NEVER_SECONDS, seconds_left},
};
use crate::{
    directory::{
        Directory, TenantName,
        model::{Admin, Organization, User},
        vault::{ClientId, ClientKind},
    },
    principal::PrincipalKind,
    secret::Secret,
    token::{
        record::TokenRecord,
        ttl::{expiry_ms, unix_ms},
    },
};

/// A client whose secret is right.
struct ProvenClient {
    /// The record of a token for it, without its times.
    record: TokenRecord,
    /// What the answer tells of it.
    more: Map<String, Value>,
    /// Whose it is.
    organization: String,
}

impl Desk<'_> {
    /// `/management/token`, `/management/me` and `/token`.
    pub(super) async fn management_token(&self) -> Result<Answer, Fault> {
        self.check_method()?;
        match self.grant()? {
            Grant::Password { username, password } => {
                self.check_basic().await?;
                let directory = self.directory;
                let login = directory.login_admin(&username, &password, self.call.address);
                let admin = login.await?;
                self.admin_answer(&admin).await
            }
            Grant::Client { id, secret, from } => self.client_answer(&id, &secret, from).await,
            Grant::None => self.own_token().await,
        }
    }

    /// A live admin token gets itself back, with what is left of its life.
    async fn own_token(&self) -> Result<Answer, Fault> {
        let (Some(caller), Some((token, expires_ms))) = (self.call.caller, self.call.token) else {
            return Err(Fault::grant());
        };
        if caller.kind != PrincipalKind::AdminUser {
            return Err(Fault::unauthorized("No admin user access authorized"));
        }
        let admin = self.directory.admin(&caller.id).await?.ok_or_else(Fault::grant)?;
        let left = seconds_left(expires_ms, self.call.started);
        let body = self.admin_body(&admin, token, left).await?;
        Ok(Answer::ok(body))
    }

    async fn admin_answer(&self, admin: &Admin) -> Result<Answer, Fault> {
        let lifetime = self.lifetime(None)?;
        let (token, seconds) = self.issue(Directory::admin_record(admin), lifetime).await?;
        Ok(Answer::ok(self.admin_body(admin, &token, seconds).await?))
    }

    async fn admin_body(
        &self,
        admin: &Admin,
        token: &Secret,
        seconds: i64,
    ) -> Result<Value, Fault> {
        let mut user = entities::admin(admin);
        user.insert("organizations".to_owned(), self.organizations_of(admin).await?);
        let mut body = token_body(token, seconds);
        body.insert("passwordChanged".to_owned(), json!(admin.password_changed_ms));
        body.insert("user".to_owned(), Value::Object(user));
        Ok(Value::Object(body))
    }

    /// The admin's organizations by name, each with its applications and admins.
    pub(super) async fn organizations_of(&self, admin: &Admin) -> Result<Value, Fault> {
        let mut all = Map::new();
        for named in &admin.organizations {
            let id = named.id.to_string();
            let found = self.directory.organization(&id).await?;
            if let Some(organization) = found.filter(|organization| organization.active) {
                let body = self.organization_body(&organization).await?;
                all.insert(named.name.clone(), body);
            }
        }
        Ok(Value::Object(all))
    }

    /// An organization with its applications and admins.
    pub(super) async fn organization_body(
        &self,
        organization: &Organization,
    ) -> Result<Value, Fault> {
        let applications = self.directory.applications(organization.id).await?;
        let admins = self.directory.organization_admins(organization.id).await?;
        let users: Map<String, Value> = admins
            .iter()
            .map(|admin| (admin.username.clone(), Value::Object(entities::admin(admin))))
            .collect();
        let mut body = entities::organization(organization);
        body.insert("applications".to_owned(), entities::applications(&applications));
        body.insert("users".to_owned(), Value::Object(users));
        Ok(Value::Object(body))
    }

    /// A client's token is its own, whichever endpoint it asks.
    async fn client_answer(
        &self,
        id: &str,
        secret: &Secret,
        from: ClientFrom,
    ) -> Result<Answer, Fault> {
        let proven = self.client_record(id, secret, from).await?;
        self.client_token(proven).await
    }

    async fn client_token(&self, proven: ProvenClient) -> Result<Answer, Fault> {
        let ProvenClient { record, more, .. } = proven;
        let lifetime = self.lifetime(None)?;
        let (token, seconds) = self.issue(record, lifetime).await?;
        let mut body = token_body(&token, seconds);
        body.extend(more);
        Ok(Answer::ok(Value::Object(body)))
    }

    /// Refuses a wrong client that stands in `Authorization: Basic` beside the password of somebody.
    async fn check_basic(&self) -> Result<(), Fault> {
        if let Some(basic) = &self.call.basic {
            self.client_record(&basic.id, &basic.secret, ClientFrom::Basic).await?;
        }
        Ok(())
    }

    /// The record of a client's token, and what the answer tells of its principal. A wrong secret is a
    /// try like a wrong password.
    async fn client_record(
        &self,
        id: &str,
        secret: &Secret,
        from: ClientFrom,
    ) -> Result<ProvenClient, Fault> {
        let turn = self.directory.turn().await?;
        let attempt = self.directory.attempt(&format!("client/{id}"), self.call.address).await?;
        let Some(proven) = self.proven_client(id, secret).await? else {
            return Err(wrong_client(from));
        };
        // The secret is right whether or not the count of wrong ones can be mended.
        let _ = attempt.succeeded(self.directory.store()).await;
        drop(turn);
        Ok(proven)
    }

    async fn proven_client(
        &self,
        id: &str,
        secret: &Secret,
    ) -> Result<Option<ProvenClient>, Fault> {
        let Some(id) = ClientId::parse(id) else { return Ok(None) };
        let mut more = Map::new();
        let key = id.id.to_string();
        match id.kind {
            ClientKind::Organization => {
                let Some(organization) = self.directory.organization(&key).await? else {
                    return Ok(None);
                };
                let right = self.directory.is_client_secret(id, &organization.client, secret)?;
                if !right || !organization.active {
                    return Ok(None);
                }
                more.insert(
                    "organization".to_owned(),
                    self.organization_body(&organization).await?,
                );
                let record = Directory::organization_record(&organization);
                Ok(Some(ProvenClient { record, more, organization: organization.name }))
            }
            ClientKind::Application => {
                let Some(application) = self.directory.application_by_id(id.id).await? else {
                    return Ok(None);
                };
                let right = self.directory.is_client_secret(id, &application.client, secret)?;
                if !right || !application.active || application.deleted {
                    return Ok(None);
                }
                let owner = application.organization.id.to_string();
                let owner = self.directory.organization(&owner).await?;
                let Some(owner) = owner.filter(|owner| owner.active) else { return Ok(None) };
                more.insert("application".to_owned(), json!(application.id));
                let record = self.directory.application_record(&application).await?;
                Ok(Some(ProvenClient { record, more, organization: owner.name }))
            }
        }
    }

    /// The token endpoint of a tenant that there is not: costs and answers what a wrong password does.
    /// A client gets its token, as at any other endpoint; that of the organization is told that there is
    /// no such application.
    pub(super) async fn nobody_logs_in(&self, name: &TenantName) -> Result<Answer, Fault> {
        self.check_method()?;
        match self.grant()? {
            Grant::Password { username, password } => {
                self.check_basic().await?;
                let nobody = uuid::Uuid::nil();
                let login =
                    self.directory.login_user(nobody, &username, &password, self.call.address);
                login.await?;
                Err(Fault::grant())
            }
            Grant::Client { id, secret, from } => {
                let proven = self.client_record(&id, &secret, from).await?;
                match name {
                    TenantName::Names(organization, application)
                        if **organization == proven.organization =>
                    {
                        let path = format!("{organization}/{application}/token");
                        Err(Fault::no_tenant(organization, application, &path))
                    }
                    TenantName::Names(..) | TenantName::Application(_) => {
                        self.client_token(proven).await
                    }
                }
            }
            Grant::None => Err(Fault::grant()),
        }
    }

    fn check_method(&self) -> Result<(), Fault> {
        if *self.call.method == Method::GET || *self.call.method == Method::POST {
            Ok(())
        } else {
            Err(Fault::method())
        }
    }

    fn grant(&self) -> Result<Grant, Fault> {
        let call = self.call;
        let has_token = call.token.is_some();
        Grant::read(call.method, &self.input, call.basic.as_ref(), has_token)
    }

    /// Keeps a record and mints its token; the token, and its seconds.
    async fn issue(
        &self,
        record: TokenRecord,
        lifetime: Option<Duration>,
    ) -> Result<(Secret, i64), Fault> {
        let now = SystemTime::now();
        let issued_ms = unix_ms(now);
        let Some(expires_ms) = expiry_ms(issued_ms, lifetime) else {
            return Err(Fault::argument("ttl is too large"));
        };
        let id = self.directory.new_id();
        let token = self.office.keyring.mint(id, expires_ms).ok_or_else(|| {
            Fault::argument("no token can be signed: the configuration has no secret")
        })?;
        let record = TokenRecord { issued_ms, expires_ms, ..record };
        self.directory.store().keep(id, &record).await?;
        let seconds = lifetime.map_or(NEVER_SECONDS, |lifetime| {
            i64::try_from(lifetime.as_secs()).unwrap_or(NEVER_SECONDS)
        });
        Ok((token, seconds))
    }
}

impl TenantDesk<'_> {
    /// `/{org}/{app}/token`
    pub(super) async fn token(&self) -> Result<Answer, Fault> {
        self.desk.check_method()?;
        match self.desk.grant()? {
            Grant::Password { username, password } => {
                self.desk.check_basic().await?;
                let from = self.desk.call.address;
                let login = self.directory().login_user(self.id(), &username, &password, from);
                let user = login.await?;
                self.user_answer(&user).await
            }
            Grant::Client { id, secret, from } => self.desk.client_answer(&id, &secret, from).await,
            Grant::None => Err(Fault::grant()),
        }
    }

    /// A token for the user, as its login would give.
    pub(super) async fn user_answer(&self, user: &User) -> Result<Answer, Fault> {
        let known = self.known;
        if !known.application.active || !known.organization.active {
            return Err(Fault::grant());
        }
        let lifetime = self.desk.lifetime(Some(&known.application))?;
        let record = self.directory().user_record(&known.application, user).await?;
        let (token, seconds) = self.desk.issue(record, lifetime).await?;
        let mut body = token_body(&token, seconds);
        body.insert("user".to_owned(), Value::Object(entities::user(user)));
        Ok(Answer::ok(Value::Object(body)))
    }
}

/// `token_type` is what RFC 6749 5.1 asks for; no client of the platform minds it.
fn token_body(token: &Secret, seconds: i64) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("access_token".to_owned(), json!(token.expose()));
    body.insert("token_type".to_owned(), json!("Bearer"));
    body.insert("expires_in".to_owned(), json!(seconds));
    body
}

fn wrong_client(from: ClientFrom) -> Fault {
    let (code, text) = match from {
        ClientFrom::Body => return Fault::grant(),
        ClientFrom::Query => ("invalid_client", "Unable to authenticate (OAuth)"),
        ClientFrom::Basic => {
            ("auth_invalid_credentials", "Unable to authenticate due to invalid client credentials")
        }
    };
    let fault = Fault::new(StatusCode::UNAUTHORIZED, code, class::SECURITY, text);
    Fault { reason: "client_wrong", ..fault }
}
