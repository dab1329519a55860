//! A request as it goes to a backend.

use std::rc::Rc;

use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::RequestBody;
use crate::wire::{Fields, Ready};

/// What is sent. Only what was judged, and what we say ourselves.
#[derive(Debug)]
pub struct Outgoing {
    /// The method that was judged.
    pub method: Method,
    /// Path and query, and for HTTP/2 the authority.
    pub target: Uri,
    /// What the client said and may say.
    pub fields: Fields,
    /// What we say of this request, under names that no field of the client has.
    pub ours: Fields,
    /// What we say of more requests than this one, under further names: of the caller, and of the way here.
    pub ready: [Option<Rc<Ready>>; 2],
    /// The client's body.
    pub body: RequestBody,
}

impl Outgoing {
    /// What we say of more than one request.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.ready.iter().flatten().map(|ready| &**ready)
    }

    /// What we say, line by line.
    fn said(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.ready().flat_map(|ready| ready.fields().iter()).chain(self.ours.iter())
    }

    /// Whether no two speak of the same thing: each name of ours is there once, and the client has none of them.
    pub(super) fn is_unambiguous(&self) -> bool {
        let count = |name| self.said().filter(|(known, _)| *known == name).count();
        self.said().all(|(name, _)| count(name) == 1 && !self.fields.contains(name))
    }

    /// The same with all fields in one map.
    #[must_use]
    pub fn into_request(self) -> Request<RequestBody> {
        debug_assert!(self.is_unambiguous(), "{:?} and {:?}", self.fields, self.ours);
        let ready: Vec<_> = self.ready.iter().flatten().map(Rc::clone).collect();
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.fields.into();
        let lines = ready.iter().flat_map(|ready| ready.fields().iter());
        for (name, value) in lines.chain(self.ours.iter()) {
            request.headers_mut().append(name.clone(), value.clone());
        }
        request
    }
}
