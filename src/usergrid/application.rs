//! The application itself, and the credentials of its client.

use http::Method;
use serde_json::{Value, json};

use super::{Answer, Fault, TenantDesk, entities};
use crate::directory::{
    ApplicationChange,
    clients::Tokens,
    vault::{ClientId, ClientKind},
};

/// What an application's properties may not be called.
const FIELDS: [&str; 9] = [
    "uuid",
    "type",
    "name",
    "created",
    "modified",
    "accesstokenttl",
    "organizationName",
    "applicationName",
    "metadata",
];

impl TenantDesk<'_> {
    /// `/{org}/{app}`
    pub(super) async fn application(&self) -> Result<Answer, Fault> {
        let call = self.desk.call;
        if call.reads() {
            self.require(None)?;
            // As it is now, not as it was a moment ago: whoever has just changed it looks here.
            let found = self.directory().application_by_id(self.id()).await?;
            let found = found.as_ref().unwrap_or(&self.known.application);
            return Ok(self.envelope(vec![entities::application(found)], Value::Null));
        }
        if *call.method == Method::PUT {
            self.require(None)?;
            let change = self.application_change()?;
            let changed = self.directory().update_application(self.id(), &change).await?;
            return Ok(self.envelope(vec![entities::application(&changed)], Value::Null));
        }
        self.require(None)?;
        Err(Fault::method())
    }

    fn application_change(&self) -> Result<ApplicationChange, Fault> {
        let input = &self.desk.input;
        let token_ttl_ms = match input.text("accesstokenttl")? {
            None => None,
            Some(text) => Some(self.token_ttl(&text)?),
        };
        let properties = input
            .values()
            .iter()
            .filter(|(name, _)| !FIELDS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Ok(ApplicationChange { token_ttl_ms, properties })
    }

    /// `accesstokenttl`, milliseconds.
    fn token_ttl(&self, text: &str) -> Result<i64, Fault> {
        let settings = self.directory().settings();
        let max_ms = i64::try_from(settings.application_ttl_max.as_millis()).unwrap_or(i64::MAX);
        let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !number {
            return Err(Fault::argument("accesstokenttl must be a number >= 0"));
        }
        let asked = text.parse::<i64>().unwrap_or(i64::MAX);
        if asked == 0 && !settings.never_expire {
            return Err(Fault::argument("accesstokenttl cannot be 0: tokens have to expire here"));
        }
        if asked > max_ms {
            return Err(Fault::argument(format!(
                "accesstokenttl cannot be more than {max_ms} milliseconds"
            )));
        }
        Ok(asked)
    }

    /// `/{org}/{app}/credentials`
    pub(super) async fn credentials(&self) -> Result<Answer, Fault> {
        if !self.administers() {
            return Err(Fault::no_credentials());
        }
        let client = match *self.desk.call.method {
            Method::GET | Method::HEAD => {
                let found = self.directory().application_by_id(self.id()).await?;
                let found = found.as_ref().unwrap_or(&self.known.application);
                self.directory().application_client(found)?
            }
            Method::POST => {
                let id = ClientId { kind: ClientKind::Application, id: self.id() };
                self.directory().set_client_secret(id, None, self.desk.revokes()).await?
            }
            _ => return Err(Fault::method()),
        };
        let generated = *self.desk.call.method == Method::POST;
        let action = if generated { "generate application keys" } else { "get application keys" };
        let more = json!({ "status": "ok", "credentials": entities::credentials(&client) });
        Ok(self.desk.action(action, more))
    }
}

impl super::Desk<'_> {
    /// `?revoke=true` beside a new secret also ends the client's tokens.
    pub(super) fn revokes(&self) -> Tokens {
        if self.input.query("revoke") == Some("true") { Tokens::Revoke } else { Tokens::Keep }
    }
}
