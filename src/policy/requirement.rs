//! The right side of a rule: who may.

use super::SyntaxError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    Public,
    Guest,
    Deny,
    /// Either of these lists, each of which must hold whole: `a | b & c`.
    Any(Vec<Vec<Term>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    Authenticated,
    Role(String),
    Scope(String),
    /// The principal's attribute equals the decoded segment of this capture (index into the rule's captures).
    SelfIs {
        attribute: Attribute,
        capture: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Id,
    Name,
    Email,
}

impl Requirement {
    pub fn parse(text: &str, captures: &[String]) -> Result<Self, SyntaxError> {
        todo!()
    }
}
