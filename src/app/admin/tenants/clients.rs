//! Clients of organizations and applications.

use serde_json::Value;
use uuid::Uuid;

use super::{
    Office,
    view::ClientView,
    wire::{ClientJob, ClientRef},
};
use crate::{
    app::admin::{
        desk::to_value,
        wire::{Complaint, Kind},
    },
    directory::{
        ClientSecret,
        clients::Tokens,
        vault::{ClientId, ClientKind},
    },
    secret::Secret,
};

/// Longest secret of another platform.
const SECRET_BYTES_MAX: usize = 512;

impl Office {
    pub(super) async fn client(&self, job: &ClientJob) -> Result<Value, Complaint> {
        let client = match job {
            ClientJob::Show { of } => self.client_of(of).await?,
            ClientJob::Rotate { of, revoke } => {
                let id = self.client_id(of).await?;
                let tokens = if *revoke { Tokens::Revoke } else { Tokens::Keep };
                self.directory.set_client_secret(id, None, tokens).await?
            }
            ClientJob::Import { of, id, secret } => {
                let own = self.client_id(of).await?;
                check_id(of, own, id)?;
                let secret = Secret::from(secret);
                check_secret(&secret)?;
                self.directory.set_client_secret(own, Some(&secret), Tokens::Keep).await?
            }
            ClientJob::Revoke { of } => {
                let id = self.client_id(of).await?;
                self.directory.revoke_client_tokens(id).await?;
                return Ok(serde_json::json!({ "client_id": id.to_string() }));
            }
        };
        to_value(&ClientView::from(&client))
    }

    async fn client_of(&self, of: &ClientRef) -> Result<ClientSecret, Complaint> {
        Ok(match of {
            ClientRef::Organization(name) => {
                self.directory.organization_client(&self.find_organization(name).await?)?
            }
            ClientRef::Application(app) => {
                self.directory.application_client(&self.find_application(app).await?)?
            }
        })
    }

    async fn client_id(&self, of: &ClientRef) -> Result<ClientId, Complaint> {
        Ok(match of {
            ClientRef::Organization(name) => ClientId {
                kind: ClientKind::Organization,
                id: self.find_organization(name).await?.id,
            },
            ClientRef::Application(app) => {
                ClientId { kind: ClientKind::Application, id: self.find_application(app).await?.id }
            }
        })
    }
}

/// A client's id holds the UUID of its organization or application: one that holds another would never
/// find its way here.
fn check_id(of: &ClientRef, own: ClientId, text: &str) -> Result<(), Complaint> {
    let bad = |message: String| Complaint::new(Kind::BadInput, message);
    let given = ClientId::parse(text).ok_or_else(|| {
        bad(format!("`{text}` is no client id"))
            .help("an organization's has 26 characters after b3U6…, an application's after YXA6…")
    })?;
    if given.kind != own.kind {
        let (is, wants) = match own.kind {
            ClientKind::Organization => ("an application's (YXA6…)", "an organization"),
            ClientKind::Application => ("an organization's (b3U6…)", "an application, acme/shop"),
        };
        return Err(bad(format!("`{text}` is {is} client id, and `{of}` is {wants}")));
    }
    if given.id == own.id {
        return Ok(());
    }
    let message = format!("`{text}` belongs to the UUID {}, and `{of}` is {}", given.id, own.id);
    Err(bad(message).help(way_out(of, given.id)))
}

fn way_out(of: &ClientRef, id: Uuid) -> String {
    match of {
        ClientRef::Organization(_) => format!(
            "make the organization under the UUID that its clients know, then import: `tollgate org \
             create NAME --uuid {id} --owner-username NAME --owner-email ADDRESS`"
        ),
        ClientRef::Application(app) => format!(
            "make the application under the UUID that its clients know, then import: `tollgate app \
             create {}/NAME --uuid {id}`; one that is in the way goes by `tollgate app delete`",
            app.organization
        ),
    }
}

/// Shorter ones could be guessed; those of the platform have 31.
const SECRET_BYTES_MIN: usize = 16;

fn check_secret(secret: &Secret) -> Result<(), Complaint> {
    let text = secret.expose();
    let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len());
    if !fits || text.chars().any(char::is_control) {
        let message = format!(
            "a client's secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes and no control \
             character"
        );
        return Err(Complaint::new(Kind::BadInput, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_uuid_or_kind_is_refused_with_the_way_out() {
        let id = |kind, id| ClientId { kind, id: Uuid::from_u128(id) };
        let app: ClientRef = "acme/shop".parse().unwrap();
        let own = id(ClientKind::Application, 1);
        assert!(check_id(&app, own, &own.to_string()).is_ok());

        let other = id(ClientKind::Application, 2);
        let refused = check_id(&app, own, &other.to_string()).unwrap_err();
        let help = refused.help.unwrap();
        assert!(help.contains(&format!("app create acme/NAME --uuid {}", other.id)), "{help}");

        let organization = id(ClientKind::Organization, 1);
        let refused = check_id(&app, own, &organization.to_string()).unwrap_err();
        assert!(refused.error.contains("an organization's"), "{}", refused.error);
        assert!(check_id(&app, own, "YXA6").is_err());
    }
}
