//! What is asked: a request that nobody sent, and perhaps whom to take for its caller.

use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Method, Request, Version, header::HOST, request::Parts};
use serde::{Deserialize, Serialize};

use crate::{
    config::caller::at_home,
    policy::requirement::At,
    principal::{Certificate, CertificateName, Principal, PrincipalKind},
};

/// Longer than anybody will ask.
const FOR_EVER: Duration = Duration::from_secs(1 << 40);

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
    /// The names of the certificate that the client shows; none for no certificate.
    #[serde(default, rename = "cert", skip_serializing_if = "Vec::is_empty")]
    pub certificate: Vec<String>,
}

/// A caller made up for a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// `application_user`, `application`, `organization` or `admin_user`: only with `[usergrid]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What `self:{x}` compares; with `[usergrid]` the name will do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
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
    /// The organization that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The application that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
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
    /// There is no such caller.
    #[error("--as: {0}")]
    Caller(String),
}

impl Caller {
    /// The principal that the gateway would make of it. `tenants`: with `[usergrid]`.
    ///
    /// # Errors
    /// [`BadQuestion::Caller`] when there can be no such caller.
    pub fn principal(&self, tenants: bool) -> Result<Principal, BadQuestion> {
        let bad = |message: String| BadQuestion::Caller(message);
        let kind = self.kind(tenants)?;
        let mut principal = Principal {
            kind,
            id: self.id.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            roles: self.roles.clone().into(),
            scopes: self.scopes.clone().into(),
            home: None,
        };
        if tenants {
            let known = Some(&principal.id).filter(|id| !id.is_empty());
            let (id, name) = (known.or(self.name.as_ref()), self.name.as_ref().or(known));
            (principal.id, principal.name) = (id.cloned().unwrap_or_default(), name.cloned());
        }
        let is_client = matches!(kind, PrincipalKind::Application | PrincipalKind::Organization);
        if principal.id.is_empty() && !is_client {
            return Err(bad("a caller has an id".to_owned()));
        }
        if !tenants {
            return match (&self.organization, &self.application) {
                (None, None) => Ok(principal),
                _ => Err(bad("there are no tenants without `[usergrid]`".to_owned())),
            };
        }
        if !principal.scopes.is_empty() {
            return Err(bad("nobody of a tenant has scopes".to_owned()));
        }
        if !principal.roles.is_empty() && kind != PrincipalKind::ApplicationUser {
            return Err(bad("only an application's user has roles".to_owned()));
        }
        principal.roles = principal.roles.iter().map(|role| role.to_lowercase()).collect();
        at_home(principal, self.homes().map_err(bad)?).map_err(|_| {
            let keys = match kind {
                PrincipalKind::AdminUser | PrincipalKind::Organization => {
                    "\"organization\":\"acme\""
                }
                PrincipalKind::Guest
                | PrincipalKind::User
                | PrincipalKind::ApplicationUser
                | PrincipalKind::Application => {
                    "\"organization\":\"acme\",\"application\":\"shop\""
                }
            };
            bad(format!("say where this {} is of: {keys}, and no other", kind.label()))
        })
    }

    fn kind(&self, tenants: bool) -> Result<PrincipalKind, BadQuestion> {
        const KINDS: [PrincipalKind; 4] = [
            PrincipalKind::ApplicationUser,
            PrincipalKind::Application,
            PrincipalKind::Organization,
            PrincipalKind::AdminUser,
        ];
        let (kinds, default) = if tenants {
            (&KINDS[..], PrincipalKind::ApplicationUser)
        } else {
            (&[PrincipalKind::User][..], PrincipalKind::User)
        };
        let Some(word) = &self.kind else { return Ok(default) };
        kinds.iter().copied().find(|kind| kind.label() == word).ok_or_else(|| {
            let labels: Vec<&str> = kinds.iter().map(|kind| kind.label()).collect();
            BadQuestion::Caller(format!("`{word}` is no kind of caller: {}", labels.join(", ")))
        })
    }

    fn homes(&self) -> Result<Vec<At>, String> {
        let at = match (&self.organization, &self.application) {
            (None, None) => return Ok(Vec::new()),
            (organization, None) => organization.clone().unwrap_or_default(),
            (organization, Some(application)) => {
                format!("{}/{application}", organization.as_deref().unwrap_or_default())
            }
        };
        At::parse(&at).map(|at| vec![at])
    }
}

impl Question {
    /// The certificate, which is valid for ever.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        let names: Vec<_> =
            self.certificate.iter().map(|name| CertificateName::read(name)).collect();
        let until = SystemTime::UNIX_EPOCH + FOR_EVER;
        (!names.is_empty()).then_some(Certificate { names, until })
    }

    /// The head as the server would hand it over; `None` when no server could read its target.
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
        // The server reads targets with the same function.
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
