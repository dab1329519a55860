//! Names of applications, and of whose client something is: one text, as people write and read it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// `acme/shop`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TenantRef {
    pub(crate) organization: String,
    pub(crate) application: String,
}

impl FromStr for TenantRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((organization, application))
                if !organization.is_empty()
                    && !application.is_empty()
                    && !application.contains('/') =>
            {
                Ok(Self {
                    organization: organization.to_owned(),
                    application: application.to_owned(),
                })
            }
            _ => Err("an application is named with its organization: acme/shop".to_owned()),
        }
    }
}

impl fmt::Display for TenantRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organization, self.application)
    }
}

impl TryFrom<String> for TenantRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<TenantRef> for String {
    fn from(tenant: TenantRef) -> Self {
        tenant.to_string()
    }
}

/// `acme`, or `acme/shop`: whose client it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum ClientRef {
    Organization(String),
    Application(TenantRef),
}

impl FromStr for ClientRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return text.parse().map(Self::Application);
        }
        if text.is_empty() {
            return Err(
                "a client is an organization's, acme, or an application's, acme/shop".into()
            );
        }
        Ok(Self::Organization(text.to_owned()))
    }
}

impl fmt::Display for ClientRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(name) => f.write_str(name),
            Self::Application(tenant) => tenant.fmt(f),
        }
    }
}

impl TryFrom<String> for ClientRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClientRef> for String {
    fn from(client: ClientRef) -> Self {
        client.to_string()
    }
}
