//! Why something was not done in the directory. No secret is in any of them.

use std::time::Duration;

use super::{
    passwords::{Busy, NotHashed},
    vault::VaultError,
};
use crate::store::StoreError;

/// What a thing of the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An organization.
    Organization,
    /// An application.
    Application,
    /// Somebody who administers organizations.
    Admin,
    /// A user of an application.
    User,
    /// A named set of permissions.
    Role,
    /// Users that share roles.
    Group,
}

impl Kind {
    /// The word for people and for clients.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Application => "application",
            Self::Admin => "admin user",
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The store could not answer, or it is not certain that it wrote.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many passwords are being checked.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Too many wrong tries.
    #[error("too many wrong passwords or secrets; try again later")]
    TooManyTries {
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// Too many others change the same.
    #[error("too many changes of the same at once; try again")]
    Contended,
    /// A client's secret could not be sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The system gave no randomness.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// There is no such thing.
    #[error("there is no {kind} `{name}`")]
    Missing {
        /// What was looked for.
        kind: Kind,
        /// As it was named.
        name: String,
    },
    /// A name or address that is taken.
    #[error("the {kind}'s {property} `{value}` is taken")]
    Taken {
        /// What should have had it.
        kind: Kind,
        /// `name`, `username`, `email`, `path`.
        property: &'static str,
        /// As it was given.
        value: String,
    },
    /// A value that cannot be.
    #[error("{message}")]
    Invalid {
        /// What is wrong with it, and what would be right.
        message: String,
    },
    /// A property that an entity cannot be without.
    #[error("a {kind} needs a {property}")]
    Needed {
        /// What would be made.
        kind: Kind,
        /// What it lacks.
        property: &'static str,
    },
    /// A password that the policy does not take: its words.
    #[error("{0}")]
    WeakPassword(String),
    /// An organization cannot be without an admin.
    #[error("the last admin of an organization cannot leave it")]
    LastAdmin,
}

impl From<NotHashed> for DirectoryError {
    fn from(error: NotHashed) -> Self {
        match error {
            NotHashed::Busy(busy) => Self::Busy(busy),
            NotHashed::Length => Self::WeakPassword(error.to_string()),
            NotHashed::NoSalt => Self::invalid(error.to_string()),
        }
    }
}

impl DirectoryError {
    pub(crate) fn missing(kind: Kind, name: impl Into<String>) -> Self {
        Self::Missing { kind, name: name.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into() }
    }

    pub(crate) fn taken(kind: Kind, property: &'static str, value: impl Into<String>) -> Self {
        Self::Taken { kind, property, value: value.into() }
    }
}
