//! The left side of a rule: methods, an optional host, a path of segments.

use super::SyntaxError;
use crate::request::path::PathPolicy;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    _todo: (),
}

impl Left {
    /// Reads `GET,POST api.example.com/users/{id}/**`. Literals pass through the canonical path.
    pub fn parse(text: &str, paths: &PathPolicy) -> Result<Self, SyntaxError> {
        todo!()
    }
    /// Names of the `{captures}`, in order.
    pub fn captures(&self) -> &[String] {
        todo!()
    }
}
