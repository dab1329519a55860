//! Whom a credential proved. Values only: where they come from is `auth`'s business.

use std::{fmt, net::IpAddr, sync::Arc, time::SystemTime};

use uuid::Uuid;

use crate::permission::{PermissionSet, Spellings};

/// Which kind of caller a principal is. The label is what `{principal.kind}` sends to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// No credential was presented and the rule lets guests in.
    Guest,
    /// A subject that a token proved; without `[usergrid]` everybody is one.
    User,
    /// A user of one application.
    ApplicationUser,
    /// An application's client.
    Application,
    /// An organization's client.
    Organization,
    /// Somebody who administers organizations.
    AdminUser,
}

impl PrincipalKind {
    /// The word for the wire, the log and `[expect]` lines.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
            Self::ApplicationUser => "application_user",
            Self::Application => "application",
            Self::Organization => "organization",
            Self::AdminUser => "admin_user",
        }
    }
}

/// What a client's certificate says, whose issuer was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it was given to.
    pub names: Vec<CertificateName>,
    /// From then it is not valid.
    pub until: SystemTime,
}

/// A subject alternative name. Names of different kinds are never equal, however they are spelled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// In lower case, without the root's dot.
    Dns(String),
    /// Such as `spiffe://example/app`, byte for byte.
    Uri(String),
    /// An e-mail address, its domain in lower case.
    Email(String),
    /// IPv4 inside IPv6 is IPv4.
    Ip(IpAddr),
}

impl CertificateName {
    /// The name that somebody means who writes `text`: an address, else with a colon a URI, else with an
    /// `@` a mailbox, else a DNS name.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.parse::<IpAddr>() {
            Ok(ip) => Self::Ip(ip.to_canonical()),
            Err(_) if text.contains(':') => Self::Uri(text.to_owned()),
            Err(_) if text.contains('@') => Self::email(text),
            Err(_) => Self::dns(text),
        }
    }

    /// A DNS name.
    #[must_use]
    pub fn dns(name: &str) -> Self {
        Self::Dns(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
    }

    /// An e-mail address.
    #[must_use]
    pub fn email(address: &str) -> Self {
        Self::Email(match address.rsplit_once('@') {
            Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
            None => address.to_owned(),
        })
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => f.write_str(text),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// Names that many callers have in common: kept once for all of them.
pub type Words = Arc<[String]>;

/// The proven caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What kind of caller this is.
    pub kind: PrincipalKind,
    /// The store's name for the caller, compared byte for byte by `self:{x}`. Empty for a guest.
    pub id: String,
    /// A name for people, when the store has one. With `[usergrid]` the username, or the client's name.
    pub name: Option<String>,
    /// An e-mail address, when the store has one.
    pub email: Option<String>,
    /// Roles held, compared by `role:x`. Of an application user: its own and those of its groups,
    /// without the `default` role that all of them hold.
    pub roles: Words,
    /// Scopes granted to the token, compared by `scope:x`.
    pub scopes: Words,
    /// Where it belongs; only with `[usergrid]`, and then for everybody but a guest.
    pub home: Option<Arc<Home>>,
}

/// Where a principal of `[usergrid]` belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The one organization of a user or client, or all that an admin belongs to.
    pub organizations: Vec<Named>,
    /// The application of an application user or of an application's client.
    pub application: Option<Named>,
    /// What an application user was granted besides its roles.
    pub permissions: PermissionSet,
}

/// An organization or application: its UUID, and its name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Named {
    /// Never changes, and is never used again.
    pub id: Uuid,
    /// Unique among its kind.
    pub name: String,
}

impl Principal {
    /// The caller that presented nothing.
    #[must_use]
    pub fn guest() -> Self {
        Self {
            kind: PrincipalKind::Guest,
            id: String::new(),
            name: None,
            email: None,
            roles: Words::default(),
            scopes: Words::default(),
            home: None,
        }
    }

    /// The spellings under which a path may name this caller.
    #[must_use]
    pub fn spellings(&self) -> Spellings<'_> {
        Spellings { id: &self.id, name: self.name.as_deref(), email: self.email.as_deref() }
    }

    /// Whether it belongs to the organization: as one of its admins, its client, or as a user or
    /// client of one of its applications.
    #[must_use]
    pub fn is_of(&self, organization: Uuid) -> bool {
        let home = self.home.as_deref();
        home.is_some_and(|home| home.organizations.iter().any(|one| one.id == organization))
    }

    /// Whether it may do everything in the application: an admin or the client of its organization,
    /// or its own client.
    #[must_use]
    pub fn administers(&self, organization: Uuid, application: Uuid) -> bool {
        match self.kind {
            PrincipalKind::AdminUser | PrincipalKind::Organization => self.is_of(organization),
            PrincipalKind::Application => self.application() == Some(application),
            PrincipalKind::Guest | PrincipalKind::User | PrincipalKind::ApplicationUser => false,
        }
    }

    /// The application whose user or client it is.
    #[must_use]
    pub fn application(&self) -> Option<Uuid> {
        Some(self.home.as_deref()?.application.as_ref()?.id)
    }
}
