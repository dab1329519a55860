//! The right side of a rule: who may. `parse` reads it, `decide` judges it.
//!
//! A word that is not known never loads, and neither does a list without a word in it: nothing that
//! someone forgot to write can let anybody in.

mod parse;
mod tenancy;
#[cfg(test)]
mod tests;

use std::fmt;

pub use tenancy::{At, Tenancy};

use super::SyntaxError;
use crate::principal::{CertificateName, PrincipalKind};

/// The right side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// Everybody; credentials are not even read.
    Public,
    /// Everybody; a credential, when there is one, must be good.
    Guest,
    /// Nobody.
    Deny,
    /// Either of these lists, each of which must hold whole: `a | b & c`.
    Any(Vec<Vec<Term>>),
}

/// One word of a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// Any proven principal.
    Authenticated,
    /// The principal holds this role.
    Role(String),
    /// The token was granted this scope.
    Scope(String),
    /// The principal's attribute equals the decoded segment of this capture (index into the rule's captures).
    SelfIs {
        /// What of the principal is compared.
        attribute: Attribute,
        /// Index into the rule's captures.
        capture: usize,
    },
    /// What roles and own permissions of the tenant say of this method and path.
    Permissions,
    /// A caller of exactly this kind.
    Level(PrincipalKind),
    /// The client has shown a certificate, with this name if there is one. It says nothing of who is
    /// calling, and asks for nobody.
    Certificate(Option<CertificateName>),
    /// The term, of whoever belongs to the tenants named: `admin@acme`.
    Of {
        /// Neither `permissions` nor `self`, and never one of these again.
        term: Box<Term>,
        /// Which tenants.
        at: At,
    },
}

/// The levels of the language, each with the one kind of caller that it means.
pub(super) const LEVELS: [(&str, PrincipalKind); 4] = [
    ("user", PrincipalKind::ApplicationUser),
    ("application", PrincipalKind::Application),
    ("organization", PrincipalKind::Organization),
    ("admin", PrincipalKind::AdminUser),
];

/// What of a principal `self` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    /// `self:{x}`
    Id,
    /// `self.name:{x}`, where names are unique and not self-chosen.
    Name,
    /// `self.email:{x}`, where addresses are unique and not self-chosen.
    Email,
}

impl Requirement {
    /// Reads `self:{id} | role:support & scope:write`. `captures` are those of the rule's left side,
    /// and `tenancy` is what that says of tenants.
    ///
    /// # Errors
    /// [`SyntaxError`] with the bytes of `text` that are wrong, and mostly with what to write instead.
    pub fn parse(text: &str, captures: &[String], tenancy: Tenancy) -> Result<Self, SyntaxError> {
        parse::requirement(text, captures, tenancy)
    }

    /// Whether a caller without any credential gets in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Public | Self::Guest)
    }

    /// Whether a client's certificate may matter.
    #[must_use]
    pub fn looks_at_certificates(&self) -> bool {
        match self {
            Self::Public | Self::Guest | Self::Deny => false,
            Self::Any(lists) => lists.iter().flatten().any(Term::is_certificate),
        }
    }

    /// Whether roles of the tenant may let somebody in, and so its role `guest` whoever presents nothing.
    #[must_use]
    pub fn is_open_by_roles(&self) -> bool {
        match self {
            Self::Public | Self::Guest | Self::Deny => false,
            // Only alone: what stands beside it in a list needs a credential.
            Self::Any(lists) => lists.iter().any(|list| *list == [Term::Permissions]),
        }
    }
}

impl Attribute {
    /// The word of the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "self",
            Self::Name => "self.name",
            Self::Email => "self.email",
        }
    }
}

impl Term {
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self, Self::Certificate(_))
    }

    /// The term as one writes it.
    #[must_use]
    pub fn text(&self, captures: &[String]) -> String {
        match self {
            Self::Authenticated => "authenticated".to_owned(),
            Self::Role(name) => format!("role:{}", Quoted(name)),
            Self::Scope(name) => format!("scope:{}", Quoted(name)),
            Self::SelfIs { attribute, capture } => {
                let name = captures.get(*capture).map_or("", String::as_str);
                format!("{}:{{{name}}}", attribute.word())
            }
            Self::Permissions => "permissions".to_owned(),
            Self::Level(kind) => {
                let level = LEVELS.into_iter().find(|(_, known)| known == kind);
                level.map_or_else(|| kind.label(), |(word, _)| word).to_owned()
            }
            Self::Certificate(None) => "cert".to_owned(),
            Self::Certificate(Some(name)) => format!("cert:{}", Quoted(&name.to_string())),
            Self::Of { term, at } => format!("{}@{at}", term.text(captures)),
        }
    }
}

/// A name, in quotes where it needs them.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An unquoted `@` names a tenant.
        if is_plain(self.0) && !self.0.contains('@') {
            f.write_str(self.0)
        } else {
            write!(f, "'{}'", self.0)
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~@:/+-".contains(&byte))
}
