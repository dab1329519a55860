//! What is asked: a request that nobody sent, and perhaps whom to take for its caller.

use http::{HeaderName, HeaderValue, Method, Request, Version, header::HOST, request::Parts};
use serde::{Deserialize, Serialize};

use crate::principal::{Principal, PrincipalKind};

/// A request to explain. It crosses the admin listener as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// `GET`
    pub method: String,
    /// The request target as a client would send it: `/users/bob/cart?page=2`.
    pub target: String,
    /// The Host field.
    pub host: String,
    /// Further fields, name and value.
    #[serde(default)]
    pub fields: Vec<(String, String)>,
    /// Take this caller for the one that the credential proves.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
}

/// A caller made up for a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// What `self:{x}` compares.
    pub id: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Roles held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Scopes granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// A question that is not about any request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuestion {
    /// No method can be spelled so.
    #[error("`{0}` is no method")]
    Method(String),
    /// No field can be called so.
    #[error("`{0}` is no field name")]
    FieldName(String),
    /// The value, which may be a credential, is not quoted.
    #[error("the value of `{0}` holds a control character")]
    FieldValue(String),
}

impl Caller {
    /// The principal that the gateway would make of it.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal {
            kind: PrincipalKind::User,
            id: self.id.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            roles: self.roles.clone(),
            scopes: self.scopes.clone(),
        }
    }
}

impl Question {
    /// The head as hyper would hand it over; `None` when no server could read its target.
    ///
    /// # Errors
    /// [`BadQuestion`] for what no client could send.
    pub(super) fn head(&self) -> Result<Option<Parts>, BadQuestion> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| BadQuestion::Method(self.method.clone()))?;
        let mut fields = Vec::with_capacity(self.fields.len() + 1);
        let named =
            |name: &str| self.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !named("host") {
            fields.push((HOST, field_value("host", &self.host)?));
        }
        for (name, value) in &self.fields {
            let known = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| BadQuestion::FieldName(name.clone()))?;
            fields.push((known, field_value(name, value)?));
        }
        let request =
            Request::builder().method(method).version(Version::HTTP_11).uri(&self.target).body(());
        // hyper reads targets with the same function.
        let Ok(request) = request else { return Ok(None) };
        let mut parts = request.into_parts().0;
        for (name, value) in fields {
            parts.headers.append(name, value);
        }
        Ok(Some(parts))
    }
}

fn field_value(name: &str, value: &str) -> Result<HeaderValue, BadQuestion> {
    HeaderValue::from_str(value.trim())
        .or_else(|_| HeaderValue::from_bytes(value.trim().as_bytes()))
        .map_err(|_| BadQuestion::FieldValue(name.to_owned()))
}
