//! Organizations, their applications and credentials: `/management/orgs/…`.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Answer, Desk, Fault, entities, fault::class, input::Source};
use crate::{
    directory::{
        DirectoryError, Kind, NewAdmin, NewOrganization,
        model::{Application, Organization},
        organizations::Owner,
        vault::{ClientId, ClientKind},
    },
    principal::{Named, Principal, PrincipalKind},
};

/// Parameters of a registration that are ours to know; others become the admin's properties.
const REGISTRATION: [&str; 6] =
    ["organization", "username", "name", "email", "password", "properties"];

impl Desk<'_> {
    /// `/management/…`
    pub(super) async fn management(&self, rest: &[&str]) -> Result<Answer, Fault> {
        match rest {
            ["token" | "me"] => self.management_token().await,
            ["orgs" | "organizations"] => match *self.call.method {
                Method::POST => self.register().await,
                _ => Err(Fault::system()),
            },
            ["orgs" | "organizations", organization, rest @ ..] => {
                self.organization(organization, rest).await
            }
            ["users", rest @ ..] => self.admins(rest).await,
            _ => Err(Fault::not_found("")),
        }
    }

    /// A new organization, its owner and its sandbox.
    async fn register(&self) -> Result<Answer, Fault> {
        if !self.directory.settings().open_registration {
            return Err(Fault::argument("Public organization registration is disabled"));
        }
        if self.input.source == Source::Nothing {
            return Err(Fault::argument("The organization parameter was missing"));
        }
        let new = NewOrganization {
            name: self.input.text("organization")?.unwrap_or_default(),
            id: None,
            properties: self
                .input
                .value("properties")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            sandbox: true,
        };
        let owner = Owner::New(self.new_admin()?);
        let created = self.directory.create_organization(new, owner).await?;
        let data = json!({
            "owner": entities::admin(&created.owner),
            "organization": entities::organization(&created.organization),
        });
        Ok(self.action("new organization", json!({ "status": "ok", "data": data })))
    }

    /// The admin that a registration describes.
    pub(super) fn new_admin(&self) -> Result<NewAdmin, Fault> {
        let input = &self.input;
        let free = input
            .values()
            .iter()
            .filter(|(name, _)| !REGISTRATION.contains(&name.as_str()) && !is_ours(name));
        Ok(NewAdmin {
            username: input.text("username")?,
            name: input.text("name")?,
            email: input.text("email")?.unwrap_or_default(),
            password: input.secret("password")?,
            properties: free.map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    }

    /// The organization of this name, for its admins and its client. Others are told the same whether
    /// or not there is one.
    pub(super) async fn own_organization(&self, name: &str) -> Result<Organization, Fault> {
        let found = self.directory.organization(name).await?;
        let may = |caller: &Principal, organization: &Organization| {
            let kind =
                matches!(caller.kind, PrincipalKind::AdminUser | PrincipalKind::Organization);
            kind && organization.active && caller.is_of(organization.id)
        };
        found
            .filter(|organization| self.call.caller.is_some_and(|caller| may(caller, organization)))
            .ok_or_else(|| Fault::unauthorized("No organization access authorized"))
    }

    async fn organization(&self, name: &str, rest: &[&str]) -> Result<Answer, Fault> {
        let organization = self.own_organization(name).await?;
        let named = Named { id: organization.id, name: organization.name.clone() };
        match rest {
            [] => self.organization_itself(&organization).await,
            ["credentials"] => {
                let client = match *self.call.method {
                    Method::GET | Method::HEAD => {
                        self.directory.organization_client(&organization)?
                    }
                    Method::POST => {
                        let id = ClientId { kind: ClientKind::Organization, id: organization.id };
                        self.directory.set_client_secret(id, None, self.revokes()).await?
                    }
                    _ => return Err(Fault::method()),
                };
                let credentials = entities::credentials(&client);
                let action = format!("{} organization client credentials", self.gets_or_makes());
                Ok(self.action(&action, json!({ "credentials": credentials })))
            }
            ["users", rest @ ..] => self.organization_users(&named, rest).await,
            ["apps" | "applications", rest @ ..] => self.applications(&named, rest).await,
            _ => Err(Fault::not_found("")),
        }
    }

    fn gets_or_makes(&self) -> &'static str {
        if *self.call.method == Method::POST { "generate" } else { "get" }
    }

    async fn organization_itself(&self, organization: &Organization) -> Result<Answer, Fault> {
        match *self.call.method {
            Method::GET | Method::HEAD => {
                let mut body = Map::new();
                body.insert("organization".to_owned(), self.organization_body(organization).await?);
                self.stamp(&mut body);
                Ok(Answer::ok(Value::Object(body)))
            }
            Method::PUT => {
                let properties = self.input.value("properties").and_then(Value::as_object);
                let properties = properties.cloned().unwrap_or_default();
                let changed = self
                    .directory
                    .change_organization(organization.id, |it| it.properties = properties.clone())
                    .await?;
                let body = json!({ "organization": entities::organization(&changed) });
                Ok(self.action("put", body))
            }
            Method::DELETE => {
                let (status, code) = (StatusCode::NOT_IMPLEMENTED, "not_implemented");
                let text = "Organization delete is not allowed yet";
                Err(Fault::new(status, code, class::UNSUPPORTED, text))
            }
            _ => Err(Fault::method()),
        }
    }

    /// `/management/orgs/{o}/apps/…`
    async fn applications(&self, organization: &Named, rest: &[&str]) -> Result<Answer, Fault> {
        match (rest, self.call.method) {
            ([], &(Method::GET | Method::HEAD)) => {
                let all = self.directory.applications(organization.id).await?;
                let data = entities::applications(&all);
                Ok(self.action("get organization application", json!({ "data": data })))
            }
            ([], &Method::POST) => {
                let name = self.input.text("name")?.unwrap_or_default();
                let made = self.directory.create_application(organization, &name).await?;
                let data = entities::applications(std::slice::from_ref(&made));
                let entities = [entities::application(&made)];
                let body = json!({ "data": data, "entities": entities });
                Ok(self.action("new application for organization", body))
            }
            ([name], &Method::PUT) => {
                let id = name.parse().map_err(|_| Fault::argument("restoring needs a UUID"))?;
                let found = self.directory.application_by_id(id).await?;
                let own = found.filter(|it| it.organization.id == organization.id);
                own.ok_or_else(|| no_application(name))?;
                let restored = self.directory.restore_application(id).await?;
                Ok(self
                    .action("restore", json!({ "entities": [entities::application(&restored)] })))
            }
            ([name, rest @ ..], _) => {
                let found = self.directory.application(organization, name).await?;
                let application = found.ok_or_else(|| no_application(name))?;
                self.application(&application, name, rest).await
            }
            ([], _) => Err(Fault::method()),
        }
    }

    async fn application(
        &self,
        application: &Application,
        name: &str,
        rest: &[&str],
    ) -> Result<Answer, Fault> {
        match (rest, self.call.method) {
            ([], &(Method::GET | Method::HEAD)) => {
                let more = json!({
                    "application": application.id,
                    "entities": [entities::application(application)],
                    "organization": application.organization.name,
                    "applicationName": application.name,
                });
                Ok(self.action("get", more))
            }
            ([], &Method::DELETE) => {
                // In the same form as in the path: nobody deletes what they did not mean.
                let confirmed = self.input.query("confirm_application_identifier");
                if confirmed != Some(name) {
                    let text = "Cannot delete application without supplying correct application \
                                name or uuid in confirm_application_identifier";
                    return Err(Fault::argument(text));
                }
                self.directory.delete_application(application.id).await?;
                Ok(self.action("delete", Value::Null))
            }
            (["credentials"], method) => {
                let client = match *method {
                    Method::GET | Method::HEAD => self.directory.application_client(application)?,
                    Method::POST => {
                        let id = ClientId { kind: ClientKind::Application, id: application.id };
                        self.directory.set_client_secret(id, None, self.revokes()).await?
                    }
                    _ => return Err(Fault::method()),
                };
                let credentials = entities::credentials(&client);
                let action = format!("{} application client credentials", self.gets_or_makes());
                Ok(self.action(&action, json!({ "credentials": credentials })))
            }
            ([], _) => Err(Fault::method()),
            _ => Err(Fault::not_found("")),
        }
    }
}

/// Parameters of other meanings, which are nobody's properties.
fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "oldpassword" | "newpassword" | "invite" | "ttl" | "access_token" | "uuid" | "type"
    )
}

fn no_application(name: &str) -> Fault {
    DirectoryError::Missing { kind: Kind::Application, name: name.to_owned() }.into()
}
