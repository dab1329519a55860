//! An answer on its way through: its fields are a list, for few are looked up among them.

use http::{HeaderMap, Response, StatusCode, Version};

use super::Fields;

/// Status, fields and body.
#[derive(Debug)]
pub struct Reply<B> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: Fields,
    /// Its body, of whatever kind.
    pub body: B,
}

impl<B> Reply<B> {
    /// 200 without fields.
    pub fn new(body: B) -> Self {
        Self { status: StatusCode::OK, fields: Fields::default(), body }
    }

    /// The same with another body.
    pub fn map<C>(self, to: impl FnOnce(B) -> C) -> Reply<C> {
        Reply { status: self.status, fields: self.fields, body: to(self.body) }
    }
}

impl<B> From<Response<B>> for Reply<B> {
    fn from(response: Response<B>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, fields: head.headers.into(), body }
    }
}

impl<B> From<Reply<B>> for Response<B> {
    fn from(reply: Reply<B>) -> Self {
        let mut response = Self::new(reply.body);
        *response.version_mut() = Version::HTTP_11;
        *response.status_mut() = reply.status;
        *response.headers_mut() = HeaderMap::from(reply.fields);
        response
    }
}
