//! A request as it goes to a backend.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::RequestBody;

/// What is sent. Only what was judged, and what we say ourselves.
#[derive(Debug)]
pub struct Outgoing {
    /// The method that was judged.
    pub method: Method,
    /// Path and query, and for HTTP/2 the authority.
    pub target: Uri,
    /// What the client said and may say.
    pub fields: HeaderMap,
    /// What we say, under names that no field of the client has. A list, for nothing is looked up in it
    /// on its way: to insert these into a map would cost more than to write them.
    pub ours: Vec<(HeaderName, HeaderValue)>,
    /// The client's body.
    pub body: RequestBody,
}

impl Outgoing {
    /// Every field that goes out.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        debug_assert!(
            self.ours.iter().all(|(name, _)| !self.fields.contains_key(name)),
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
        *request.headers_mut() = self.fields;
        request.headers_mut().extend(self.ours);
        request
    }
}
