//! Which tenant a term means: the one of the path, or the one that it names behind an `@`.

use std::fmt;

use crate::{policy::words::Word, request::tenant_name::tenant_name};

/// What a rule's path says of tenants. It decides which terms may stand on the right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenancy {
    /// There is no `[usergrid]`: nobody has a tenant.
    Plain,
    /// The path names a tenant, and terms mean that one.
    Path,
    /// The path names none: every term says which one it means.
    Outside,
}

/// The tenants that a term names behind its `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// `@*`
    Anywhere,
    /// `@acme`
    Organization(String),
    /// `@acme/shop`
    Application {
        /// In lower case.
        organization: String,
        /// In lower case.
        application: String,
    },
}

impl At {
    /// Reads what stands behind the `@`.
    ///
    /// # Errors
    /// What is wrong, without a full stop.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = |what: &str, text: &str| {
            tenant_name(text).map_err(|why| match text {
                "" => format!("the {what}'s name is missing"),
                text => format!("`{text}` is no {what}'s name: it {why}"),
            })
        };
        match text.split_once('/') {
            None if text == "*" => Ok(Self::Anywhere),
            None => Ok(Self::Organization(name("organization", text)?)),
            Some((organization, application)) => Ok(Self::Application {
                organization: name("organization", organization)?,
                application: name("application", application)?,
            }),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => f.write_str("*"),
            Self::Organization(organization) => f.write_str(organization),
            Self::Application { organization, application } => {
                write!(f, "{organization}/{application}")
            }
        }
    }
}

/// A word's term and what stands behind its `@`. An `@` in quotes is a character of a name.
pub(super) fn cut(word: Word<'_>) -> (Word<'_>, Option<Word<'_>>) {
    let mut quoted = false;
    for (at, character) in word.text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '@' if !quoted => {
                return (word.part(0..at), Some(word.part(at + 1..word.text.len())));
            }
            _ => {}
        }
    }
    (word, None)
}
