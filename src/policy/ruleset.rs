//! Which rule a request falls to: the most specific, whatever the order of the file.

use http::Method;

use super::Rule;
use crate::request::path::{CanonicalPath, Case};

pub struct RuleSet {
    _todo: (),
}

/// The rule that won, with the values of its captures.
#[derive(Debug)]
pub struct Match<'a> {
    pub rule: &'a Rule,
    /// Index of the rule in the order given to `build`.
    pub index: usize,
    path: &'a CanonicalPath,
}

impl<'a> Match<'a> {
    /// The decoded segment of capture `index`.
    pub fn capture(&self, index: usize) -> &'a str {
        todo!()
    }
}

/// Two rules that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub first: usize,
    pub second: usize,
    pub kind: ConflictKind,
    /// A request that both match: `GET /users/x`.
    pub example: String,
    /// The one line that settles it: `* /acme/admin/**`.
    pub settle: String,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// Both match `example`, neither is inside the other, and they ask for different things.
    Clash,
    /// A request by another method than GET, HEAD and OPTIONS would fall from `first`'s path through to `second`, which is open.
    FallThrough,
}

impl RuleSet {
    pub fn build(rules: Vec<Rule>, case: Case) -> Result<Self, Vec<Conflict>> {
        todo!()
    }
    /// The rule for this request. `host` is canonical (lower case, no port).
    pub fn find<'a>(
        &'a self,
        method: &Method,
        host: &str,
        path: &'a CanonicalPath,
    ) -> Option<Match<'a>> {
        todo!()
    }
    /// All rules that match, the winner first, for `explain`.
    pub fn candidates<'a>(
        &'a self,
        method: &Method,
        host: &str,
        path: &'a CanonicalPath,
    ) -> Vec<Match<'a>> {
        todo!()
    }
    pub fn rules(&self) -> &[Rule] {
        todo!()
    }
}
