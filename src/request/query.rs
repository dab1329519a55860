//! The query: pairs split on `&`, names decoded once for looking up credentials, bytes and order kept.

use super::BadRequest;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    _todo: (),
}

impl Query {
    pub fn parse(raw: Option<&str>) -> Result<Self, BadRequest> {
        todo!()
    }
    /// What is sent: `None` when there is no `?`.
    pub fn as_str(&self) -> Option<&str> {
        todo!()
    }
}
