//! A request as it goes to a backend.

use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::RequestBody;
use crate::wire::Fields;

/// What is sent. Only what was judged, and what we say ourselves.
#[derive(Debug)]
pub struct Outgoing {
    /// The method that was judged.
    pub method: Method,
    /// Path and query, and for HTTP/2 the authority.
    pub target: Uri,
    /// What the client said and may say.
    pub fields: Fields,
    /// What we say, under names that no field of the client has. Nothing is looked up among them on
    /// their way, and most are the caller's, ready made.
    pub ours: Vec<(HeaderName, HeaderValue)>,
    /// The client's body.
    pub body: RequestBody,
}

impl Outgoing {
    /// Every field that goes out.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        debug_assert!(
            self.ours.iter().all(|(name, _)| !self.fields.contains(name)),
            "a client's field under a name of ours"
        );
        self.fields.iter().chain(self.ours.iter().map(|(name, value)| (name, value)))
    }

    /// The same with all fields in one map.
    #[must_use]
    pub fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.fields.into();
        request.headers_mut().extend(self.ours);
        request
    }
}
